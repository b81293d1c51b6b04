"""Pictures from strangers, decoded without harm: what they are is read from their bytes, never from a name or a header.

A file of a few kilobytes can claim to be a picture of gigabytes. So the size is read before anything is decoded, and
a large picture is shrunk while it is decoded, as far as the format can, for a model looks at a few hundred pixels.
"""

from __future__ import annotations

import io
import re
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")  # what browsers show; Pillow's other decoders are rarer and riskier
MAX_BYTES = 10 * 2**20
MAX_PIXELS = 40_000_000  # 160 MB with transparency; the cameras of phones make 12 to 50 million, most of them 12
MAX_SIDE = 65_535  # as in JPEG and GIF; a PNG of one pixel by millions would take gigabytes for its rows alone
MAX_SCANS = 100  # a progressive JPEG has some ten; each takes as long as a whole picture, and some few bytes
SPARE = 2  # times the pixels that the model looks at are kept each way; fewer would change what it sees
MARKER = re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")  # of a segment or the end of a JPEG; others have no length
SCAN, END = b"\xda", b"\xd9"
ORIENTATION = 0x0112  # of EXIF: how the camera was held
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit is higher, and told to the log instead of who sent the picture


class NotAPicture(Exception):
    """The bytes are none of `FORMATS`."""


class TooLarge(Exception):
    """The picture would need more memory or time than one request may have."""


class Damaged(Exception):
    """The bytes begin like a picture, but cannot be decoded."""


class Picture(NamedTuple):
    """A picture as people see it: upright, on white, RGB; perhaps smaller than it was."""

    image: Image.Image
    width: int  # pixels, before it was shrunk
    height: int


def decode(data: bytes, side: int) -> Picture:
    """Decode a picture (of an animation the first), keeping what a model needs that looks at `side` pixels.

    Takes 2 ms to 5 s, so call it in a thread. Raises `NotAPicture`, `TooLarge` or `Damaged`.
    """
    image = _open(data)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise TooLarge(f"The picture has {width} x {height} pixels; at most {MAX_PIXELS:,} are allowed.")
    if max(width, height) > MAX_SIDE:
        raise TooLarge(f"The picture has {width} x {height} pixels; at most {MAX_SIDE:,} a side are allowed.")
    try:
        image.draft(None, (SPARE * side, SPARE * side))  # for JPEG only: decodes at a half, a quarter or an eighth
        shown = _on_white(_shrunk(_in_colour(image), SPARE * side))
    except Exception as error:  # the border to foreign code: on broken bytes, the decoders raise whatever they like
        raise Damaged("The picture is damaged or cut off.") from error
    turn = _turn(image)
    if turn is None:
        return Picture(shown, width, height)
    sideways = turn not in {UPRIGHT[2], UPRIGHT[3], UPRIGHT[4]}
    return Picture(shown.transpose(turn), *((height, width) if sideways else (width, height)))


def _open(data: bytes) -> Image.Image:
    """Read the header only."""
    if data.startswith(b"\xff\xd8") and _scans(data) > MAX_SCANS:
        raise TooLarge(f"The picture is built up in more than {MAX_SCANS} scans.")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise NotAPicture("This is no picture in JPEG, PNG, WebP, GIF or BMP.") from error
    except Exception as error:  # the same border; for example text chunks of a PNG that unpack to more than a megabyte
        raise Damaged("The picture is damaged or cut off.") from error


def _scans(data: bytes) -> int:
    """How many scans a JPEG has. What follows its end, such as the video of a photo that moves, is none of it."""
    scans, place = 0, 2
    while (found := MARKER.search(data, place)) and found[1] != END:
        scans += found[1] == SCAN
        place = found.end() + int.from_bytes(data[found.end() : found.end() + 2])  # behind the segment
    return scans


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How to turn it, if its EXIF says so. Where that is broken, the picture is as good as without."""
    try:
        return UPRIGHT.get(image.getexif().get(ORIENTATION))
    except Exception:  # the same border
        return None


def _in_colour(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where anything shows through. Decodes what is not yet decoded."""
    if image.mode.startswith("I"):  # 16 bits of grey: Pillow would cut off what is above 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Average blocks of pixels, so that the shorter side keeps at least `side`."""
    factor = min(image.size) // side
    return image.reduce(factor) if factor > 1 else image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
