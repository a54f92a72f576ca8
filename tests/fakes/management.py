"""A `hearth all` on a driver in memory that can adopt, and a client of its Manage service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from csi.manage.client import ManageClient, connect
from csi.spec import manage_pb2 as pb
from drivers.model import MIB
from tests.fakes.adopting import AdoptingDriver
from tests.fakes.bench import Bench, bench
from tests.fakes.memory import MemoryOptions


@dataclass(frozen=True, slots=True)
class Management:
    """What runs, and who asks it."""

    bench: Bench
    client: ManageClient

    @property
    def driver(self) -> AdoptingDriver:
        """To lay things into, and to look into."""
        driver = self.bench.driver()
        assert isinstance(driver, AdoptingDriver)
        return driver

    def image(self, name: str, data: bytes, **fields: Any) -> pb.Volume:
        """A volume from an image, in small parts."""
        return self.client.create_from_image(head(name, data, **fields), iter(parts(data)))

    def holds(self, volume_id: str, size: int) -> bytes:
        """The first bytes of a volume."""
        with self.driver._volumes.get(volume_id).bytes.path.open("rb") as file:
            return file.read(size)


def head(name: str, data: bytes, /, **fields: Any) -> pb.ImageHead:
    """What is said before the image ``data``, with ``fields`` in place of it."""
    usual = {"name": name, "image_size": len(data), "sha256": sha256(data).hexdigest()}
    return pb.ImageHead(**{**usual, **fields})


def parts(data: bytes, size: int = MIB) -> list[bytes]:
    """``data`` as it travels."""
    return [data[start : start + size] for start in range(0, len(data), size)]


@contextmanager
def management() -> Iterator[Management]:
    """One backend, called fast."""
    with (
        bench({"fast": (AdoptingDriver, MemoryOptions())}) as running,
        connect(running.endpoint) as client,
    ):
        yield Management(running, client)
