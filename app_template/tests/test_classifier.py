"""Text classifiers as the Hub has them. These are made here, and so simple that their answers can be calculated."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from inference.classifier import TextClassifier, labels_of, sigmoid, softmax
from inference.hub import ModelError
from inference.runtimes import PACKED, Onnx
from inference.weights import Source, choose_graph, has_old_tokenizer
from prepare import keep

onnx = pytest.importorskip("onnx")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "and"]
VALUES = np.float32(
    [[9, -9], [0, 0], [0, 0], [0, 0], [-0.01, 0.01], [0.01, -0.01], [0, 0]]
)  # of padding: wrong on purpose
CONFIG = {
    "architectures": ["DistilBertForSequenceClassification"],
    "id2label": {"0": "negative", "1": "positive"},
    "pad_token_id": 0,
}


def graph(asks_for=("input_ids", "attention_mask"), values=VALUES, *, packed=False):
    """A network that adds up the values of a text's words. Token types, if asked for, must be 0."""
    counted = "counted" if "token_type_ids" in asks_for else "attention_mask"
    nodes = [
        onnx.helper.make_node("Sub", ["attention_mask", "token_type_ids"], ["counted"]),
        onnx.helper.make_node("Gather", ["values", "input_ids"], ["gathered"]),
        onnx.helper.make_node("Cast", [counted], ["mask"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
        onnx.helper.make_node("Mul", ["gathered", "weights"], ["masked"]),
        onnx.helper.make_node("ReduceSum", ["masked", "one"], ["logits"], keepdims=0),
    ]
    initializers = {"values": values, "last": np.int64([-1]), "one": np.int64([1])}
    body = onnx.helper.make_graph(
        nodes if counted == "counted" else nodes[1:],
        "words",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["texts", "tokens"]) for name in asks_for],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["texts", None])],
        [onnx.numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.helper.set_model_props(model, {PACKED: "yes"} if packed else {})
    return model


def write_tokenizer(folder, *, ends=True):
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if ends:
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=700)  # as some are saved: the app must not take it over
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture
def folder(tmp_path):
    """Write a model into a folder; return the folder."""

    def write(file="model.onnx", network=None, tokenizer=None, **config):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        onnx.save(network or graph(), tmp_path / file)
        write_tokenizer(tmp_path)
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer or {}))
        (tmp_path / "config.json").write_text(json.dumps(CONFIG | config))
        return tmp_path

    return write


def loaded(folder, precision="int8"):
    classifier = TextClassifier(Source(str(folder), precision=precision))
    classifier.load()
    return classifier


def surplus(probabilities):
    """How many more good than bad words the network has seen in each text."""
    return [round(math.log(positive / negative) / 0.02) for negative, positive in probabilities.tolist()]


def test_each_text_is_answered_for_itself_and_in_order_whatever_their_number_and_lengths(folder):
    """Texts are sorted, grouped, padded and shared among threads; none of that may show."""
    classifier = loaded(folder())
    generator = random.Random(0)
    for number in (0, 1, 2, 3, 7, 32, 100):
        texts = [" ".join(generator.choices(WORDS[4:], k=generator.randint(1, 90))) for _ in range(number)]
        expected = [text.split().count("good") - text.split().count("bad") for text in texts]

        assert expected == surplus(classifier.probabilities(texts))


def test_a_text_of_no_token_is_answered_too(folder):
    write_tokenizer(there := folder(), ends=False)

    assert [0] == surplus(loaded(there).probabilities([" "]))
    assert [0, 1, 0] == surplus(loaded(there).probabilities([" ", "good", " "]))


@pytest.mark.parametrize(
    ("tokenizer", "config", "tokens"),
    [
        ({}, {}, 512),
        ({"model_max_length": 10**30}, {"max_position_embeddings": 1024}, 512),
        ({"model_max_length": 128}, {"max_position_embeddings": 512}, 128),
        ({}, {"max_position_embeddings": 64}, 64),
        ({}, {"max_position_embeddings": 66, "model_type": "roberta", "pad_token_id": 1}, 64),
    ],
)
def test_a_text_is_cut_to_what_the_model_reads(folder, tokenizer, config, tokens):
    [[_, score]] = loaded(folder(tokenizer=tokenizer, **config)).probabilities(["good " * 1000]).tolist()

    assert round(math.log(score / (1 - score)) / 0.02) == tokens - len(["[CLS]", "[SEP]"])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("lengths", [[3], [3, 100, 2, 90, 5, 80, 60, 60], [500] * 9, [5] * 300, [400, *[7] * 50]])
def test_texts_of_similar_length_share_a_pass_of_limited_size(folder, lengths, packed):
    classifier = loaded(folder(network=graph(packed=packed)))
    passes = [[lengths[index] for index in indices] for indices in classifier._passes(lengths)]

    assert sorted(lengths, reverse=True) == [length for one in passes for length in one]
    assert all(len(one) * one[0] <= (1024 if packed else 128) for one in passes if len(one) > 1)


@pytest.mark.parametrize(
    "lengths", [[9, 9], [3, 100, 2, 90, 5, 80, 60, 60], [40] * 8, [57, 41, 30, *[20] * 12], [20] * 150]
)
def test_every_thread_gets_as_much_to_do(folder, lengths):
    classifier = loaded(folder(network=graph(packed=True)))
    classifier._runtime = Onnx(folder(network=graph(packed=True)) / "model.onnx", 2)
    tokens = [sum(lengths[index] for index in indices) for indices in classifier._passes(lengths)]

    assert 0 == len(tokens) % 2
    assert max(tokens) - min(tokens) <= max(lengths)


@pytest.mark.parametrize("scores", [softmax, sigmoid])
def test_scores_of_very_large_logits_are_still_scores(scores):
    with np.errstate(over="raise", invalid="raise"):
        assert [1, 0] == scores(np.array([[1000.0, -1000.0]], np.float32))[0].tolist()


def test_labels_are_the_models_own_in_capitals(folder):
    assert ["NEGATIVE", "POSITIVE"] == loaded(folder()).labels
    assert ["LABEL_0", "LABEL_1"] == labels_of({"architectures": ["RobertaForSequenceClassification"]})
    assert ["0", "1"] == labels_of(CONFIG | {"id2label": {"0": 0, "1": 1}})


def test_labels_that_may_all_be_right_are_scored_one_by_one(folder):
    network = graph(values=VALUES * 0 + np.float32([2, 3]))  # five tokens with the two at the ends
    [scores] = loaded(folder(network=network, problem_type="multi_label_classification")).probabilities(["good"])

    assert scores.tolist() == pytest.approx([1 / (1 + math.exp(-6)), 1 / (1 + math.exp(-9))])


def test_token_types_are_given_to_those_that_ask(folder):
    network = graph(asks_for=("input_ids", "attention_mask", "token_type_ids"))

    assert [1] == surplus(loaded(folder(network=network)).probabilities(["good"]))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "A text-classification model is needed, but this is BertForMaskedLM"),
        ({"architectures": None}, "A text-classification model is needed, but this is another"),
        ({"problem_type": "regression"}, "this one gives a number"),
        ({"id2label": {"0": "stars"}}, "this one gives a number"),
        ({"id2label": {"1": "bad", "2": "good"}}, "not numbered 0, 1, 2"),
        ({"network": graph(values=VALUES * np.float32(np.nan))}, "answers with NaN"),
        ({"network": graph(values=VALUES[:, :1])}, r"shape \(2, 1\)"),
        (
            {"network": graph(asks_for=("input_ids", "attention_mask", "pixels"))},
            "model.onnx is not made for texts alone: it asks for pixels",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_refused_when_it_is_loaded(folder, change, reason):
    with pytest.raises(ModelError, match=reason):
        loaded(folder(**change))


def test_the_tokenizers_file_may_lie_beside_the_network(folder):
    there = folder("onnx/model.onnx")
    (there / "tokenizer.json").rename(there / "onnx/tokenizer.json")

    assert [1] == surplus(loaded(there).probabilities(["good"]))


def test_a_model_without_the_tokenizers_file_says_what_makes_one(folder):
    there = folder()
    (there / "tokenizer.json").unlink()

    with pytest.raises(ModelError, match="build again with MODEL_ID set"):
        loaded(there)


@pytest.mark.parametrize(
    ("files", "precision", "best"),
    [
        (["onnx/model.onnx", "onnx/model_quantized.onnx"], "int8", "onnx/model_quantized.onnx"),
        (["onnx/model.onnx", "onnx/model_quantized.onnx"], "float32", "onnx/model.onnx"),
        (["model.onnx", "onnx/model_int8.onnx"], "int8", "onnx/model_int8.onnx"),
        (["model.onnx", "onnx/model.onnx"], "float32", "model.onnx"),
        (["onnx/model_quantized.onnx"], "float32", None),
        (["onnx/decoder_model.onnx", "model.safetensors", "old/model.onnx"], "int8", None),
    ],
)
def test_of_a_repositorys_onnx_files_the_fastest_is_taken_that_is_as_exact_as_asked(files, precision, best):
    assert best == choose_graph(files, precision)


@pytest.mark.parametrize(
    ("files", "old"),
    [
        (["vocab.txt", "config.json"], True),
        (["spiece.model"], True),
        (["vocab.txt", "onnx/model.onnx", "onnx/tokenizer.json"], False),
        (["vocab.json", "merges.txt", "tokenizer.json"], False),
        (["config.json", "preprocessor_config.json"], False),
    ],
)
def test_a_tokenizer_without_the_file_that_the_app_reads_is_an_old_one(files, old):
    assert old == has_old_tokenizer(files)


def test_the_precision_decides_which_file_is_run(folder):
    folder("onnx/model.onnx", graph(values=VALUES * 2))
    there = folder("onnx/model_quantized.onnx")

    assert [1] == surplus(loaded(there, "int8").probabilities(["good"]))
    assert [2] == surplus(loaded(there, "float32").probabilities(["good"]))


def test_what_pytorch_is_to_run_is_kept_without_what_could_not_be_used(tmp_path):
    """The app runs an ONNX file where there is one."""
    names = ["config.json", "model.safetensors", "tokenizer.json", "onnx/model.onnx", "onnx/model.onnx_data"]
    (tmp_path / "files/onnx").mkdir(parents=True)
    for name in names:
        (tmp_path / "files" / name).write_text("1234")
    report = keep(tmp_path / "files", tmp_path / "kept")

    assert {"runs": "PyTorch", "bytes": 4} == report
    assert names[:3] == sorted(file.name for file in tmp_path.glob("kept/**/*.*"))


def test_onnx_runtime_reports_to_nobody(tmp_path):
    """It would give this machine an identifier in a file, and tell Microsoft of the machine and the model."""
    unset = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environ = {name: value for name, value in os.environ.items() if name not in unset}
    environ |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-B", "-c", "import inference.runtimes"]
    subprocess.run(command, cwd=Path(__file__).parents[1], env=environ, check=True)

    assert [] == list(tmp_path.iterdir())
