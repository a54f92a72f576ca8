"""Many callers at once, through a real socket."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

from csi.rpc.client import Client
from drivers.model import MIB
from tests.fakes.bench import (
    Bench,
    from_volume,
    refused,
    wanted,
)


def persist(client: Client) -> str:
    """What a sidecar does: repeat what was aborted, and nothing else."""
    while True:
        try:
            answer = client.controller.CreateVolume(wanted("v"))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ABORTED:
                raise
        else:
            return str(answer.volume.volume_id)


class TestConcurrency:
    def test_eight_callers_of_one_name_get_one_volume(self, one: Bench) -> None:
        barrier = threading.Barrier(8)

        def create(_number: int) -> str:
            with Client(one.endpoint) as client:
                barrier.wait(5)
                return persist(client)

        with ThreadPoolExecutor(8) as pool:
            made = set(pool.map(create, range(8)))
        assert len(made) == 1
        assert one.ids() == list(made)

    def test_a_second_call_for_what_is_in_work_is_aborted(self, one: Bench) -> None:
        volume = one.create("v")
        moods = one.driver().moods
        moods.entered.clear()
        moods.gate.clear()
        with ThreadPoolExecutor() as pool:
            growing = pool.submit(one.expand, volume.volume_id, 16 * MIB)
            assert moods.entered.wait(5)
            with refused("ABORTED", volume.volume_id):
                one.delete(volume.volume_id)
            with refused("ABORTED", volume.volume_id):
                one.snapshot("s", volume)
            with refused("ABORTED", volume.volume_id):
                one.create("c", volume_content_source=from_volume(volume.volume_id))
            assert one.ids() == [volume.volume_id]  # reading goes on
            moods.gate.set()
            assert growing.result(5) == 16 * MIB
        one.delete(volume.volume_id)
