"""The ensemble with models of the Hub: one that it finds there, one that there is not, and a word list beside them."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from spaceops import LocalHub, new
from tests.template.serving import App
from tests.template.test_loading import described, network, publish

pytestmark = pytest.mark.apps

__all__ = ["publish"]  # a fixture


def test_a_model_of_the_hub_is_asked_and_one_that_there_is_not_is_told(localhub: LocalHub, publish, tmp_path: Path):
    commit = publish("demo/tone", described(model_onnx=network()))
    variables = {
        "MODEL_ID": f"vaderSentiment,demo/tone@{commit},demo/nothing",
        "MODEL_WEIGHTS": "1,3,1",
        "HF_ENDPOINT": localhub.url,
        "HF_HOME": str(tmp_path / "cache"),
    }
    with App(new(tmp_path / "app", task="ensemble"), **variables) as app:
        answer = httpx2.post(f"{app.url}/analyze", json={"text": "not bad"}, trust_env=False).json()

    vader, tone, nothing = answer["opinions"]
    assert f"vaderSentiment + demo/tone@{commit} + demo/nothing" == answer["backend"]
    assert ("POSITIVE", "NEGATIVE") == (vader["label"], tone["label"])
    assert 0 == tone["probabilities"]["NEUTRAL"]
    assert "There is no model demo/nothing" in nothing["error"]
    assert ("NEGATIVE", 0.75) == (answer["label"], answer["agreement"])
