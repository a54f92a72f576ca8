"""The options that say what a PersistentVolume of a volume will say, where somebody makes or adopts one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csi.spec import manage_pb2 as pb

ACCESS_MODES: Mapping[str, str] = MappingProxyType(
    {
        "ReadWriteOnce": "SINGLE_NODE_WRITER",
        "ReadWriteOncePod": "SINGLE_NODE_SINGLE_WRITER",
    }
)
"""Those that local storage can serve, in Kubernetes' words and in CSI's."""


def add_properties(parser: argparse.ArgumentParser) -> None:
    """``--mode``, ``--fs-type``, ``--access-mode``, ``--storage-class``, ``--claim`` and ``--pv-name``."""
    parser.add_argument(
        "--mode",
        choices=("filesystem", "block"),
        help="what a pod gets (default: filesystem if --fs-type is given, else see below)",
    )
    parser.add_argument(
        "--fs-type", choices=("ext4", "xfs", "btrfs"), default="", help="the filesystem it holds"
    )
    parser.add_argument(
        "--access-mode",
        action="append",
        choices=list(ACCESS_MODES),
        default=[],
        help="once for each (default: ReadWriteOnce)",
    )
    parser.add_argument(
        "--storage-class", default="", metavar="NAME", help="the class that is kept with it"
    )
    parser.add_argument(
        "--claim",
        type=_claim,
        default=("", ""),
        metavar="NAMESPACE/NAME",
        help="the claim that is kept with it",
    )
    parser.add_argument(
        "--pv-name", default="", metavar="NAME", help="the PersistentVolume's name, kept with it"
    )


def properties(options: argparse.Namespace, usual_mode: str) -> pb.Properties:
    """What was given; ``usual_mode`` is that of a volume of which neither mode nor filesystem is told."""
    from csi.spec import manage_pb2 as pb

    namespace, name = options.claim
    return pb.Properties(
        mode=options.mode or ("filesystem" if options.fs_type else usual_mode),
        fs_type=options.fs_type,
        access_modes=_modes(options.access_mode),
        pvc_namespace=namespace,
        pvc_name=name,
        pv_name=options.pv_name,
        storage_class=options.storage_class,
    )


def _modes(words: Sequence[str]) -> Sequence[str]:
    return [ACCESS_MODES[each] for each in words or ["ReadWriteOnce"]]


def _claim(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name):
        raise argparse.ArgumentTypeError(f"{text!r} must be NAMESPACE/NAME")
    return namespace, name
