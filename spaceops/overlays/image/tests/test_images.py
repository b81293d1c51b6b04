"""What is decoded, how it looks then, and what is refused."""

import io
import random
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from images import FORMATS, MAX_PIXELS, MAX_SCANS, MAX_SIDE, Damaged, NotAPicture, TooLarge, decode

SIDE = 256  # pixels that the model looks at


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def first_pixel(data: bytes) -> tuple[int, int, int]:
    return decode(data, SIDE).image.getpixel((0, 0))


def halves(left: str, right: str) -> Image.Image:
    image = Image.new("RGB", (40, 20), right)
    image.paste(left, (0, 0, 20, 20))
    return image


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b""))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_formats_of_the_web_are_decoded(kind):
    picture = decode(encoded(halves("red", "blue"), kind, **({"lossless": True} if kind == "WEBP" else {})), SIDE)

    assert ("RGB", (40, 20)) == (picture.image.mode, picture.image.size)
    assert (40, 20) == (picture.width, picture.height)
    left, right = picture.image.getpixel((5, 10)), picture.image.getpixel((35, 10))
    assert np.allclose([left, right], [(255, 0, 0), (0, 0, 255)], atol=5)


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "ICO", "TGA", "PCX", "PDF"])
def test_other_formats_are_not_even_tried(kind):
    with pytest.raises(NotAPicture):
        decode(encoded(halves("red", "blue"), kind), SIDE)


@pytest.mark.parametrize(
    "data", [b"", b"GIF", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe", b"\x00" * 100]
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(NotAPicture):
        decode(data, SIDE)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_the_camera_was_held(orientation):
    """Each orientation is written as the transposition that undoes it, so that red must end up at the left."""
    undone = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    upright = halves("red", "blue")
    stored = upright if undone is None else upright.transpose(Image.Transpose(undone))
    exif = Image.Exif()
    exif[0x0112] = orientation

    picture = decode(encoded(stored, "PNG", exif=exif), SIDE)

    assert (40, 20) == picture.image.size == (picture.width, picture.height)
    assert np.array_equal(np.asarray(picture.image), np.asarray(upright))


def test_an_orientation_that_does_not_exist_changes_nothing():
    exif = Image.Exif()
    exif[0x0112] = 99

    assert (40, 20) == decode(encoded(halves("red", "blue"), "PNG", exif=exif), SIDE).image.size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_that_makes_no_sense_harms_no_picture(kind):
    data = encoded(halves("red", "blue"), kind, exif=b"Exif\0\0no such byte order")

    assert (40, 20) == decode(data, SIDE).image.size


@pytest.mark.parametrize(
    ("image", "options", "seen"),
    [
        (Image.new("RGBA", (4, 4), (255, 0, 0, 0)), {}, (255, 255, 255)),
        (Image.new("RGBA", (4, 4), (255, 0, 0, 255)), {}, (255, 0, 0)),
        (Image.new("LA", (4, 4), (0, 0)), {}, (255, 255, 255)),
        (Image.new("RGB", (4, 4), (255, 0, 0)), {"transparency": (255, 0, 0)}, (255, 255, 255)),
        (Image.new("P", (4, 4), 0), {"transparency": 0}, (255, 255, 255)),
    ],
)
def test_what_is_transparent_is_white(image, options, seen):
    assert seen == first_pixel(encoded(image, "PNG", **options))


def test_half_transparent_is_half_white():
    assert (255, 127, 127) == first_pixel(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128)), "PNG"))


@pytest.mark.parametrize(("value", "seen"), [(0, 0), (255, 0), (32768, 128), (65535, 255)])
def test_sixteen_bits_of_grey_keep_their_brightness(value, seen):
    data = encoded(Image.fromarray(np.full((4, 4), value, np.uint16)), "PNG")

    assert (seen,) * 3 == first_pixel(data)


def test_the_colours_of_print_become_those_of_a_screen():
    cyan_free = Image.new("CMYK", (16, 16), (0, 255, 255, 0))

    assert np.allclose((255, 0, 0), first_pixel(encoded(cyan_free, "JPEG", quality=95)), atol=5)


@pytest.mark.parametrize(("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True})])
def test_an_animation_is_its_first_picture(kind, options):
    data = encoded(
        Image.new("RGB", (8, 8), "red"),
        kind,
        save_all=True,
        append_images=[Image.new("RGB", (8, 8), "blue")],
        **options,
    )

    assert (255, 0, 0) == first_pixel(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_large_picture_is_shrunk_but_keeps_twice_what_the_model_looks_at(kind):
    picture = decode(encoded(Image.new("RGB", (2400, 1800), "red"), kind), SIDE)

    assert (2400, 1800) == (picture.width, picture.height)
    assert 2 * SIDE <= min(picture.image.size) < 4 * SIDE
    assert abs(picture.image.width / picture.image.height - 4 / 3) < 0.01


def test_a_large_jpeg_is_shrunk_while_it_is_decoded():
    """By a half; shrunk afterwards, it would be a third, and would have needed four times the memory."""
    assert (1200, 900) == decode(encoded(Image.new("RGB", (2400, 1800)), "JPEG"), SIDE).image.size


def test_too_many_pixels_are_refused_before_they_are_decoded():
    """The file has 70 bytes; its pixels would need 120 MB, and 40 GB."""
    for width, height in ((MAX_PIXELS // 1000 + 1, 1000), (100_000, 100_000), (10_000, 10_000)):
        with pytest.raises(TooLarge, match="pixels"):
            decode(png_of(width, height), SIDE)


def test_no_side_is_longer_than_in_other_formats():
    """As rows of one pixel, the 40 million that are allowed would take more than two gigabytes."""
    assert (1, MAX_SIDE) == decode(encoded(Image.new("RGB", (1, MAX_SIDE)), "PNG"), SIDE)[1:]
    for width, height in ((1, MAX_SIDE + 1), (MAX_SIDE + 1, 1)):
        with pytest.raises(TooLarge, match="65,535 a side"):
            decode(png_of(width, height), SIDE)


def test_a_jpeg_of_very_many_scans_is_refused():
    """Some of its scans would be a few bytes, and each as much work as a whole picture."""
    data = encoded(halves("red", "blue"), "JPEG", progressive=True, restart_marker_blocks=1)
    scan = data[data.rindex(b"\xff\xda") : -2]

    with pytest.raises(TooLarge, match="scans"):
        decode(data[:-2] + scan * MAX_SCANS + data[-2:], SIDE)


def test_what_looks_like_scans_but_is_none_does_not_count():
    """The video that some phones put behind a photo has many such bytes, and so may its thumbnail."""
    photo = encoded(halves("red", "blue"), "JPEG")
    scans = b"\xff\xda\0\2" * (MAX_SCANS + 1)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + len(scans)) + scans

    assert (40, 20) == decode(photo[:2] + comment + photo[2:] + b"\0\0" + scans, SIDE).image.size


def test_a_text_that_unpacks_to_gigabytes_is_refused():
    data = encoded(halves("red", "blue"), "PNG")
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 2**21))

    with pytest.raises(Damaged):
        decode(data[:33] + bomb + data[33:], SIDE)  # 33 bytes: the signature and IHDR


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_that_is_cut_off_is_refused(kind):
    data = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), kind)

    with pytest.raises((Damaged, NotAPicture)):
        decode(data[: len(data) // 2], SIDE)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore")  # of Pillow about what is broken
def test_whatever_the_bytes_are_they_are_decoded_or_refused(kind):
    chance = random.Random(kind)
    whole = encoded(Image.effect_noise((60, 40), 50).convert("RGB"), kind)
    decoded = 0
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            data[chance.randrange(min(len(data), chance.choice((50, 500, 10**6))))] = chance.randrange(256)
        with suppress(NotAPicture, TooLarge, Damaged):
            decoded += decode(bytes(data), SIDE).image.mode == "RGB"

    assert 0 < decoded < 200
