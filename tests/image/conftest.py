"""The image that `make image` has built, unpacked once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.container import Archive, Container

BUILT = Path(__file__).resolve().parents[2] / "build/image/hearth.tar"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--archive", type=Path, default=BUILT, help="the image to look into")


@pytest.fixture(scope="session")
def archive(request: pytest.FixtureRequest) -> Archive:
    return Archive(request.config.getoption("--archive"))


@pytest.fixture(scope="session")
def container(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    files = tmp_path_factory.mktemp("image")
    files.chmod(0o755)
    archive.unpack(files)
    yield Container(files, archive.config)
    shutil.rmtree(files)
