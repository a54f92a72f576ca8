"""The kit must reject a broken driver, and for the reason that it is broken in.

Each driver of `broken` is wrong in one way. The kit runs over it in a process of its own, as it would for
the author of a driver, and the checks that fail must be those that look at what is wrong: all of them
named here, and no other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compliance.kit import BROKEN, Verdict, run_kit

AT_ONCE = 4
pytestmark = pytest.mark.timeout(1200)

REFUSED_AT_IMPORT = {
    "missing_method": "abstract methods left: extend_volume",
    "wrong_signature": "extend_volume(self, volume_id, size) differs from VolumeDriver.extend_volume",
    "no_docstring": "it has no docstring",
    "no_version": "VERSION is missing",
    "name_taken": "the name 'toy' is taken by hearth_toy.ToyDriver",
    "loose_options": "Options accepts unknown keys",
}

CRASH = "test_a_killed_process_leaves_nothing_that_the_next_call_does_not_mend"
CRASH_MANAGE = "test_a_killed_process_has_taken_it_over_or_not"
CRASH_GROUPS = "test_a_killed_process_leaves_all_members_or_none"
BROUGHT_IN_TWICE = "test_bringing_in_twice_is_for_the_same_owner_and_object_alone"
DELETED_WITH_LEAVE = "test_what_was_brought_in_is_deleted_only_with_leave"
READERS = "test_readers_see_only_finished_volumes"

FAILS_IN = {
    "loose_version": {"test_the_version_has_three_numbers"},
    "misspelt_method": {"test_no_method_is_nearly_one_of_the_contract"},
    "creates_twice": {
        "test_calls_without_time_finish_or_can_be_repeated",
        "test_creating_twice_gives_the_same_volume",
        "test_eight_callers_of_the_same_names_make_one_volume_each",
    },
    "delete_fails_on_absent": {
        "test_a_deleted_volume_is_gone_and_deleting_again_is_fine",
        "test_calls_without_time_finish_or_can_be_repeated",
        "test_ids_that_are_not_of_this_backend_are_not_found",
    },
    "clone_ignores_size": {
        "test_a_clone_may_be_larger_and_ends_with_zeros",
        "test_a_clone_may_not_be_smaller",
        CRASH,
    },
    "snapshot_changes": {
        "test_a_snapshot_does_not_change_with_its_source",
        CRASH,
    },
    "rounds_down": {
        "test_a_clone_may_be_larger_and_ends_with_zeros",
        "test_a_restore_may_be_larger_and_ends_with_zeros",
        "test_a_size_is_rounded_up_and_never_down",
        "test_growing_keeps_the_bytes_and_adds_zeros",
        "test_what_its_source_was_asked_for_is_enough_for_a_restore",
    },
    "asks_too_little": {"test_what_its_source_was_asked_for_is_enough_for_a_restore"},
    "no_crash_mark": {CRASH},
    "image_copied_short": {
        "test_wrong_images_are_refused_until_the_right_one_comes",
        "test_an_image_goes_in_and_comes_out",
    },
    "any_digest": {"test_wrong_images_are_refused_until_the_right_one_comes"},
    "forgets_content": {
        "test_what_a_volume_holds_is_kept_across_a_restart",
        CRASH,
    },
    "any_backend": {
        "test_a_clone_of_nothing_is_refused",
        "test_a_revert_needs_a_volume_and_a_snapshot_of_it",
        "test_ids_that_are_not_of_this_backend_are_not_found",
    },
    "cuts_names": {"test_any_name_of_128_bytes_is_a_name_of_its_own"},
    "counts_wrong": {"test_the_stats_follow_what_is_made_and_deleted"},
    "revert_shrinks": {"test_reverting_keeps_the_present_size", CRASH},
    "tears": {
        "test_a_volume_in_use_is_cloned_at_one_moment_or_left_alone",
        "test_a_volume_in_use_is_cut_at_one_moment_or_left_alone",
    },
    "rehearses_blindly": {
        "test_a_rehearsal_refuses_what_a_release_would_and_changes_nothing",
        "test_a_volume_with_snapshots_is_not_let_go",
    },
    "adopting_renames": {
        CRASH_MANAGE,
        "test_a_snapshot_is_brought_in_once_and_by_what_it_is_called",
        "test_a_snapshot_that_was_brought_in_is_deleted_only_with_leave",
        "test_a_snapshot_that_was_brought_in_restores_like_any_other",
        "test_bringing_in_renames_nothing_and_changes_no_byte",
        BROUGHT_IN_TWICE,
        DELETED_WITH_LEAVE,
    },
    "adopting_twice": {BROUGHT_IN_TWICE},
    "loses_adoption": {
        "test_a_snapshot_is_brought_in_once_and_by_what_it_is_called",
        "test_a_snapshot_that_was_brought_in_is_deleted_only_with_leave",
        "test_a_snapshot_that_was_brought_in_restores_like_any_other",
        "test_bringing_in_renames_nothing_and_changes_no_byte",
        BROUGHT_IN_TWICE,
        "test_what_was_brought_in_grows_like_any_other",
        DELETED_WITH_LEAVE,
    },
    "keeps_record": {CRASH_MANAGE},
    "gives_away": {"test_a_volume_that_went_back_to_one_is_still_ours"},
    "rounds_adopted": {"test_what_was_let_go_is_an_object_that_nobody_manages"},
    "ignores_snapshots": {"test_a_volume_with_snapshots_is_not_let_go"},
    "lists_half": {"test_pages_put_together_are_the_list"},
    "adopting_anybodys": {
        "test_a_snapshot_is_brought_in_once_and_by_what_it_is_called",
        BROUGHT_IN_TWICE,
    },
    "deletes_adopted": {DELETED_WITH_LEAVE},
    "cuts_one_by_one": {"test_volumes_in_use_are_cut_at_one_moment_or_left_alone"},
    "takes_any_volume": {"test_a_group_is_made_of_nothing_but_the_moment"},
    "members_go_alone": {"test_a_member_goes_with_its_group_snapshot_alone"},
    "nobody_checks": {"test_every_method_of_every_interface_has_a_behavioural_check"},
}
"""Driver to the checks that must reject it, and no others."""

ACCEPTED = ("accepted", "accepted_grouping", "accepted_manager", "old_blocks")
"""Drivers that are right."""

FAILS_AMONG_OTHERS = {
    "shows_old_bytes": {"test_nobody_reads_what_a_deleted_volume_held"},
    "shows_half_a_group": {CRASH_GROUPS},
    "goes_on": {"test_setting_up_again_changes_nothing"},
    "proves_nothing": {"test_a_connection_proves_what_it_leads_to"},
    "promises_zeros": {"test_a_new_volume_is_blank_and_reads_as_the_zeros_it_promises"},
}
"""Driver to the check that is about its fault, which many others meet as well."""

MAY_FAIL_IN = {"no_crash_mark": {READERS}}
"""Checks that reject it if threads happen to meet."""


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """What the kit says of each driver; several at once, for they wait for the disk."""

    names = [*ACCEPTED, *REFUSED_AT_IMPORT, *FAILS_IN, *FAILS_AMONG_OTHERS]
    homes = [
        tmp_path_factory.mktemp(name) for name in names
    ]  # pytest makes them in one thread only
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(run_kit, names, homes), strict=True))


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_right_driver_is_accepted(verdicts: dict[str, Verdict], name: str) -> None:
    verdict = verdicts[name]
    assert verdict.status == 0, verdict.output
    assert not verdict.failed


@pytest.mark.parametrize(("name", "reason"), REFUSED_AT_IMPORT.items())
def test_a_broken_class_is_refused_at_import(
    verdicts: dict[str, Verdict], name: str, reason: str
) -> None:
    assert verdicts[name].status != 0
    assert reason in verdicts[name].output


@pytest.mark.parametrize(("name", "checks"), FAILS_IN.items(), ids=FAILS_IN)
def test_a_broken_driver_fails_where_it_is_broken(
    verdicts: dict[str, Verdict], name: str, checks: set[str]
) -> None:
    verdict = verdicts[name]
    assert verdict.status == 1, verdict.output
    assert verdict.failed - MAY_FAIL_IN.get(name, set()) == checks


@pytest.mark.parametrize(("name", "checks"), FAILS_AMONG_OTHERS.items(), ids=FAILS_AMONG_OTHERS)
def test_a_fault_that_spoils_much_is_found_where_it_is(
    verdicts: dict[str, Verdict], name: str, checks: set[str]
) -> None:
    assert verdicts[name].status == 1, verdicts[name].output
    assert verdicts[name].failed >= checks


def test_every_broken_driver_is_judged() -> None:
    files = {file.stem for file in BROKEN.glob("*.py")} - {
        "__init__",
        "grouping",
        "managing",
        "right",
    }
    assert (
        files - {*ACCEPTED}
        == REFUSED_AT_IMPORT.keys() | FAILS_IN.keys() | FAILS_AMONG_OTHERS.keys()
    )
