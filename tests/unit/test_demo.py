"""The demo notices what differs; the story itself is told in the lab, on every run of the tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from csi.settings import read
from drivers.interface import load_drivers
from drivers.model import MIB
from tools.demo import __main__ as demo
from tools.demo import files, machine
from tools.demo.narrator import Differs, Narrator


def test_what_differs_ends_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Differs, match="size: 3, not 4"):
        Narrator().same("size", 3, 4)
    assert "DIFFERS" in capsys.readouterr().out


def test_a_digest_is_compared_whole_and_shown_short(capsys: pytest.CaptureFixture[str]) -> None:
    digest = hashlib.sha256(b"").hexdigest()
    narrator = Narrator()
    narrator.same("data", digest, digest)
    assert f"sha256 {digest[:16]}…" in capsys.readouterr().out
    with pytest.raises(Differs):
        narrator.same("data", digest, digest[:-1] + "0")


def test_a_step_that_fails_is_not_told_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OSError, match="gone"), Narrator().step("write", "data"):
        raise OSError("gone")
    assert " s)" not in capsys.readouterr().out


def test_the_same_seed_gives_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    digests = [files.write(tmp_path / "data", seed, MIB) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]
    assert files.digest(tmp_path / "data") == digests[2]


def test_one_changed_byte_is_another_digest(tmp_path: Path) -> None:
    written = files.write(tmp_path / "data", 1, MIB)
    with (tmp_path / "data").open("r+b") as file:
        file.seek(MIB // 2)
        byte = file.read(1)
        file.seek(MIB // 2)
        file.write(bytes([byte[0] ^ 1]))
    assert files.digest(tmp_path / "data") != written


def test_without_disks_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HEARTH_LAB_DISKS", raising=False)
    assert demo.main() == 2
    assert "make demo" in capsys.readouterr().err


def test_its_configuration_is_valid() -> None:
    node = read(machine.CONFIG, load_drivers(), environment={})
    assert [each.name for each in node.backends] == ["thin", "thick"]
