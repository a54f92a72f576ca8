"""The operator's page that says whether it works."""

from __future__ import annotations

from dataclasses import dataclass

from csi.app.operator import health


@dataclass
class Part:
    """One that works, or has ended."""

    works: bool = True

    def alive(self) -> bool:
        return self.works


def test_an_operator_with_a_part_that_has_ended_is_not_alive() -> None:
    operator, overview = Part(), Part()
    page = health([operator, overview])
    assert page().status == 200
    overview.works = False
    assert page().status == 503
