"""That a network from which work was taken answers as before. The networks are made here, with random weights."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

onnx = pytest.importorskip("onnx")
from inference.pruning import keep_first_token, leave_padding_out  # noqa: E402
from inference.runtimes import PACKED  # noqa: E402

WIDTH = 8


def network(*, index=0, also_last=False, centred=False):
    """One layer of a transformer: tokens look at each other, are changed each on its own, and one is taken."""
    generator = np.random.default_rng(0)
    weights = {name: generator.normal(size=(WIDTH, WIDTH)).astype(np.float32) for name in ("inner", "outer")}
    values = weights | {
        "scale": np.ones(WIDTH, np.float32),
        "shift": generator.normal(size=WIDTH).astype(np.float32),
        "index": np.int64(index),
        "end": np.int64(-1),
    }
    steps = [
        ("Transpose", ["tokens"], "turned", {"perm": [0, 2, 1]}),
        ("MatMul", ["tokens", "turned"], "scores", {}),
        ("Softmax", ["scores"], "looks", {"axis": -1}),
        ("MatMul", ["looks", "tokens"], "seen", {}),
        ("Add", ["tokens", "seen"], "residual", {}),
        ("LayerNormalization", ["residual", "scale", "shift"], "normal", {}),
        *([("ReduceMean", ["normal"], "mean", {"axes": [1]}), ("Sub", ["normal", "mean"], "rest", {})] * centred),
        ("MatMul", ["rest" if centred else "normal", "inner"], "wide", {}),
        ("Relu", ["wide"], "positive", {}),
        ("MatMul", ["positive", "outer"], "narrow", {}),
        ("Add", ["narrow", "normal"], "hidden", {}),
        ("Gather", ["hidden", "index"], "answer", {"axis": 1}),
    ]
    if also_last:
        steps += [
            ("Gather", ["hidden", "end"], "end_of_text", {"axis": 1}),
            ("Add", ["answer", "end_of_text"], "both", {}),
        ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in steps],
        "layer",
        [onnx.helper.make_tensor_value_info("tokens", onnx.TensorProto.FLOAT, ["texts", "tokens", WIDTH])],
        [onnx.helper.make_tensor_value_info(steps[-1][2], onnx.TensorProto.FLOAT, ["texts", WIDTH])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def answers(model):
    """The outputs, one after another."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    tokens = np.random.default_rng(1).normal(size=(3, 5, WIDTH)).astype(np.float32)
    return np.concatenate([output.ravel() for output in session.run(None, {"tokens": tokens})])


def same_as(numbers):
    return pytest.approx(numbers, rel=1e-4, abs=1e-5)


def slices(model):
    return sorted(node.input[0] for node in model.graph.node if node.op_type == "Slice")


def test_where_one_token_is_used_the_others_are_left_out_behind_attention():
    model = network()
    before = answers(model)
    keep_first_token(model)

    onnx.checker.check_model(model)
    assert ["seen", "tokens"] == slices(model)
    assert before == same_as(answers(model))


@pytest.mark.parametrize(("name", "cut"), [("normal", ["normal"]), ("narrow", ["narrow", "normal"])])
def test_what_is_an_output_itself_stays_whole(name, cut):
    model = network()
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    before = answers(model)
    keep_first_token(model)

    assert cut == slices(model)
    assert before == same_as(answers(model))


@pytest.mark.parametrize(
    ("other", "cut"),
    [({"index": 2}, []), ({"also_last": True}, ["hidden"]), ({"centred": True}, ["mean", "normal"])],
)
def test_other_tokens_stay_as_long_as_they_are_used(other, cut):
    model = network(**other)
    before = answers(model)
    keep_first_token(model)

    assert cut == slices(model)
    assert before == same_as(answers(model))


MASKS = [[[1, 1, 1, 1, 1, 1]], [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], [[1, 1, 0, 0]] * 3, [[1, 0, 1], [1, 1, 1]]]
NORMAL = [("LayerNormalization", ["mixed", "scale", "shift"], "normal", {})]
NORMAL_IN_STEPS = [  # as older files have it
    ("ReduceMean", ["mixed"], "mean", {"axes": [-1]}),
    ("Sub", ["mixed", "mean"], "centred", {}),
    ("Pow", ["centred", "two"], "squares", {}),
    ("ReduceMean", ["squares"], "variance", {"axes": [-1]}),
    ("Sqrt", ["variance"], "deviation", {}),
    ("Div", ["centred", "deviation"], "normal", {}),
]
FIRST = [("Gather", ["hidden", "first"], "logits", {"axis": 1})]
BRANCH = onnx.helper.make_graph(
    [onnx.helper.make_node("Identity", ["hidden"], ["same"])],
    "branch",
    [],
    [onnx.helper.make_tensor_value_info("same", onnx.TensorProto.FLOAT, None)],
)
FOUR_PLACES = [
    ("LayerNormalization", ["mixed", "scale", "shift"], "anywhere", {}),
    ("Add", ["anywhere", "places"], "normal", {}),
]
MEAN_WITH_PADDING = [("ReduceMean", ["hidden"], "logits", {"axes": [1], "keepdims": 0})]


def classifier(*, normal=NORMAL, pooled=FIRST, mask="attention_mask", extra=()):
    """Embeddings, attention to what the mask shows, a layer for each token alone, and what is made of it for a text."""
    generator = np.random.default_rng(0)
    values = {
        "words": generator.normal(size=(40, WIDTH)).astype(np.float32),
        "key": generator.normal(size=(WIDTH, WIDTH)).astype(np.float32),
        "inner": generator.normal(size=(WIDTH, WIDTH)).astype(np.float32),
        "scale": np.ones(WIDTH, np.float32),
        "shift": generator.normal(size=WIDTH).astype(np.float32),
        "two": np.float32(2),
        "far": np.float32(10_000),
        "one": np.int64([1]),
        "first": np.int64(0),
        "yes": np.bool_(True),
        "places": generator.normal(size=(4, WIDTH)).astype(np.float32),
    }
    steps = [
        ("Gather", ["words", "input_ids"], "embedded", {}),
        ("MatMul", ["embedded", "key"], "keys", {}),
        ("Transpose", ["keys"], "turned", {"perm": [0, 2, 1]}),
        ("MatMul", ["embedded", "turned"], "scores", {}),
        ("Cast", [mask], "seen", {"to": onnx.TensorProto.FLOAT}),
        ("Mul", ["seen", "far"], "bonus", {}),
        ("Unsqueeze", ["bonus", "one"], "bonus_of_keys", {}),
        ("Add", ["scores", "bonus_of_keys"], "masked", {}),
        ("Softmax", ["masked"], "looks", {"axis": -1}),
        ("MatMul", ["looks", "embedded"], "mixed", {}),
        *normal,
        ("MatMul", ["normal", "inner"], "changed", {}),
        ("Add", ["changed", "shift"], "hidden", {}),
        *pooled,
        *extra,
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in steps],
        "classifier",
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", mask)
        ],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["texts", WIDTH])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def run(model, mask, *also):
    """The logits for texts with this mask, and other values."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in also)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(1).integers(0, 40, np.shape(mask))
    return session.run(None, {"input_ids": ids, session.get_inputs()[1].name: np.int64(mask)})


def sample(model):
    """Three texts for the network."""
    mask = np.int64(MASKS[1])
    return {"input_ids": mask * 5 + np.arange(4), model.graph.input[1].name: mask}


def properties(model):
    return {each.key for each in model.metadata_props}


@pytest.mark.parametrize("normal", [NORMAL, NORMAL_IN_STEPS])
def test_texts_of_different_lengths_are_answered_as_before_and_padding_meets_no_weights(normal):
    model = classifier(normal=normal)
    before = [run(model, mask)[0] for mask in MASKS]
    leave_padding_out(model, sample(model))

    onnx.checker.check_model(model)
    assert {PACKED} == properties(model)
    for mask, logits in zip(MASKS, before, strict=True):
        answered, *rows = run(model, mask, "keys", "normal", "changed")
        assert logits == same_as(answered)
        assert {(1, np.sum(mask), WIDTH)} == {value.shape for value in rows}


def test_a_token_that_is_used_alone_is_found_in_the_row_again():
    model = classifier()
    before = [run(model, mask)[0] for mask in MASKS]
    keep_first_token(model)
    leave_padding_out(model, sample(model))

    assert ["mixed"] == slices(model)
    for mask, logits in zip(MASKS, before, strict=True):
        assert logits == same_as(run(model, mask)[0])


def test_what_is_an_output_itself_keeps_its_shape():
    model = classifier()
    model.graph.output.append(onnx.helper.make_tensor_value_info("changed", onnx.TensorProto.FLOAT, None))
    before = run(model, MASKS[1])[1]
    leave_padding_out(model, sample(model))

    assert {PACKED} == properties(model)
    assert before.shape == run(model, MASKS[1])[1].shape


@pytest.mark.parametrize(
    "other",
    [
        {"pooled": MEAN_WITH_PADDING},
        {"mask": "tokens_that_count"},
        {"normal": FOUR_PLACES},
        {"extra": [("If", ["yes"], "unused", {"then_branch": BRANCH, "else_branch": BRANCH})]},
    ],
)
def test_a_network_whose_padding_counts_or_cannot_be_told_stays_as_it_is(other):
    model = classifier(**other)
    before = model.SerializeToString()
    leave_padding_out(model, sample(model))

    assert before == model.SerializeToString()
