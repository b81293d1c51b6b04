"""How a model is chosen, and what the one that needs no download says."""

import numpy as np
import pytest

from models import EfficientNet, choose


def test_without_settings_the_model_comes_from_a_package():
    assert isinstance(choose({"MODEL_REVISION": "main"}), EfficientNet)


def test_a_model_id_chooses_a_model_of_the_hub_and_costs_nothing_yet():
    assert "acme/birds@v2" == choose({"MODEL_ID": "acme/birds", "MODEL_REVISION": "v2"}).name
    assert "acme/birds" == choose({"MODEL_ID": "acme/birds", "MODEL_REVISION": ""}).name


@pytest.fixture(scope="module")
def efficientnet():
    model = EfficientNet()
    model.load()
    return model


def test_the_network_answers_as_that_of_pytorch(efficientnet):
    """The numbers are what efficientnet_lite_pytorch 0.1.0 says to the same input with torch 2.13."""
    x, y, colour = np.meshgrid(np.arange(224), np.arange(224), np.arange(3), indexing="ij")
    pixels = ((x * (colour + 1) + y * (3 - colour)) % 256).astype(np.float32) / 128 - 1

    [logits] = efficientnet.runtime.run(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))

    assert [885, 644, 818] == np.argsort(-logits)[:3].tolist()
    assert np.allclose([9.08764, 6.05385, 5.99399, 0.04624, -1.01364], logits[[885, 644, 818, 0, 999]], atol=1e-4)


def test_what_is_looked_at_together_is_answered_as_if_alone(efficientnet):
    noise = np.random.default_rng(7).integers(0, 256, (5, 224, 224, 3), np.uint8)

    together = efficientnet.predict(list(noise))
    alone = [efficientnet.predict([one])[0] for one in noise]

    assert np.allclose(alone, together, atol=1e-5)
    assert np.allclose(1, np.sum(together, axis=1), atol=1e-5)
