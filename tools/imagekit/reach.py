"""How pip of this machine reaches its index, told to the build as secrets: nothing of it is in the image."""

from __future__ import annotations

import configparser
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
INSIDE = "/run/secrets/ca"


@contextmanager
def secrets(environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Options for `build`, of docker as of buildah, as long as the files behind them exist."""
    with TemporaryDirectory(prefix="hearth-image-") as name:
        configuration = Path(name) / "pip"
        configuration.write_text(pip(environment, files(environment), CERTIFICATES.exists()))
        found = {"pip": configuration}
        if CERTIFICATES.exists():
            found["ca"] = CERTIFICATES
        yield [f"--secret=id={key},src={path}" for key, path in found.items()]


def files(environment: Mapping[str, str]) -> list[Path]:
    """Where pip reads its settings, the later the stronger (pip's documentation, "Configuration")."""
    home = Path(environment.get("HOME", "/"))
    own = Path(environment.get("XDG_CONFIG_HOME", home / ".config"))
    given = environment.get("PIP_CONFIG_FILE")
    standard = [Path("/etc/pip.conf"), home / ".pip/pip.conf", own / "pip/pip.conf"]
    return [*standard, *([Path(given)] if given else [])]


def pip(environment: Mapping[str, str], paths: Sequence[Path], certified: bool) -> str:
    """A pip.conf of what tells where packages are, out of such files and variables."""
    parser = configparser.RawConfigParser()
    parser.read(paths)
    found = {key: value for part in ("global", "install") for key, value in _section(parser, part)}
    for key, value in environment.items():
        if key.startswith("PIP_"):
            found[key[4:].lower().replace("_", "-")] = value
    kept = {key: found[key] for key in OPTIONS if key in found}
    return _written({**kept, **({"cert": INSIDE} if certified else {})})


def _section(parser: configparser.RawConfigParser, name: str) -> list[tuple[str, str]]:
    if not parser.has_section(name):
        return []
    return [(key.replace("_", "-"), value) for key, value in parser.items(name)]


def _written(options: Mapping[str, str]) -> str:
    parser = configparser.RawConfigParser()
    parser["global"] = options
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()
