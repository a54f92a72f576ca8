"""The configurations of LVM: that of a backend, and that of the image for people."""

from __future__ import annotations

from pathlib import Path

from drivers.lvm import config

DOCKERFILE = Path(__file__).parents[3] / "Dockerfile"


def settings(text: str) -> dict[str, str]:
    pairs = [line.strip().split(" = ") for line in text.splitlines() if " = " in line]
    return dict(pairs)


def test_by_hand_is_as_by_hearth_but_for_disks_and_patience(tmp_path: Path) -> None:
    config.write(tmp_path, ["/dev/sda"])
    own, hand = settings((tmp_path / config.FILE).read_text()), settings(config.by_hand())
    assert {key for key in own if own[key] != hand[key]} == {
        "filter",
        "global_filter",
        "wait_for_locks",
    }
    assert own.keys() == hand.keys()
    assert (own["wait_for_locks"], hand["wait_for_locks"]) == ("0", "1")
    assert (own["filter"], hand["filter"]) == ('[ "a|^/dev/sda$|", "r|.*|" ]', '[ "a|.*|" ]')


def test_by_hand_waits_for_no_daemon_of_the_host() -> None:
    hand = settings(config.by_hand())
    for key in ("udev_sync", "udev_rules", "monitoring", "use_lvmpolld", "backup", "archive"):
        assert hand[key] == "0", key
    assert hand["locking_dir"] == '"/run/lock/lvm"'


def test_the_image_has_it() -> None:
    text = DOCKERFILE.read_text()
    assert "config.by_hand()" in text
    assert "/etc/lvm/lvm.conf" in text
