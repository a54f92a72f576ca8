"""What the image says of itself, how large it is, and that nothing of its making is left."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.image.container import ROOT, Archive, Container

VERSION = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
    "version"
]
LARGEST = 190_000_000
"""Bytes. Of that, 175 million are used; what makes it grow by more than the rest is worth a look."""


def test_it_has_its_name_and_says_what_it_is(archive: Archive) -> None:
    assert archive.names == [f"ghcr.io/hearth-csi/hearth:{VERSION}"]
    labels = archive.config["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.title"]
    assert labels["org.opencontainers.image.description"]


def test_it_starts_hearth_as_nobody(archive: Archive) -> None:
    assert archive.config["Entrypoint"] == ["hearth"]
    assert archive.config["User"] == "65532:65532"


def test_it_is_small(archive: Archive) -> None:
    assert archive.size <= LARGEST


def test_a_root_that_cannot_be_written_is_one(container: Container) -> None:
    done = container.attempt(["sh", "-c", "echo > /opt/hearth/x"], user=ROOT)
    assert "Read-only file system" in done.stderr


def test_nothing_is_left_of_the_building(container: Container) -> None:
    left = (
        "root/.cache",
        "etc/apt",
        "etc/pip.conf",
        "src",
        "opt/build",
        "run/secrets",
        "usr/share/doc",
    )
    assert [name for name in left if (container.files / name).exists()] == []
    assert sorted(path.name for path in (container.files / "root").iterdir()) == [
        ".bashrc",
        ".profile",
    ]
    for name in ("var/lib/apt/lists", "var/log", "tmp"):
        assert list((container.files / name).iterdir()) == []


def test_no_program_gives_rights_away(container: Container) -> None:
    assert container.run("find", "/", "-xdev", "-type", "f", "-perm", "/6000", user=ROOT) == ""


def test_no_start_compiles_anything(container: Container) -> None:
    """Python tells where it takes each module from: without quotes, if it has compiled it just now."""
    names = "asyncio, kubernetes.client, csi.app.controller, csi.kube.endpoints"
    script = f"python3 -v -c 'import {names}; print(kubernetes.client.__file__)' 2>&1"
    said = container.run("sh", "-c", script)
    assert "/opt/hearth/kubernetes.zip/kubernetes/client/__init__.pyc\n" in said
    assert re.findall(r"code object from '/.*\.pyc'", said)
    assert re.findall(r"code object from (/.*)", said) == []
