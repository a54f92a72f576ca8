"""The page of the controller and the operator that says whether they work."""

from __future__ import annotations

from dataclasses import dataclass

from csi.app.life import health


@dataclass
class Part:
    """One that works, or has ended."""

    works: bool = True

    def alive(self) -> bool:
        return self.works


def test_a_process_with_a_part_that_has_ended_is_not_alive() -> None:
    operator, overview = Part(), Part()
    page = health([operator, overview])
    assert page().status == 200
    overview.works = False
    assert page().status == 503
