"""What the network gets to see of a picture."""

import numpy as np
import pytest
from PIL import Image

from inference.preprocessing import Preprocessing, from_config

MIDDLE = Preprocessing(
    resize=256, crop=(224, 224), resample=Image.Resampling.BICUBIC, mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.125)
)


def photo(width: int, height: int) -> Image.Image:
    """Some colours that change smoothly over the picture."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - (x + y) / 2], -1).astype(np.uint8))


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (256, 256), (37, 1000), (300, 3)])
def test_cutting_before_the_resize_gives_what_cutting_after_it_would(width, height):
    image, short = photo(width, height), min(width, height)
    resized = image.resize((width * 256 // short, height * 256 // short), Image.Resampling.BICUBIC)
    left, top = (resized.width - 224) // 2, (resized.height - 224) // 2

    expected = np.asarray(resized.crop((left, top, left + 224, top + 224)), int)

    assert np.abs(expected - MIDDLE.pixels(image)).max() <= 1


def test_a_very_long_picture_costs_no_more_than_another():
    """Its shorter side as 256 pixels, the longer one would have 2.5 billion."""
    assert (224, 224, 3) == MIDDLE.pixels(Image.new("RGB", (1, 10_000_000))).shape


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 3), (257, 1), (223, 4096), (4096, 223)])
def test_whatever_the_shape_the_middle_is_shown(width, height):
    left, top, right, bottom = MIDDLE.box(width, height)

    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert abs(left - (width - right)) <= width / 256
    assert abs(top - (height - bottom)) <= height / 256
    assert (224, 224, 3) == MIDDLE.pixels(Image.new("RGB", (width, height))).shape


def test_what_is_squeezed_is_shown_whole():
    squeezed = Preprocessing(resize=(64, 32), crop=(64, 32), resample=MIDDLE.resample, mean=(0, 0, 0), std=(1, 1, 1))

    assert (0, 0, 640, 480) == squeezed.box(640, 480)
    assert ((64, 32, 3), 64) == (squeezed.pixels(photo(640, 480)).shape, squeezed.side)


def test_colours_are_centred_and_scaled_each_by_its_own():
    black, white = np.zeros((224, 224, 3), np.uint8), np.full((224, 224, 3), 255, np.uint8)
    batch = MIDDLE.tensor([black, white])

    assert (np.float32, (2, 3, 224, 224)) == (batch.dtype, batch.shape)
    assert np.allclose([[-1, -2, -4], [1, 2, 4]], batch[:, :, 0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("config", "resize", "crop"),
    [
        ({"size": {"height": 224, "width": 224}}, (224, 224), (224, 224)),
        ({"size": 224}, (224, 224), (224, 224)),
        (
            {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 200}},
            256,
            (224, 200),
        ),
        ({"size": 256, "do_center_crop": True, "crop_size": 224}, 256, (224, 224)),
        ({"size": {"shortest_edge": 224}}, 224, (224, 224)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, 256, (224, 224)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 1.0}, (384, 384), (384, 384)),
    ],
)
def test_a_config_of_the_hub_says_what_is_resized_and_cut(config, resize, crop):
    preprocessing = from_config(config)

    assert (resize, crop) == (preprocessing.resize, preprocessing.crop)


def test_a_config_of_the_hub_says_how_colours_are_scaled():
    preprocessing = from_config(
        {"size": 32, "resample": 3, "rescale_factor": 0.5, "image_mean": [1, 2, 3], "image_std": [4, 5, 6]}
    )

    assert Image.Resampling.BICUBIC is preprocessing.resample
    assert (0.5, (1, 2, 3), (4, 5, 6)) == (preprocessing.scale, preprocessing.mean, preprocessing.std)


def test_what_a_config_switches_off_is_not_done():
    preprocessing = from_config({"size": 4, "do_rescale": False, "do_normalize": False, "do_flip_channel_order": True})
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)

    assert np.array_equal(picture[..., ::-1].transpose(2, 0, 1), preprocessing.tensor([picture])[0])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"size": 224, "do_pad": True}, "as this model does"),
        (
            {"size": {"shortest_edge": 224}, "image_processor_type": "LevitImageProcessorFast"},
            "as LevitImageProcessorFast",
        ),
        ({"size": 224, "do_center_crop": True, "crop_size": 256}, "crops to 256 pixels what has 224"),
    ],
)
def test_what_would_be_prepared_wrongly_is_refused(config, reason):
    with pytest.raises(ValueError, match=reason):
        from_config(config)
