"""Images into volumes and back: the digest decides."""

from __future__ import annotations

import hashlib
from io import BytesIO

import pytest

from drivers import errors
from drivers.compliance.bench import SIZE, Bench, pattern
from drivers.compliance.marks import checks
from drivers.model import Content, Image

IMAGE = pattern(7, SIZE - 12345)  # no multiple of anything
DIGEST = hashlib.sha256(IMAGE).hexdigest()
WRONG = {
    "a wrong digest": (IMAGE, len(IMAGE), "0" * 64),
    "a short stream": (IMAGE[:-1], len(IMAGE), DIGEST),
    "a short stream with its digest": (
        IMAGE[:-1],
        len(IMAGE),
        hashlib.sha256(IMAGE[:-1]).hexdigest(),
    ),
    "a long stream": (IMAGE + b"x", len(IMAGE), DIGEST),
}


@checks("copy_image_to_volume", "copy_volume_to_image")
def test_an_image_goes_in_and_comes_out(bench: Bench) -> None:
    volume = bench.create()
    before = bench.read(volume.id)
    bench.disconnect(volume.id)
    written = bench.driver.copy_image_to_volume(volume.id, BytesIO(IMAGE), len(IMAGE), DIGEST)
    assert written == Image(len(IMAGE), DIGEST)
    assert bench.driver.get_volume(volume.id).content is Content.FORMATTED
    whole = IMAGE + before[len(IMAGE) :]
    assert bench.read(volume.id) == whole
    out = BytesIO()
    read = bench.driver.copy_volume_to_image(volume.id, out)
    assert read == Image(volume.size, hashlib.sha256(whole).hexdigest())
    assert out.getvalue() == whole


@checks("copy_image_to_volume")
def test_zeros_of_an_image_overwrite_what_was_there(bench: Bench) -> None:
    volume = bench.create()
    bench.write(volume.id, pattern(1, volume.size))
    zeros = bytes(volume.size)
    digest = hashlib.sha256(zeros).hexdigest()
    bench.driver.copy_image_to_volume(volume.id, BytesIO(zeros), len(zeros), digest)
    assert bench.read(volume.id) == zeros


@checks("copy_image_to_volume")
def test_wrong_images_are_refused_until_the_right_one_comes(bench: Bench) -> None:
    volume = bench.create()
    for what, (stream, size, digest) in WRONG.items():
        with pytest.raises(errors.Invalid):
            bench.driver.copy_image_to_volume(volume.id, BytesIO(stream), size, digest)
        assert bench.driver.get_volume(volume.id).content is not Content.FORMATTED, what
    bench.driver.copy_image_to_volume(volume.id, BytesIO(IMAGE), len(IMAGE), DIGEST)
    assert bench.read(volume.id)[: len(IMAGE)] == IMAGE


@checks("copy_image_to_volume")
def test_an_image_larger_than_the_volume_is_refused_untouched(bench: Bench) -> None:
    volume = bench.create()
    before = bench.read(volume.id)
    image = pattern(1, volume.size + 1)
    digest = hashlib.sha256(image).hexdigest()
    with pytest.raises(errors.OutOfRange):
        bench.driver.copy_image_to_volume(volume.id, BytesIO(image), len(image), digest)
    assert bench.driver.get_volume(volume.id) == volume
    assert bench.read(volume.id) == before


@checks("copy_image_to_volume")
def test_an_image_never_overwrites_data(bench: Bench) -> None:
    volume = bench.create()
    bench.write(volume.id, pattern(1, volume.size))
    bench.driver.set_content(volume.id, Content.FORMATTED)
    with pytest.raises(errors.Precondition):
        bench.driver.copy_image_to_volume(volume.id, BytesIO(IMAGE), len(IMAGE), DIGEST)
    assert bench.read(volume.id) == pattern(1, volume.size)


@checks("copy_volume_to_image", "copy_image_to_volume")
def test_an_image_of_nothing_is_refused(bench: Bench) -> None:
    volume = bench.create()
    bench.driver.delete_volume(volume.id)
    with pytest.raises(errors.NotFound):
        bench.driver.copy_volume_to_image(volume.id, BytesIO())
    with pytest.raises(errors.NotFound):
        bench.driver.copy_image_to_volume(volume.id, BytesIO(IMAGE), len(IMAGE), DIGEST)
