"""By hand, then a volume, then by hand again: every byte as it was, and staging mounts it as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from csi.node.access import Access
from csi.node.mounts import Mounts
from csi.node.servicer import rules
from drivers.backends import Backend as Served
from drivers.backends import Backends
from drivers.errors import NotFound, Precondition
from drivers.exec import Host
from drivers.locks import Locks
from drivers.model import Content, Volume
from tests.integration.lvm import byhand
from tests.integration.lvm.bench import Backend

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.mark.parametrize("thin", [False, True], ids=["thick", "thin"])
@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
def test_a_volume_made_by_hand_is_brought_in_staged_and_let_go(
    backend: Backend, tmp_path: Path, fs_type: str, *, thin: bool
) -> None:
    driver, name = backend.driver, f"data-{fs_type}"
    byhand.make(name, fs_type, thin=thin)
    with byhand.active(name) as device:
        before = byhand.digest(device)
    volume = driver.manage_existing(byhand.spec(), byhand.named(name))
    assert (volume.content, volume.properties.fs_type) == (Content.ADOPTED, fs_type)
    assert volume.size == driver.manage_existing_get_size(byhand.named(name))
    assert driver.manage_existing(byhand.spec(), byhand.named(name)) == volume
    with byhand.active(name) as device:
        assert byhand.digest(device) == before
    assert staged_file(backend, volume, tmp_path) == byhand.CONTENT
    with pytest.raises(Precondition, match="never deleted"):
        driver.delete_volume(volume.id)
    where = driver.unmanage(volume.id, f"released-{fs_type}")
    assert where is not None
    assert where.name == f"released-{fs_type}"
    assert byhand.tags(where.name) == ""
    assert driver.unmanage(volume.id, None) is None
    with pytest.raises(NotFound):
        driver.get_volume(volume.id)
    with byhand.active(where.name) as device, byhand.mounted(device) as folder:
        assert (folder / "file").read_bytes() == byhand.CONTENT
    byhand.remove(where.name)


def staged_file(backend: Backend, volume: Volume, root: Path) -> bytes:
    """What a pod would find, after it wrote something of its own."""
    run, staging = Host(), root / "staging"
    staging.mkdir()
    node = rules(Backends([Served(backend.driver)]), Locks(), Mounts(root, run), run)
    access = Access(volume.properties.mode, "SINGLE_NODE_WRITER", volume.properties.fs_type, ())
    node.staging.stage(volume.id, staging, access)
    (staging / "pod").write_text("was here")
    content = (staging / "file").read_bytes()
    node.staging.unstage(volume.id, staging)
    return content
