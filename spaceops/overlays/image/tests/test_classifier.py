"""Image classifiers as the Hub has them. These are made here, and so simple that their answers can be calculated."""

import json

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from inference import pytorch
from inference.classifier import ImageClassifier, sigmoid, softmax
from inference.export import alike, int8_pays, main
from inference.hub import ModelError
from inference.runtimes import Onnx
from inference.weights import Source

SIZE = 8  # pixels
LABELS = ["red", "green", "blue"]
RED = np.full((SIZE, SIZE, 3), (255, 0, 0), np.uint8)
BLUE = np.full((SIZE, SIZE, 3), (0, 0, 255), np.uint8)


def mean_colour(outputs: int = 3, scale: float = 10) -> bytes:
    """A network whose logits are some times the means of the colours, as often as wanted."""
    weights = numpy_helper.from_array(
        scale * np.tile(np.eye(3, dtype=np.float32), (1, 9))[:, :outputs].copy(), "weights"
    )
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
    ]
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, "height", "width"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", outputs])
    graph = helper.make_graph(nodes, "mean colour", [pixels], [logits], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def write_model(folder, *, graph: str = "onnx/model.onnx", outputs: int = 3, scale: float = 10, **config):
    """A folder as a repository of the Hub."""
    (folder / graph).parent.mkdir(parents=True, exist_ok=True)
    (folder / graph).write_bytes(mean_colour(outputs, scale))
    config = {"architectures": ["ForImageClassification"], "id2label": dict(enumerate(LABELS)), **config}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    preprocessor = {"size": {"height": SIZE, "width": SIZE}, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), "utf-8")
    return folder


def loaded(folder) -> ImageClassifier:
    model = ImageClassifier(Source(str(folder)))
    model.load()
    return model


@pytest.mark.parametrize("graph", ["model.onnx", "onnx/model.onnx"])
def test_a_folder_with_an_onnx_file_is_a_model(tmp_path, graph):
    model = loaded(write_model(tmp_path, graph=graph))
    red, blue = model.predict([RED, BLUE])

    assert ("cpu", LABELS) == (model.device, model.labels)
    assert np.allclose(softmax(np.array([[10.0, 0, 0]]))[0], red, atol=1e-6)
    assert "blue" == model.labels[blue.argmax()]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_pictures_side_by_side_keep_their_order(threads):
    colours = np.random.default_rng(1).random((7, 3, 1, 1), np.float32)

    logits = Onnx(mean_colour(), threads).run(np.broadcast_to(colours, (7, 3, SIZE, SIZE)).copy())

    assert np.allclose(10 * colours[:, :, 0, 0], logits, atol=1e-5)


@pytest.mark.parametrize(("precision", "expected"), [("int8", 20), ("float32", 10)])
def test_the_precision_chooses_among_the_files_of_a_model(tmp_path, precision, expected):
    write_model(tmp_path)
    (tmp_path / "onnx" / "model_quantized.onnx").write_bytes(mean_colour(scale=20))
    model = ImageClassifier(Source(str(tmp_path), precision=precision))
    model.load()

    assert np.allclose([expected, 0, 0], model.runtime.run(model.preprocessing.tensor([RED]))[0], atol=1e-4)


def test_labels_that_do_not_exclude_each_other_are_scored_each_on_its_own(tmp_path):
    model = loaded(write_model(tmp_path, problem_type="multi_label_classification"))

    assert np.allclose(sigmoid(np.array([10.0, 0, 0])), model.predict([RED])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outputs": 7}, "not with its labels' scores"),
        ({"scale": float("nan")}, "answers with NaN"),
        ({"id2label": {1: "red", 2: "green", 3: "blue"}}, "not numbered 0, 1, 2"),
    ],
)
def test_a_model_that_does_not_classify_pictures_is_refused_when_it_is_loaded(tmp_path, change, reason):
    with pytest.raises(ModelError, match=reason):
        loaded(write_model(tmp_path, **change))


def test_labels_may_be_numbers(tmp_path):
    assert ["7", "8", "9"] == loaded(write_model(tmp_path, id2label={0: 7, 1: 8, 2: 9})).labels


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
    with pytest.raises(ModelError, match="but this is BertForSequenceClassification"):
        loaded(write_model(tmp_path, architectures=["BertForSequenceClassification"]))


@pytest.mark.skipif(pytorch.is_installed(), reason="PyTorch is installed, and would read the weights")
def test_without_an_onnx_file_and_without_pytorch_it_says_what_to_do(tmp_path):
    (write_model(tmp_path) / "onnx" / "model.onnx").unlink()

    with pytest.raises(ModelError, match="build again with MODEL_ID set"):
        loaded(tmp_path)


@pytest.mark.parametrize(("scores", "expected"), [(softmax, [1, 0]), (sigmoid, [1, 0])])
def test_scores_of_very_large_logits_are_still_scores(scores, expected):
    with np.errstate(over="raise", invalid="raise"):
        assert expected == scores(np.array([[1000.0, -1000.0]], np.float32))[0].tolist()


# what the build makes of them

SAME = {"labels_changed": 0, "largest_difference": 0.0, "milliseconds": 10.0}


def test_a_model_with_an_onnx_file_keeps_its_answers(tmp_path):
    original = loaded(write_model(tmp_path / "original"))

    main(tmp_path / "original", tmp_path / "made", "float32")

    assert np.allclose(original.predict([RED, BLUE]), loaded(tmp_path / "made").predict([RED, BLUE]), atol=1e-6)
    report = json.loads((tmp_path / "made" / "report.json").read_text("utf-8"))
    assert "float32" == report["runs"]
    assert (0, 0.0) == tuple(report["compared"]["float32"][name] for name in ("labels_changed", "largest_difference"))
    assert {"float32", "int8"} == set(report["compared"])


def test_a_model_without_one_is_recorded_with_pytorch(tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    (write_model(tmp_path) / "onnx" / "model.onnx").unlink()
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", id2label=dict(enumerate(LABELS))
    )
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)

    main(tmp_path, tmp_path / "made", "float32")

    made = loaded(tmp_path / "made")
    assert ("ONNX Runtime", "cpu") == (made.runtime.name, made.device)
    assert np.allclose(loaded(tmp_path).predict([RED, BLUE]), made.predict([RED, BLUE]), atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "pays"),
    [
        ({"milliseconds": 5.0}, True),
        ({"milliseconds": 9.0}, False),
        ({"milliseconds": 5.0, "labels_changed": 1}, False),
        ({"milliseconds": 5.0, "largest_difference": 0.2}, False),
    ],
)
def test_eight_bits_are_taken_only_if_they_are_faster_and_answer_alike(changed, pays):
    assert pays == int8_pays({"float32": SAME, "int8": SAME | changed})


def test_a_small_difference_of_scores_is_alike():
    assert alike(SAME | {"largest_difference": 0.1})
