"""Mutual TLS between Hearth's processes: certificates, who may call, and the port that is behind them.

A directory holds what a Secret of type kubernetes.io/tls does: ``tls.crt``, ``tls.key`` and, of whoever
signs for both sides, ``ca.crt``. Whoever has a certificate of that CA gets a connection; whether he may
call is decided by the names in it. Files that change are taken up without a restart.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc

from csi.rpc.status import Denied
from drivers.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from cryptography import x509

log = logging.getLogger(__name__)

FILES = ("tls.crt", "tls.key", "ca.crt")
NAMES = "x509_subject_alternative_name"
"""Where gRPC puts the names of a peer's certificate."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one side of a connection needs, checked to fit together."""

    chain: bytes
    key: bytes
    roots: bytes
    expires: datetime

    def client(self) -> grpc.ChannelCredentials:
        """Credentials to call with."""
        return grpc.ssl_channel_credentials(self.roots, self.key, self.chain)

    def server(self) -> grpc.ServerCertificateConfiguration:
        """What to serve with."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.chain)], self.roots)


class Certificates:
    """The files of a directory, as they are now."""

    def __init__(self, directory: Path) -> None:
        """Raises `Invalid`, naming the file, for what is absent or does not fit together."""
        self._directory = directory
        self._guard = threading.Lock()
        self._seen = _fingerprint(directory)
        self._bundle = _load(directory)

    def current(self) -> Bundle:
        """The newest bundle that can be used; the same object for as long as the files stay."""
        with self._guard:
            seen = _fingerprint(self._directory)
            if seen != self._seen:
                self._renew(seen)
            return self._bundle

    def _renew(self, seen: object) -> None:
        try:
            self._bundle = _load(self._directory)
        except Invalid as error:
            # Not remembered as seen: the other files of the new pair may come a moment later.
            log.warning("the certificates stay as they were: %s", error)
            return
        self._seen = seen
        log.info("new certificates are in use; they expire at %s", self._bundle.expires)


class TlsPort:
    """The `csi.rpc.door.Door` that is a TCP port with mutual TLS."""

    def __init__(self, host: str, port: int, certificates: Certificates) -> None:
        self._address = f"[{host or '::'}]:{port}" if ":" in host or not host else f"{host}:{port}"
        self._certificates = certificates
        self.port = port
        """The port, once bound, also where 0 was asked for."""

    def bind(self, server: grpc.Server) -> None:
        """Raises `Unavailable` if the port cannot be had."""
        certificates = self._certificates
        credentials = grpc.dynamic_ssl_server_credentials(
            certificates.current().server(),
            lambda: certificates.current().server(),
            require_client_authentication=True,
        )
        try:
            self.port = server.add_secure_port(self._address, credentials)
        except RuntimeError as error:
            raise Unavailable(f"cannot listen on {self._address}: {error}") from error

    def leaving(self) -> AbstractContextManager[None]:
        """Nothing has to be kept from a successor: it is another pod."""
        return nullcontext()


@dataclass(frozen=True, slots=True)
class Only:
    """Lets in whose certificate has one of ``names``: the `csi.rpc.door.Admit` of a port.

    ``methods`` are those, by their paths, that have callers of their own instead.
    """

    names: Collection[str]
    methods: Mapping[str, Collection[str]] = field(default_factory=dict)

    def __call__(self, context: grpc.ServicerContext, method: str) -> None:
        """Raises `Denied`, naming both sides."""
        # The stubs have it otherwise.
        names = cast("Mapping[str, Sequence[bytes]]", context.auth_context())
        found = [name.decode("utf-8", "replace") for name in names.get(NAMES, ())]
        allowed = self.methods.get(method, self.names)
        if not set(found) & set(allowed):
            raise Denied(
                f"a certificate of {', '.join(found) or 'no name'} may not call this; allowed:"
                f" {', '.join(sorted(allowed))}"
            )


def _fingerprint(directory: Path) -> object:
    """Changes whenever a file does; what is absent is told by `_load`."""
    return tuple(_stamp(directory / name) for name in FILES)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _load(directory: Path) -> Bundle:
    chain, key, roots = (_read(directory / name) for name in FILES)
    certificate = _certificate(directory / FILES[0], chain)
    _certificate(directory / FILES[2], roots)
    if _public(directory / FILES[1], key) != certificate.public_key():
        raise Invalid(f"{directory / FILES[1]} is not the key of {FILES[0]}")
    return Bundle(chain, key, roots, certificate.not_valid_after_utc.astimezone(UTC))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None


def _certificate(path: Path, text: bytes) -> x509.Certificate:
    # Here and below: `hearth all` has no certificates, and starts without a tenth of a second of import.
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(text)
    except ValueError:
        raise Invalid(f"{path} holds no certificate in PEM") from None


def _public(path: Path, text: bytes) -> object:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(text, None).public_key()
    except (ValueError, TypeError):
        raise Invalid(f"{path} holds no private key in PEM, or one with a password") from None
