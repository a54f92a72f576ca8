"""What tools/cluster builds: programs by their go.mod files, images by their programs."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
from pathlib import Path

import pytest

from tools.clusterkit import agent, images, pins
from tools.clusterkit.layout import Layout

MODULE = """\
module hearth/cluster/thing

go 1.26.0

require example.org/thing/v2 v2.3.4

tool (
	example.org/thing/v2/cmd/one
	example.org/thing/server/v3
)
"""


def test_a_module_says_what_is_built_and_in_which_version(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing/go.mod").write_text(MODULE)
    one, server = pins.read(tmp_path, "thing")
    assert (one.name, one.package, one.version) == ("one", "example.org/thing/v2/cmd/one", "v2.3.4")
    assert server.name == "etcd"


def test_a_change_of_the_module_changes_the_stamp(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing/go.mod").write_text(MODULE)
    before = pins.read(tmp_path, "thing")[0].stamp
    (tmp_path / "thing/go.mod").write_text(MODULE + "// again\n")
    assert pins.read(tmp_path, "thing")[0].stamp != before


def test_the_programs_of_a_cluster_are_pinned() -> None:
    versions = {name: program.version for name, program in pins.programs().items()}
    expected = {
        "kubelet": "v1.36.3",
        "containerd": "v2.2.9",
        "csi-provisioner": "v6.4.0",
        "csi-resizer": "v2.3.0",
        "csi-snapshotter": "v8.7.0",
        "snapshot-controller": "v8.7.0",
        "helm": "v4.3.1",
    }
    assert expected.items() <= versions.items()
    assert "etcd" in versions
    assert {each.version for each in pins.suite().values()} == {versions["kubelet"]}


def test_kubernetes_is_told_its_version() -> None:
    flags = pins.linker_flags(pins.programs()["kubelet"])
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in flags
    assert "-X k8s.io/component-base/version.gitMinor=36" in flags


def test_the_newest_go_that_a_module_asks_for_is_enough() -> None:
    assert pins.go_version() == "1.26.0"


def test_images_have_their_upstream_names() -> None:
    names = [image.reference for image in images.wanted(Layout())]
    assert names == [
        "registry.k8s.io/pause:3.10.2",
        "registry.k8s.io/sig-storage/csi-provisioner:v6.4.0",
        "registry.k8s.io/sig-storage/csi-resizer:v2.3.0",
        "registry.k8s.io/sig-storage/csi-snapshotter:v8.7.0",
        "registry.k8s.io/sig-storage/snapshot-controller:v8.7.0",
        "registry.k8s.io/e2e-test-images/busybox:1.37.0-1",
        "registry.k8s.io/e2e-test-images/agnhost:2.63.0",
        "registry.k8s.io/e2e-test-images/glibc-dns-testing:2.0.0",
        "registry.k8s.io/e2e-test-images/nginx:1.15-4",
        "registry.k8s.io/sig-storage/hello-populator:v1.0.1",
    ]


def test_a_program_comes_with_its_libraries(tmp_path: Path) -> None:
    image = images.Image(
        "registry.k8s.io/gnu:1", has_busybox=True, linked=(images.DD, images.SHELL)
    )
    images.write(image, tmp_path / image.file)
    with tarfile.open(tmp_path / "gnu.tar") as archive:
        layer = archive.extractfile("layer.tar")
        assert layer
        with tarfile.open(fileobj=io.BytesIO(layer.read())) as content:
            names = content.getnames()
            links = [each.name for each in content if each.issym()]
    assert {"bin/dd", "bin/sh"} <= set(names) - set(links), "they are in place of busybox's"
    assert len(names) == len(set(names))
    assert any(name.endswith("/libc.so.6") for name in names)


def test_an_archive_holds_one_image_with_its_program(tmp_path: Path) -> None:
    program = tmp_path / "thing"
    program.write_text("content")
    image = images.Image("registry.k8s.io/thing:v1", entry_point=("/thing",), programs=(program,))
    images.write(image, tmp_path / image.file)
    with tarfile.open(tmp_path / "thing.tar") as archive:
        manifest = json.loads(_content(archive, "manifest.json"))[0]
        settings = json.loads(_content(archive, manifest["Config"]))
        layer = _content(archive, manifest["Layers"][0])
    assert manifest["RepoTags"] == ["registry.k8s.io/thing:v1"]
    assert settings["config"]["Entrypoint"] == ["/thing"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tree:
        assert _content(tree, "thing") == b"content"
        assert tree.getmember("thing").mode == 0o755
        assert tree.getmember("tmp").mode == 0o1777
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thing", "thing.tar"]


def test_an_archive_is_the_same_when_made_again(tmp_path: Path) -> None:
    (tmp_path / "thing").write_text("content")
    image = images.Image("registry.k8s.io/thing:v1", programs=(tmp_path / "thing",))
    images.write(image, tmp_path / "a")
    images.write(image, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


@pytest.fixture
def address() -> tuple[str, int]:
    """Where an agent answers; it ends with the test run."""
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=agent.serve, args=(server,), daemon=True).start()
    host, port = server.getsockname()
    return host, port


@pytest.mark.parametrize(
    ("command", "status", "output", "error"),
    [
        (["cat"], 0, b"input\x00\xff", b""),
        (["sh", "-c", "echo out; echo err >&2; exit 3"], 3, b"out\n", b"err\n"),
        (["sh", "-c", "kill -9 $$"], 137, b"", b""),
        (["no-such-program"], 127, b"", b"no-such-program: No such file or directory\n"),
    ],
)
def test_a_command_in_a_node_has_streams_and_a_status(
    address: tuple[str, int], command: list[str], status: int, output: bytes, error: bytes
) -> None:
    out, err = io.BytesIO(), io.BytesIO()
    source = io.BytesIO(b"input\x00\xff")
    assert agent.call(address, command, source=source, output=out, error=err) == status
    assert (out.getvalue(), err.getvalue()) == (output, error)
