"""What a shell sees of ``hearth``: output, one line for an error, and the exit status."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from csi import app, cli
from csi.cli import serve
from csi.cli.arguments import size
from drivers.interface import abilities, load_drivers
from drivers.model import GIB, MIB


def hearth(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        status = cli.main(arguments)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert hearth(capsys, "--version") == (0, f"hearth {app.version()}\n", "")


def test_it_is_a_module_too() -> None:
    command = [sys.executable, "-m", "csi", "drivers"]
    assert subprocess.check_output(command, text=True).startswith("NAME")


def test_drivers_are_those_of_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = hearth(capsys, "drivers")
    heading, *rows = out.splitlines()
    assert (status, heading.split()) == (
        0,
        ["NAME", "VERSION", "VENDOR", "ABILITIES", "TEST", "RESULTS"],
    )
    drivers = load_drivers()
    assert [row.split()[0] for row in rows] == sorted(drivers)
    for row in rows:
        driver = drivers[row.split()[0]]
        assert driver.VERSION in row
        assert driver.CI_WIKI_NAME in row
        assert row.count(",") == len(abilities(driver)) - 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("what",),
        ("all",),
        ("all", "--config", "/nowhere", "--endpoint", "unix:///x", "--log-level", "LOUD"),
        ("all", "--conf", "/nowhere", "--endpoint", "unix:///x"),
        ("backend",),
        ("backend", "create", "vg"),
        ("backend", "create", "vg", "/dev/x", "--pool-size", "10GB"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    status, out, err = hearth(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "usage: hearth" in err


def test_a_bad_configuration_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "node.yaml"
    config.write_text("node: n1\nbackends: [{name: a, driver: loop, directory: /x, wipo: 1}]\n")
    for command in (["all", "--endpoint", f"unix://{tmp_path}/s"], ["backend", "list"]):
        status, out, err = hearth(capsys, *command, "--config", str(config))
        assert (status, out) == (2, "")
        assert err.startswith(
            f"hearth: {config}: $.backends[0].wipo: unknown key; known here: directory"
        )
        assert err.count("\n") == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--endpoint", "tcp://[::]:1"], 2, "must be unix:///path"),
        (["--endpoint", "unix:///nowhere/csi.sock"], 1, "/nowhere, where the socket belongs"),
        (["--endpoint", "unix:///x", "--http", "nonsense"], 2, "'nonsense' must be HOST:PORT"),
        (
            ["--endpoint", "unix:///x", "--http", "203.0.113.1:80"],
            1,
            "cannot listen on 203.0.113.1:80",
        ),
    ],
)
def test_a_start_that_fails(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: list[str],
    status: int,
    words: str,
) -> None:
    config = tmp_path / "node.yaml"
    config.write_text(
        f"node: n1\nbackends: [{{name: a, driver: loop, directory: {tmp_path}/none}}]\n"
    )
    got, out, err = hearth(capsys, "all", "--config", str(config), *arguments)
    assert (got, out) == (status, "")
    assert words in err
    assert "Traceback" not in err


def test_backend_list_only_looks(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config, directory = tmp_path / "node.yaml", tmp_path / "files"
    config.write_text(f"node: n1\nbackends: [{{name: a, driver: loop, directory: {directory}}}]\n")
    status, out, _ = hearth(capsys, "backend", "list", "--config", str(config))
    heading, row = out.splitlines()
    assert status == 0
    assert heading.split()[:4] == ["NAME", "DRIVER", "TOTAL", "FREE"]
    assert row.split()[:3] == ["a", "loop", "-"]
    assert not directory.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("64MiB", 64 * MIB), ("10 GiB", 10 * GIB), ("4096", 4096), ("1TiB", 1 << 40)],
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "0", "10G", "-1", "1.5GiB", "GiB", "1e9", "१MiB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no size"):
        size(text)


@pytest.mark.parametrize("grace", ["nan", "inf", "-5", "soon"])
def test_a_grace_is_a_time(capsys: pytest.CaptureFixture[str], grace: str) -> None:
    status, _, err = hearth(capsys, "all", "--config", "node.yaml", f"--grace={grace}")
    assert status == 2
    assert "argument --grace: " in err


@pytest.mark.parametrize(
    "node",
    ["n1", "n1=", "=h:1", "n1=bogus", "n1=h:", "n1=h:0", "n1=:1", "n1=h:http", "n1=::1:9810"],
)
def test_a_node_has_a_name_and_an_address(capsys: pytest.CaptureFixture[str], node: str) -> None:
    """One that cannot be called would be away for ever."""
    fixed = ("--config=c.yaml", "--endpoint=unix:///s", "--tls=/tls")
    status, _, err = hearth(capsys, "controller", *fixed, f"--node={node}")
    assert status == 2
    assert f"argument --node: {node!r} must be NAME=HOST:PORT" in err


def test_an_address_may_be_of_either_kind() -> None:
    assert serve._node_address("n1=h:1") == ("n1", "h:1")
    assert serve._node_address("n1=[fd00::2]:9810") == ("n1", "[fd00::2]:9810")


def test_without_the_client_of_kubernetes_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in sys.modules if each.startswith(("kubernetes", "csi.kube"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    status, _, said = hearth(capsys, "uninstall-check")
    assert status == 1
    assert "install hearth-csi[kubernetes]" in said


def test_a_kubelet_directory_that_cannot_be_written_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "kubelet").touch()
    config = tmp_path / "node.yaml"
    config.write_text(
        f"node: n\nkubeletDirectory: {tmp_path}/kubelet\n"
        f"backends: [{{name: a, driver: loop, directory: {tmp_path}}}]\n"
    )
    status, _, said = hearth(capsys, "node", "--config", str(config), "--tls", str(tmp_path))
    assert status == 1
    assert f"{tmp_path}/kubelet/plugins/hearth-csi.io, where the socket for kubelet belongs" in said
