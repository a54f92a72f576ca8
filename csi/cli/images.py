"""``hearth volume create`` and ``upload-to-image``: raw images into volumes and out of them."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from csi.cli import remote
from csi.cli.arguments import size
from csi.cli.output import add_output, human, print_one
from csi.cli.progress import Progress
from csi.cli.properties import add_properties, properties
from drivers.errors import Exists, Invalid, Precondition, Unavailable
from drivers.model import MIB

if TYPE_CHECKING:
    from csi.cli.arguments import Commands
    from csi.manage.client import ManageClient
    from csi.spec import manage_pb2 as pb

STDIO = "-"


def add(actions: Commands) -> None:
    """Add them to ``hearth volume``."""
    _add_create(actions)
    _add_upload(actions)


def _add_create(actions: Commands) -> None:
    create = remote.add_action(actions, "create", "make a volume that begins with a raw image")
    create.add_argument("name", metavar="NAME", help="its CSI name: the same name finds it again")
    create.add_argument(
        "--image", required=True, metavar="FILE|-", help="the image, - for standard input"
    )
    create.add_argument(
        "--sha256", required=True, metavar="DIGEST", help="the digest that the image must have"
    )
    create.add_argument(
        "--image-size", type=size, metavar="SIZE", help="of an image that comes through a pipe"
    )
    create.add_argument(
        "--size", type=size, default=0, metavar="SIZE", help="of the volume (default: the image's)"
    )
    remote.add_backend(create, "the backend; may be left out where there is only one")
    create.add_argument(
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="KEY=VALUE",
        help="a parameter of the driver, as layout=thin; once for each",
    )
    add_properties(create)
    remote.add_dry_run(create)
    add_output(create)
    create.set_defaults(command=_create)


def _add_upload(actions: Commands) -> None:
    upload = remote.add_action(
        actions, "upload-to-image", "copy every byte of an unused volume to a raw image"
    )
    upload.add_argument("volume", metavar="VOLUME", help="its id, or its PersistentVolume's name")
    upload.add_argument("image", metavar="FILE|-", help="the image, - for standard output")
    upload.add_argument("--force", action="store_true", help="replace a file of that name")
    upload.set_defaults(command=_upload)


def _option(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} must be KEY=VALUE")
    return key, value


def _create(options: argparse.Namespace) -> None:
    from csi.spec import manage_pb2 as pb

    with _opened(options.image) as image, remote.node(options) as client:
        head = pb.ImageHead(
            name=options.name,
            backend=options.backend,
            volume_size=options.size,
            image_size=options.image_size or _size(image, options.image),
            sha256=options.sha256.lower(),
            options=dict(options.option),
            properties=properties(options, "block"),
            dry_run=options.dry_run,
        )
        parts = iter(()) if options.dry_run else _parts(image, Progress(head.image_size))
        _print_made(options, client.create_from_image(head, parts))


def _print_made(options: argparse.Namespace, made: pb.Volume) -> None:
    if options.output != "table":
        print_one(options.output, made)
    elif not options.dry_run:
        print(f"volume {made.id} ({human(made.size)}) begins with the image")
    elif made.id:
        print(f"volume {made.id} of that name is there already; nothing is changed")
    else:
        print(f"would make a volume of {human(made.size)}; nothing is changed")


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    # Unbuffered: the thread that reads is left behind when the node hangs up, and must hold no lock.
    if path == STDIO:
        yield cast(BinaryIO, open(sys.stdin.fileno(), "rb", 0, closefd=False))  # noqa: SIM115
        return
    try:
        file = Path(path).open("rb", 0)  # noqa: SIM115 - closed below; only opening may be refused here
    except OSError as error:
        raise Precondition(f"{path} cannot be read: {error.strerror}") from None
    with file:
        yield cast(BinaryIO, file)


def _size(image: BinaryIO, path: str) -> int:
    status = os.fstat(image.fileno())
    if stat.S_ISREG(status.st_mode):
        return status.st_size - image.tell()
    if stat.S_ISBLK(status.st_mode):
        return image.seek(0, os.SEEK_END) - image.seek(0)
    raise Invalid(f"how large the image in {path} is cannot be seen: say it with --image-size")


def _parts(image: BinaryIO, progress: Progress) -> Iterator[bytes]:
    while part := image.read(MIB):
        yield part
        progress.more(len(part))
    progress.end()


def _upload(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        volume = remote.volume(client, options.volume)
        if options.image == STDIO:
            digest = _download(client, volume.id, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            digest = _to_file(client, volume.id, Path(options.image), replace=options.force)
    told = sys.stderr if options.image == STDIO else sys.stdout
    print(f"{digest}  {options.image}", file=told)


def _to_file(client: ManageClient, volume_id: str, path: Path, *, replace: bool) -> str:
    """The file gets its name when all of it is there."""
    if path.exists() and not replace:
        raise Exists(f"{path} is there already: name another file, or replace it with --force")
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("wb") as file:
            digest = _download(client, volume_id, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise Precondition(f"{path} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    return digest


def _download(client: ManageClient, volume_id: str, file: BinaryIO) -> str:
    """Every byte of the volume to ``file``; raises `Unavailable` if they are not those that were read."""
    import hashlib

    digest, progress = hashlib.sha256(), Progress(0)
    for message in client.copy_to_image(volume_id):
        progress.total = message.size or progress.total
        file.write(message.data)
        digest.update(message.data)
        progress.more(len(message.data))
        if message.sha256 == digest.hexdigest():
            progress.end()
            return digest.hexdigest()
    raise Unavailable(f"the image of {volume_id} is not what was read of it: copy it again")
