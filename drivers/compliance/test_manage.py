"""What a driver does with what it holds and did not make: bringing it in, and letting go of it.

The kit has no means of its own to put an object into somebody's storage. It makes a volume, fills it and
lets go of it: what is left is an object that is nobody's, and a driver for which that is not so fails here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from drivers import errors
from drivers.compliance.adoptions import OWNER, adoption, manages
from drivers.compliance.bench import SIZE, Bench, is_device, pattern
from drivers.compliance.marks import checks
from drivers.compliance.test_snapshots import filled
from drivers.compliance.test_volumes import strange_ids
from drivers.manageable import Hindrance, Manageable, Query, Reference, Sort
from drivers.model import Adoption, Content, Properties, Volume, VolumeId, VolumeMode

PLAIN, OTHER = "hearth-kit-plain", "hearth-kit-other"


def released(bench: Bench, name: str = PLAIN, seed: int = 1) -> tuple[Reference, Volume]:
    """An object of that name that nobody manages, full of a pattern; and the volume that it was."""
    volume = bench.create(f"once-{name}")
    bench.write(volume.id, pattern(seed, volume.size))
    bench.disconnect(volume.id)
    where = bench.done(manages(bench).unmanage, volume.id, name)
    assert where is not None, "unmanage() found no volume"
    assert where.name == name
    return where, volume


def listed(bench: Bench, reference: Reference) -> Manageable:
    """What the list says of it; it must be there once."""
    entries = manages(bench).get_manageable_volumes(Query()).entries
    (found,) = (each for each in entries if each.reference == reference)
    return found


@checks("unmanage", "get_manageable_volumes", "manage_existing_get_size", "get_volume")
def test_what_was_let_go_is_an_object_that_nobody_manages(bench: Bench) -> None:
    where, volume = released(bench)
    assert bench.driver.list_volumes() == []
    assert bench.driver.find_volume(f"once-{PLAIN}") is None
    with pytest.raises(errors.NotFound):
        bench.driver.get_volume(volume.id)
    entry = listed(bench, where)
    assert entry.safe, entry.obstacle
    assert (entry.size, entry.manager, entry.id) == (volume.size, "", "")
    for reference in (where, Reference(where.name)):
        assert manages(bench).manage_existing_get_size(reference) == volume.size
    bench.driver.delete_volume(volume.id)
    bench.restart()
    assert listed(bench, where) == entry


@checks("unmanage")
def test_letting_go_twice_is_fine_and_so_is_letting_go_of_nothing(bench: Bench) -> None:
    where, volume = released(bench)
    assert manages(bench).unmanage(volume.id, PLAIN) is None
    bench.restart()
    assert manages(bench).unmanage(volume.id, None) is None
    for strange in strange_ids(bench, volume.id):
        assert manages(bench).unmanage(VolumeId(strange), None) is None
    assert listed(bench, where).safe


@checks("manage_existing", "get_manageable_volumes")
def test_bringing_in_renames_nothing_and_changes_no_byte(bench: Bench) -> None:
    where, before = released(bench)
    spec = replace(adoption(), properties=replace(adoption().properties, pvc_name="db"))
    volume = bench.done(manages(bench).manage_existing, spec, where)
    assert volume.id.startswith(f"{bench.driver.backend_id}.")
    assert (volume.size, volume.requested) == (before.size, before.size)
    assert (volume.content, volume.properties) == (Content.ADOPTED, spec.properties)
    assert volume.adopted == Adoption(PLAIN, OWNER)
    entry = listed(bench, where)
    assert (entry.id, entry.owner, entry.manager) == (volume.id, OWNER, "hearth")
    assert entry.obstacle is not None
    assert entry.obstacle.hindrance is Hindrance.MANAGED
    bench.restart()
    assert bench.driver.get_volume(volume.id) == bench.driver.find_volume("adopted") == volume
    assert bench.driver.list_volumes() == [volume]
    assert bench.read(volume.id) == pattern(1, volume.size)


@checks("manage_existing")
def test_bringing_in_twice_is_for_the_same_owner_and_object_alone(bench: Bench) -> None:
    where, _volume = released(bench)
    other, _volume = released(bench, OTHER, 2)
    manage, spec = manages(bench).manage_existing, adoption()
    volume = bench.done(manage, spec, where)
    assert bench.done(manage, spec, where) == volume
    bench.restart()
    manage = manages(bench).manage_existing
    assert bench.done(manage, spec, Reference(where.name)) == volume
    with pytest.raises(errors.AlreadyManaged):
        bench.done(manage, replace(spec, name="another"), where)
    with pytest.raises(errors.AlreadyManaged):
        bench.done(manage, replace(spec, owner="another"), where)
    with pytest.raises(errors.Exists):
        bench.done(manage, spec, other)
    assert bench.driver.list_volumes() == [volume]
    assert listed(bench, other).safe


@checks("manage_existing", "manage_existing_get_size")
def test_references_to_nothing_are_refused(bench: Bench) -> None:
    where, _volume = released(bench)
    manage, size = manages(bench).manage_existing, manages(bench).manage_existing_get_size
    for reference, error in (
        (Reference(), errors.Invalid),
        (Reference("hearth-kit-nothing"), errors.NotFound),
        (Reference(where.name, "another-uuid"), errors.NotFound),
    ):
        with pytest.raises(error):
            bench.done(manage, adoption(), reference)
        with pytest.raises(error):
            size(reference)
    assert bench.driver.list_volumes() == []


@checks("manage_existing", "get_manageable_volumes")
def test_what_holds_no_filesystem_is_a_block_volume_or_nothing(bench: Bench) -> None:
    where, before = released(bench)
    spec = replace(adoption(), properties=Properties(fs_type="ext4"))
    with pytest.raises(errors.Unmanageable) as caught:
        bench.done(manages(bench).manage_existing, spec, where)
    assert caught.value.obstacle.hindrance is Hindrance.UNKNOWN_FILESYSTEM
    assert listed(bench, where).safe
    probed = manages(bench).get_manageable_volumes(Query(probe=True)).entries
    (entry,) = (each for each in probed if each.reference == where)
    assert entry.obstacle == caught.value.obstacle
    assert entry.found is not None
    assert entry.found.mode is VolumeMode.BLOCK
    volume = bench.done(manages(bench).manage_existing, adoption(), where)
    assert bench.read(volume.id) == pattern(1, before.size)


@checks("manage_existing", "unmanage")
def test_what_somebody_has_open_is_neither_brought_in_nor_let_go(bench: Bench) -> None:
    volume = bench.create()
    connection = bench.done(bench.driver.initialize_connection, volume.id)
    if not is_device(connection):
        bench.disconnect(volume.id)
        bench.done(manages(bench).unmanage, volume.id, PLAIN)
        bench.done(manages(bench).manage_existing, adoption(), Reference(PLAIN))
        return
    for rehearse in (True, False):
        with connection.path.open("rb"), pytest.raises(errors.InUse):
            bench.done(partial(manages(bench).unmanage, rehearse=rehearse), volume.id, PLAIN)
    assert bench.driver.get_volume(volume.id) == volume
    where = bench.done(manages(bench).unmanage, volume.id, PLAIN)
    assert where is not None
    if connection.path.exists():
        with connection.path.open("rb"), pytest.raises(errors.InUse):
            bench.done(manages(bench).manage_existing, adoption(), where)
    bench.done(manages(bench).manage_existing, adoption(), where)


@checks("manage_existing", "delete_volume", "unmanage")
def test_what_was_brought_in_is_deleted_only_with_leave(bench: Bench) -> None:
    where, before = released(bench)
    volume = bench.done(manages(bench).manage_existing, adoption(), where)
    with pytest.raises(errors.Precondition):
        bench.done(bench.driver.delete_volume, volume.id)
    assert bench.read(volume.id) == pattern(1, before.size)
    bench.disconnect(volume.id)
    assert bench.done(manages(bench).unmanage, volume.id, None) == where
    spec = adoption(allow_delete=True)
    volume = bench.done(manages(bench).manage_existing, spec, where)
    assert volume.adopted == Adoption(PLAIN, OWNER, allow_delete=True)
    bench.done(bench.driver.delete_volume, volume.id)
    with pytest.raises(errors.NotFound):
        manages(bench).manage_existing_get_size(where)


@checks("unmanage")
def test_a_name_that_is_taken_is_not_given(bench: Bench) -> None:
    where, _volume = released(bench)
    volume = bench.create()
    with pytest.raises(errors.Exists):
        bench.done(manages(bench).unmanage, volume.id, where.name)
    assert bench.driver.list_volumes() == [volume]


@checks("unmanage")
def test_a_rehearsal_refuses_what_a_release_would_and_changes_nothing(bench: Bench) -> None:
    where, _volume = released(bench)
    volume = bench.create()
    with pytest.raises(errors.Exists):
        bench.done(partial(manages(bench).unmanage, rehearse=True), volume.id, where.name)
    told = bench.done(partial(manages(bench).unmanage, rehearse=True), volume.id, f"{PLAIN}-2")
    assert told is not None
    assert bench.driver.list_volumes() == [volume]
    assert bench.done(manages(bench).unmanage, volume.id, f"{PLAIN}-2") == told
    assert manages(bench).unmanage(volume.id, None, rehearse=True) is None


@checks("unmanage", "create_snapshot")
def test_a_volume_with_snapshots_is_not_let_go(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    for rehearse in (True, False):
        with pytest.raises(errors.InUse, match=snapshot.id):
            bench.done(partial(manages(bench).unmanage, rehearse=rehearse), volume.id, PLAIN)
    assert bench.driver.list_volumes() == [volume]
    assert bench.snapshots.list_snapshots() == [snapshot]


@checks("manage_existing", "extend_volume")
def test_what_was_brought_in_grows_like_any_other(bench: Bench) -> None:
    where, before = released(bench)
    volume = bench.done(manages(bench).manage_existing, adoption(), where)
    grown = bench.done(bench.driver.extend_volume, volume.id, 2 * SIZE)
    content = bench.read(volume.id)
    assert content[: before.size] == pattern(1, before.size)
    assert content[before.size :] == bytes(grown.size - before.size)
    assert (grown.content, grown.adopted) == (volume.content, volume.adopted)


@checks("get_manageable_volumes")
@pytest.mark.parametrize("sort", Sort, ids=lambda each: each.value)
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
def test_pages_put_together_are_the_list(bench: Bench, sort: Sort, *, descending: bool) -> None:
    for number in range(3):
        bench.done(manages(bench).unmanage, bench.create(f"v{number}").id, f"{PLAIN}-{number}")
    look, query = manages(bench).get_manageable_volumes, Query(sort, descending=descending)
    whole = look(query)
    assert whole.next == ""
    names = [each.reference.name for each in whole.entries]
    keys = names if sort is Sort.NAME else [each.size for each in whole.entries]
    assert keys == sorted(keys, reverse=descending)
    assert {f"{PLAIN}-{number}" for number in range(3)} <= set(names)
    entries: tuple[Manageable, ...] = ()
    page = look(replace(query, limit=2))
    while page.next:
        assert len(page.entries) == 2
        entries += page.entries
        page = look(replace(query, limit=2, token=page.next))
    assert entries + page.entries == whole.entries
    stranger = "none of ours"
    for wrong in (replace(query, limit=0), replace(query, token=stranger)):
        with pytest.raises(errors.Invalid):
            look(wrong)


@checks("get_manageable_volumes", "storage_name")
def test_looking_at_what_is_there_changes_nothing(bench: Bench) -> None:
    released(bench)
    volume = bench.create()
    before = manages(bench).get_manageable_volumes(Query())
    for probe in (True, False):
        manages(bench).get_manageable_volumes(Query(probe=probe))
    assert manages(bench).get_manageable_volumes(Query()) == before
    assert bench.driver.list_volumes() == [volume]
    assert manages(bench).storage_name.strip()
