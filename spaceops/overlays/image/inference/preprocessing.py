"""From a picture to the numbers that a network was trained on: resize, crop, scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

OWN_WAYS = ("EfficientNet", "Levit", "Perceiver")  # whose processors do more than their configs say


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What was done to the pictures in training; another way costs accuracy without any error."""

    resize: int | tuple[int, int]  # pixels: of the shorter side, or height and width whatever the shape was
    crop: tuple[int, int]  # height and width of what is cut out of the middle
    resample: Image.Resampling
    mean: tuple[float, float, float]  # of red, green, blue, where 0 is black and 1 is full
    std: tuple[float, float, float]
    scale: float = 1 / 255
    bgr: bool = False  # blue first

    def __post_init__(self) -> None:
        resized = (self.resize, self.resize) if isinstance(self.resize, int) else self.resize
        if any(kept > there for kept, there in zip(self.crop, resized, strict=True)):
            raise ValueError(f"The model crops to {max(self.crop)} pixels what has {min(resized)}")

    @property
    def side(self) -> int:
        """The most pixels of a picture's shorter side that make a difference."""
        return self.resize if isinstance(self.resize, int) else max(self.resize)

    def pixels(self, image: Image.Image) -> np.ndarray:
        """What the model looks at: uint8, (height, width, 3).

        Resizes only what stays, because a picture of 1 x 1,000,000 pixels would else become one of gigabytes.
        """
        height, width = self.crop
        return np.asarray(image.resize((width, height), self.resample, box=self.box(*image.size)), np.uint8)

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Where the cut lies in the picture before the resize: left, top, right, bottom."""
        if isinstance(self.resize, int):
            resized_width = int(width * self.resize / min(width, height))
            resized_height = int(height * self.resize / min(width, height))
        else:
            resized_height, resized_width = self.resize
        left, right = _middle(resized_width, self.crop[1], width)
        top, bottom = _middle(resized_height, self.crop[0], height)
        return left, top, right, bottom

    def tensor(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """A batch for the network: float32, (pictures, 3, height, width)."""
        batch = np.stack(pictures).astype(np.float32)
        # One multiplication and one addition instead of three steps, each of which would go through all the memory.
        std = np.asarray(self.std, np.float32)
        batch *= np.float32(self.scale) / std
        batch -= np.asarray(self.mean, np.float32) / std
        return np.ascontiguousarray(batch[..., :: -1 if self.bgr else 1].transpose(0, 3, 1, 2))


def _middle(resized: int, kept: int, original: int) -> tuple[float, float]:
    """Where the middle `kept` of `resized` pixels begins and ends, in pixels of the original."""
    start = (resized - kept) // 2
    return start * original / resized, min((start + kept) * original / resized, original)


def from_config(config: Mapping[str, Any]) -> Preprocessing:
    """Read a `preprocessor_config.json` of the Hub. Raises ValueError for what would need another preparation."""
    processor = config.get("image_processor_type") or config.get("feature_extractor_type", "")
    if config.get("do_pad") or processor.startswith(OWN_WAYS):
        raise ValueError(f"This app cannot prepare pictures as {processor or 'this model'} does")
    resize, crop = _sizes(config)
    normalized = config.get("do_normalize", True)
    return Preprocessing(
        resize=resize,
        crop=crop,
        resample=Image.Resampling(config.get("resample", Image.Resampling.BILINEAR)),
        scale=config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1,
        mean=tuple(config.get("image_mean", [0.5] * 3)) if normalized else (0, 0, 0),
        std=tuple(config.get("image_std", [0.5] * 3)) if normalized else (1, 1, 1),
        bgr=config.get("do_flip_channel_order", False),
    )


def _sizes(config: Mapping[str, Any]) -> tuple[int | tuple[int, int], tuple[int, int]]:
    """What is resized to and what is cut out of it. Old files give one number, which each architecture took its way."""
    size, crop = config["size"], config.get("crop_size")
    if "crop_pct" in config:  # ConvNeXt: below 384 pixels some margin is cut off, above nothing is
        edge = size["shortest_edge"] if isinstance(size, Mapping) else size
        return (int(edge / config["crop_pct"]) if edge < 384 else (edge, edge)), (edge, edge)
    resize = _size(size, whole=not config.get("do_center_crop"))
    if config.get("do_center_crop") and crop is not None:
        return resize, _both(crop)
    return resize, (resize, resize) if isinstance(resize, int) else resize


def _size(size: Any, *, whole: bool) -> int | tuple[int, int]:
    if isinstance(size, Mapping) and "shortest_edge" in size:
        return int(size["shortest_edge"])
    return int(size) if isinstance(size, int) and not whole else _both(size)


def _both(size: Any) -> tuple[int, int]:
    return (size["height"], size["width"]) if isinstance(size, Mapping) else (size, size)
