"""The kit serves people who have only the wheel: their own driver, in an environment of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.compliance.kit import TOY, run_pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = ("csi", "drivers", "pyproject.toml", "README.md", "LICENSE")

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with nothing but the wheel, its kit and the toy driver."""
    folder = tmp_path_factory.mktemp("outside")
    wheel, toy = build_wheel(folder), folder / "toy-driver"
    shutil.copytree(TOY, toy, ignore=shutil.ignore_patterns("__pycache__"))
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", f"{wheel}[compliance]", toy)
    return python


def test_an_outside_driver_passes_the_kit_of_the_wheel(python: Path, tmp_path: Path) -> None:
    where = run(python, "-c", "import drivers; print(drivers.__file__)")
    assert str(python.parents[1]) in where
    verdict = run_pytest(str(python), tmp_path, ["--driver", "toy", "-W", "error"])
    assert verdict.status == 0, verdict.output
    for part in ("test_static.py", "test_volumes.py", "test_crash.py"):
        assert part in verdict.output


def test_the_kit_needs_no_kubernetes_and_a_driver_no_grpc(python: Path) -> None:
    code = "import sys, drivers.compliance.conftest; print(*sys.modules)"
    loaded = run(python, "-c", code).split()
    assert not {"grpc", "google", "csi", "kubernetes", "kopf", "prometheus_client"} & set(loaded)


def test_an_entry_point_that_cannot_be_imported_fails_the_kit(python: Path, tmp_path: Path) -> None:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    library = Path(run(python, "-c", code).strip())
    metadata = library / "hearth_gone-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hearth-gone\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[hearth.drivers]\ngone = hearth_gone\n")
    try:
        verdict = run_pytest(str(python), tmp_path, ["--driver", "gone"])
    finally:
        shutil.rmtree(metadata)
    assert verdict.status != 0
    assert "No module named 'hearth_gone'" in verdict.output


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, made from a copy so that nothing is left in it."""
    source = folder / "source"
    source.mkdir()
    for part in PARTS:
        original = CHECKOUT / part
        if original.is_dir():
            shutil.copytree(original, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(original, source / part)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "dist", source)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def run(*command: str | Path) -> str:
    """What a program prints, started where Python finds no checkout to import; raises if it fails."""
    ran = subprocess.run(
        command,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout
