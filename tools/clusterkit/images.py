"""Container images under their upstream names, made here of what was built: nothing can be pulled.

An image is what `docker save` writes: a manifest, a configuration, and one layer. Times and owners are
fixed, so that the same programs make the same image.
"""

import hashlib
import io
import json
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from tools.clusterkit import errors, pins
from tools.clusterkit.layout import Layout
from tools.clusterkit.progress import say

PAUSE = "registry.k8s.io/pause:3.10.2"
STORAGE = "registry.k8s.io/sig-storage"
TESTS = "registry.k8s.io/e2e-test-images"
SIDECARS = ("csi-provisioner", "csi-resizer", "csi-snapshotter", "snapshot-controller")
BUSYBOX = Path("/bin/busybox")
DD, SHELL = Path("/bin/dd"), Path("/bin/sh")
POPULATOR = Path(__file__).with_name("populator.sh")
LIBRARY = re.compile(r"(/\S+) \(0x")
"""A file in the output of ldd."""
FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr/bin", "var/tmp")
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image to make: its name, what it runs, and the programs in it."""

    reference: str
    entry_point: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    programs: tuple[Path, ...] = ()  # of this machine, for the root folder of the image
    has_busybox: bool = False  # busybox, with a link for everything it can do
    linked: tuple[Path, ...] = ()  # of this machine, at their places, with the libraries they need

    @property
    def file(self) -> str:
        """The name of its archive."""
        return self.reference.rsplit("/", 1)[1].split(":")[0] + ".tar"


def wanted(layout: Layout) -> list[Image]:
    """The images every node has from the start."""
    versions = {name: program.version for name, program in pins.programs().items()}
    agnhost = _of_program(layout, "agnhost", f"{TESTS}/agnhost:2.63.0")
    return [
        _of_program(layout, "pause", PAUSE),
        *(_of_program(layout, name, f"{STORAGE}/{name}:{versions[name]}") for name in SIDECARS),
        Image(f"{TESTS}/busybox:1.37.0-1", arguments=("sh",), has_busybox=True),
        replace(agnhost, arguments=("pause",), has_busybox=True),
        # Kubernetes' storage tests only start a shell in these two, and the first needs GNU's dd: and so
        # a shell that is not busybox's, which takes its own dd before any other.
        Image(
            f"{TESTS}/glibc-dns-testing:2.0.0",
            arguments=("sh",),
            has_busybox=True,
            linked=(DD, SHELL),
        ),
        Image(f"{TESTS}/nginx:1.15-4", arguments=("sh",), has_busybox=True),
        Image(
            f"{STORAGE}/hello-populator:v1.0.1",
            entry_point=("/bin/sh", f"/{POPULATOR.name}"),
            programs=(POPULATOR, layout.binaries / "kubectl"),
            has_busybox=True,
        ),
    ]


def ensure(layout: Layout) -> list[Path]:
    """Make the archives that are missing, or older than what they are made of or by; all of them."""
    layout.images.mkdir(parents=True, exist_ok=True)
    for image in wanted(layout):
        target = layout.images / image.file
        if not _is_fresh(target, image):
            say(f"making the image {image.reference}")
            write(image, target)
    return [layout.images / image.file for image in wanted(layout)]


def write(image: Image, target: Path) -> None:
    """Write the archive of an image."""
    with tempfile.TemporaryFile(dir=target.parent) as layer:
        _write_layer(image, layer)
        size = layer.tell()
        layer.seek(0)
        identity = hashlib.file_digest(layer, "sha256").hexdigest()
        layer.seek(0)
        unfinished = target.with_suffix(".part")
        with tarfile.open(unfinished, "w", format=tarfile.GNU_FORMAT) as archive:
            content = configuration(image, identity)
            name = f"{hashlib.sha256(content).hexdigest()}.json"
            _add(archive, name, content)
            archive.addfile(_entry("layer.tar", size=size), layer)
            _add(archive, "manifest.json", manifest(image, name))
        unfinished.replace(target)


def configuration(image: Image, layer: str) -> bytes:
    """What a container of the image starts with."""
    settings = {
        "Entrypoint": list(image.entry_point),
        "Cmd": list(image.arguments),
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    }
    roots = {"type": "layers", "diff_ids": [f"sha256:{layer}"]}
    content = {"architecture": "amd64", "os": "linux", "config": settings, "rootfs": roots}
    return json.dumps(content).encode()


def manifest(image: Image, configuration_name: str) -> bytes:
    """The table of contents of the archive."""
    entry = {
        "Config": configuration_name,
        "RepoTags": [image.reference],
        "Layers": ["layer.tar"],
    }
    return json.dumps([entry]).encode()


def _of_program(layout: Layout, name: str, reference: str) -> Image:
    return Image(reference, entry_point=(f"/{name}",), programs=(layout.binaries / name,))


def _write_layer(image: Image, target: BinaryIO) -> None:
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for name in FOLDERS:
            layer.addfile(_entry(name, kind=tarfile.DIRTYPE, mode=_mode(name)))
        for name, text in ACCOUNTS.items():
            _add(layer, name, text.encode())
        for program in image.programs:
            _add_file(layer, program, program.name)
        if image.has_busybox:
            _add_file(layer, BUSYBOX, "bin/busybox")
            for applet in sorted(set(_applets()) - {program.name for program in image.linked}):
                layer.addfile(_entry(f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox"))
        for file in _closure(image.linked):
            _add_file(layer, file, str(file).removeprefix("/"))


def _mode(name: str) -> int:
    return 0o1777 if name.endswith("tmp") else 0o755


def _applets() -> list[str]:
    listed = _said(str(BUSYBOX), "--list")
    return [name for name in listed.split() if name != "busybox"]


def _closure(programs: tuple[Path, ...]) -> list[Path]:
    """The programs and all libraries they are linked with, at the places where a loader looks."""
    libraries = {Path(each) for one in programs for each in LIBRARY.findall(_said("ldd", str(one)))}
    return [*programs, *sorted(libraries)]


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    archive.addfile(_entry(name, size=len(content), mode=0o644), io.BytesIO(content))


def _add_file(archive: tarfile.TarFile, source: Path, name: str) -> None:
    with source.open("rb") as file:
        archive.addfile(_entry(name, size=source.stat().st_size), file)


def _entry(
    name: str, *, size: int = 0, kind: bytes = tarfile.REGTYPE, mode: int = 0o755, link: str = ""
) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.mode, entry.linkname = size, kind, mode, link
    return entry


def _is_fresh(target: Path, image: Image) -> bool:
    shell = [BUSYBOX] if image.has_busybox else []
    sources = [Path(__file__), *image.programs, *image.linked, *shell]
    if not target.exists():
        return False
    return all(source.stat().st_mtime <= target.stat().st_mtime for source in sources)
