"""tools/image tells a build where packages are, and nothing else that is in a developer's settings."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path

from tools.imagekit import base, reach


def said(text: str) -> dict[str, str]:
    parser = RawConfigParser()
    parser.read_string(text)
    return dict(parser["global"])


def test_a_variable_is_stronger_than_a_file(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example\ntimeout = 3\n[install]\ntrusted_host = a b\n"
    )
    written = reach.pip({"PIP_INDEX_URL": "https://b.example"}, [tmp_path / "pip.conf"], False)
    assert said(written) == {
        "index-url": "https://b.example",
        "timeout": "3",
        "trusted-host": "a b",
    }


def test_places_on_this_machine_are_not_told(tmp_path: Path) -> None:
    variables = {"PIP_FIND_LINKS": "/wheels", "PIP_CERT": "/a.pem", "PIP_NO_INDEX": "1"}
    assert said(reach.pip(variables, [tmp_path / "absent"], True)) == {"cert": "/run/secrets/ca"}


def test_several_lines_stay_one_value(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nextra-index-url =\n  https://a\n  https://b\n")
    written = reach.pip({}, [tmp_path / "pip.conf"], False)
    assert said(written)["extra-index-url"].split() == ["https://a", "https://b"]


def test_pip_s_own_file_comes_last() -> None:
    found = reach.files({"HOME": "/h", "PIP_CONFIG_FILE": "/own"})
    assert found[-2:] == [Path("/h/.config/pip/pip.conf"), Path("/own")]


def test_a_secret_is_gone_when_the_build_has_ended() -> None:
    with reach.secrets({"PIP_TIMEOUT": "7"}) as options:
        secret = Path(options[0].removeprefix("--secret=id=pip,src="))
        assert said(secret.read_text())["timeout"] == "7"
    assert not secret.parent.exists()


def test_a_base_has_the_security_updates() -> None:
    assert f"{base.SUITE}-security main" in base.SOURCES
