"""That a network from which work was taken answers as before. The networks are made here, with random weights."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

onnx = pytest.importorskip("onnx")
from inference.pruning import keep_first_token  # noqa: E402

WIDTH = 8


def network(*, index=0, also_last=False):
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
        ("MatMul", ["normal", "inner"], "wide", {}),
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


@pytest.mark.parametrize(("other", "cut"), [({"index": 2}, []), ({"also_last": True}, ["hidden"])])
def test_a_network_that_uses_other_tokens_too_stays_as_it_is(other, cut):
    model = network(**other)
    before = answers(model)
    keep_first_token(model)

    assert cut == slices(model)
    assert before == same_as(answers(model))
