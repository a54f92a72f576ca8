"""A mistake in the node's configuration is told by its place and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from csi import settings
from csi.settings import BadSettings, NodeSettings
from drivers.model import GIB
from tests.fakes.memory import REGISTRY, MemoryDriver, MemoryOptions

TWO = """
node: n1
backends:
  - name: fast
    driver: memory
  - name: slow
    driver: plain
"""


def read(tmp_path: Path, text: str, **environment: str) -> NodeSettings:
    path = tmp_path / "node.yaml"
    path.write_text(text, encoding="utf-8")
    return settings.read(path, REGISTRY.drivers, environment)


def refusal(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(BadSettings) as caught:
        read(tmp_path, text, **environment)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path}/node.yaml: ")


def test_a_whole_file(tmp_path: Path) -> None:
    text = TWO + "    backendId: abc\n    capacity: 1073741824\nkubeletDirectory: /k\n"
    got = read(tmp_path, text)
    assert (got.node, got.driver_name, got.kubelet_directory) == ("n1", "hearth-csi.io", Path("/k"))
    assert [each.name for each in got.backends] == ["fast", "slow"]
    assert got.backends[0].driver is MemoryDriver
    assert got.backends[1].options == MemoryOptions(backend_id="abc", capacity=GIB)


def test_the_topology_key_follows_the_driver_name(tmp_path: Path) -> None:
    assert read(tmp_path, TWO).topology_key == "topology.hearth-csi.io/node"
    other = read(tmp_path, TWO + "driverName: second.example\n")
    assert other.topology_key == "topology.second.example/node"


def test_the_node_name_may_come_from_the_environment(tmp_path: Path) -> None:
    text = TWO.replace("node: n1\n", "")
    assert read(tmp_path, text, NODE_NAME="worker-7").node == "worker-7"
    assert read(tmp_path, TWO, NODE_NAME="worker-7").node == "n1"
    assert refusal(tmp_path, text).startswith("$.node: this key is missing, and NODE_NAME")
    assert refusal(tmp_path, text, NODE_NAME="no/slash").startswith(
        "environment.NODE_NAME: Expected"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TWO + "    wipo: 1\n",
            "$.backends[1].wipo: unknown key; known here: backendId, capacity,",
        ),
        (
            TWO + "    tells: lies\n",
            "$.backends[1].tells: Invalid enum value 'lies'; allowed: infinite, numbers, unknown",
        ),
        (TWO + "    capacity: big\n", "$.backends[1].capacity: Expected `int`, got `str`"),
        (TWO + "    layouts: [a, 3]\n", "$.backends[1].layouts[1]: Expected `str`, got `int`"),
        (TWO + "nodee: 1\n", "$.nodee: unknown key; known here: backends, node, driverName,"),
        (
            TWO.replace("slow", "fast"),
            "$.backends[1].name: 'fast' is already the name of $.backends[0]",
        ),
        (
            TWO.replace("plain", "ceph"),
            "$.backends[1].driver: there is no driver 'ceph'; allowed: ",
        ),
        (TWO.replace("    driver: plain\n", ""), "$.backends[1].driver: this key is missing"),
        (TWO.replace("slow", "Slow!"), "$.backends[1].name: Expected `str` matching regex"),
        ("node: n1\nbackends: []\n", "$.backends: Expected `array` of length >= 1"),
        ("node: n1\n", "$.backends: this key is missing"),
        ("", "$: Expected `object`, got `null`"),
        (TWO + "node: n2\n", "is not YAML: the key 'node' stands there twice"),
        (TWO + "  bad: [\n", "is not YAML: "),
        (TWO + "kubeletDirectory: var/lib\n", "$.kubeletDirectory: Expected an absolute path"),
        (TWO + "kubeletDirectory: /\n", "$.kubeletDirectory: Expected a path below /"),
        (TWO + "kubeletDirectory: /var/../x\n", "$.kubeletDirectory: Expected a path below /"),
        (TWO + 'kubeletDirectory: "/a\\0b"\n', "$.kubeletDirectory: Expected an absolute path"),
        (TWO + "kubeletDirectory: !!int x\n", "holds a value that YAML cannot read"),
        (TWO + "kubeletDirectory: 2026-13-45\n", "holds a value that YAML cannot read"),
        ("[" * 5000, "holds a value that YAML cannot read"),
        (
            TWO.replace("name: slow", 'name: "slow\\n"'),
            "$.backends[1].name: Expected `str` matching",
        ),
        (TWO + "driverName: 9lives\n", "$.driverName: Expected `str` matching regex"),
        (TWO + "driverName: 5\n", "$.driverName: Expected `str`, got `int`"),
    ],
)
def test_a_mistake_is_told_by_its_place(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text).startswith(message)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read: No such file"):
        settings.read(tmp_path / "absent.yaml", REGISTRY.drivers, {})
    (tmp_path / "binary").write_bytes(b"node: \xff")
    with pytest.raises(BadSettings, match="is not UTF-8 at byte 6"):
        settings.read(tmp_path / "binary", REGISTRY.drivers, {})


def test_yaml_may_merge_what_backends_share(tmp_path: Path) -> None:
    text = """
node: n1
backends:
  - &first {name: fast, driver: memory, capacity: 1073741824}
  - {<<: *first, name: slow}
"""
    assert read(tmp_path, text).backends[1].options == MemoryOptions(capacity=GIB)


def test_the_endpoint_of_the_orchestrator() -> None:
    assert settings.default_endpoint({"CSI_ENDPOINT": "unix:///csi.sock"}) == "unix:///csi.sock"
    assert settings.default_endpoint({"CSI_ENDPOINT": ""}) is None
    assert settings.default_endpoint({}) is None
