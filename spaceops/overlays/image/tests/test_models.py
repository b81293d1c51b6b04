"""How a model is chosen, found and run. The models are made here; what they say can be calculated by hand."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from classifier import ImageClassifier, sigmoid, softmax
from models import EfficientNet, choose
from weights import Source, has_torch

SIZE = 8  # pixels
LABELS = ["red", "green", "blue"]
RED = np.full((SIZE, SIZE, 3), (255, 0, 0), np.uint8)
BLUE = np.full((SIZE, SIZE, 3), (0, 0, 255), np.uint8)


def mean_colour(outputs: int = 3) -> bytes:
    """A network whose logits are ten times the means of the colours, as often as wanted."""
    weights = numpy_helper.from_array(10 * np.tile(np.eye(3, dtype=np.float32), (1, 9))[:, :outputs].copy(), "weights")
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
    ]
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, "height", "width"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", outputs])
    graph = helper.make_graph(nodes, "mean colour", [pixels], [logits], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def write_model(folder, *, graph: str = "onnx/model.onnx", outputs: int = 3, **config):
    """A folder as a repository of the Hub."""
    (folder / graph).parent.mkdir(parents=True, exist_ok=True)
    (folder / graph).write_bytes(mean_colour(outputs))
    config = {"architectures": ["ForImageClassification"], "id2label": dict(enumerate(LABELS)), **config}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    preprocessor = {"size": {"height": SIZE, "width": SIZE}, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), "utf-8")
    return folder


def loaded(folder) -> ImageClassifier:
    model = ImageClassifier(Source(str(folder)))
    model.load()
    return model


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


@pytest.mark.parametrize("graph", ["model.onnx", "onnx/model.onnx"])
def test_a_folder_with_an_onnx_file_is_a_model(tmp_path, graph):
    model = loaded(write_model(tmp_path, graph=graph))
    red, blue = model.predict([RED, BLUE])

    assert ("cpu", LABELS) == (model.device, model.labels)
    assert np.allclose(softmax(np.array([[10.0, 0, 0]]))[0], red, atol=1e-6)
    assert "blue" == model.labels[blue.argmax()]


def test_labels_that_do_not_exclude_each_other_are_scored_each_on_its_own(tmp_path):
    model = loaded(write_model(tmp_path, problem_type="multi_label_classification"))

    assert np.allclose(sigmoid(np.array([10.0, 0, 0])), model.predict([RED])[0], atol=1e-6)


def test_a_model_that_does_not_classify_pictures_is_refused_when_it_is_loaded(tmp_path):
    with pytest.raises(ValueError, match="not with its labels' scores"):
        loaded(write_model(tmp_path, outputs=7))


def test_weights_are_run_by_pytorch_where_it_is_installed(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    (write_model(tmp_path) / "onnx" / "model.onnx").unlink()
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", id2label=dict(enumerate(LABELS))
    )
    network = transformers.ResNetForImageClassification(config).eval()
    network.save_pretrained(tmp_path)

    model = loaded(tmp_path)
    with torch.inference_mode():
        expected = network(torch.from_numpy(model.preprocessing.tensor([RED, BLUE]))).logits.softmax(-1).numpy()

    assert LABELS == model.labels
    assert np.allclose(expected, model.predict([RED, BLUE]), atol=1e-5 if model.device == "cpu" else 0.02)


def test_a_model_for_something_else_is_refused_by_its_architecture(tmp_path):
    with pytest.raises(ValueError, match="but this is BertForSequenceClassification"):
        loaded(write_model(tmp_path, architectures=["BertForSequenceClassification"]))


@pytest.mark.skipif(has_torch(), reason="PyTorch is installed, and would read the weights")
def test_without_an_onnx_file_and_without_pytorch_it_says_what_to_do(tmp_path):
    (write_model(tmp_path) / "onnx" / "model.onnx").unlink()

    with pytest.raises(RuntimeError, match="build again with MODEL_ID set"):
        loaded(tmp_path)


@pytest.mark.parametrize(("scores", "expected"), [(softmax, [1, 0]), (sigmoid, [1, 0])])
def test_scores_of_very_large_logits_are_still_scores(scores, expected):
    with np.errstate(over="raise", invalid="raise"):
        assert expected == scores(np.array([[1000.0, -1000.0]], np.float32))[0].tolist()
