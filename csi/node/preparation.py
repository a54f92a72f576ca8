"""Whether a volume may be formatted, and everything between a raw device and one that mounts.

A volume's content (`drivers.model.Content`) is recorded before and after each step that changes what
the volume is, so a crash between any two of them is told from a volume that somebody filled. Nothing is
formatted that was not made empty by us, or that shows any sign of data.
"""

from __future__ import annotations

from csi.node import devices
from csi.node.devices import Device
from csi.node.filesystems import Filesystem
from drivers import mkfs
from drivers.errors import Precondition
from drivers.exec import Run
from drivers.interface import VolumeDriver
from drivers.model import Content, Volume, VolumeMode


class Preparation:
    """Makes a volume's device ready to be mounted. The caller holds the volume's lock."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def prepare(
        self, driver: VolumeDriver, volume: Volume, device: Device, filesystem: Filesystem
    ) -> None:
        """Format, make independent or check, whatever the volume's content calls for.

        Raises `Precondition` if the device is in use, holds something else than it should, or holds
        anything where it should be empty.
        """
        _refuse_partial(volume)
        device.require_free()
        if volume.content in (Content.BLANK, Content.FORMATTING):
            self._format(driver, volume, device, filesystem)
        elif volume.content is Content.INHERITED:
            self._require_filesystem(volume, device, filesystem)
            filesystem.renew_uuid(device)
            driver.set_content(volume.id, Content.FORMATTED)
        self._require_filesystem(volume, device, filesystem)
        filesystem.check(device)

    def prepare_raw(self, driver: VolumeDriver, volume: Volume) -> None:
        """Record that a pod may write to the device from now on: it is never formatted later."""
        _refuse_partial(volume)
        if volume.content is Content.BLANK:
            driver.set_content(volume.id, Content.FORMATTED)

    def _format(
        self, driver: VolumeDriver, volume: Volume, device: Device, filesystem: Filesystem
    ) -> None:
        options = mkfs.options(filesystem.fs_type, volume.properties.mkfs_options)
        if empty := volume.content is Content.BLANK:
            self._require_empty(volume, device)
            driver.set_content(volume.id, Content.FORMATTING)
        filesystem.make(device, options, zeros=empty and volume.zeroed)
        driver.set_content(volume.id, Content.FORMATTED)

    def _require_empty(self, volume: Volume, device: Device) -> None:
        if found := devices.signature(device, self._run):
            raise Precondition(
                f"volume {volume.id} was made empty, but {device.path} holds {found.type}; it is not"
                " formatted: look what wrote to it, then delete the volume"
            )
        devices.require_zeros(device)

    def _require_filesystem(self, volume: Volume, device: Device, filesystem: Filesystem) -> None:
        wanted = filesystem.fs_type.value
        found = devices.signature(device, self._run)
        if found is None or found.type != wanted:
            what = found.type if found else "nothing that is known"
            raise Precondition(
                f"volume {volume.id} should hold {wanted}, but {device.path} holds {what}; a volume"
                " with data is never formatted: ask for what it holds, or restore a snapshot"
            )


def _refuse_partial(volume: Volume) -> None:
    """Nothing formats a filesystem volume that is to hold an image, nor mounts half of one."""
    raw = volume.properties.mode is VolumeMode.BLOCK and volume.content is Content.FORMATTING
    if raw or volume.is_partial:
        raise Precondition(
            f"volume {volume.id} holds part of an image; copy the image again, or delete it"
        )
