"""Takes out of an ONNX file what no answer needs.

Most of a transformer treats every token on its own; only attention looks at several. BERT and its relatives classify a
text by what they make of its first token, so that in the last layer all others can be left out behind attention: an
eighth of all work with six layers. And what fills up the shorter texts of a batch is needed in attention alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import NodeProto, helper, numpy_helper

from inference.runtimes import PACKED, Inputs

PER_TOKEN = {"Add", "Div", "Erf", "Gelu", "LayerNormalization", "Mul", "Pow", "Relu", "Sqrt", "Sub", "Tanh"}
BOUNDS = {"first_start": 0, "first_end": 1, "first_axis": 1}  # of (texts, tokens, width)
MASK = "attention_mask"  # 1 for a token, 0 for what fills up


def keep_first_token(model: onnx.ModelProto) -> None:
    """Leave tokens out as early as the first alone is used; of a model that uses several, change nothing."""
    nodes, constants = list(model.graph.node), _constants(model.graph)
    outputs = {each.name for each in model.graph.output}
    last = [place for place, node in enumerate(nodes) if _takes_first(node, constants)]
    if len(last) != 1:
        return
    narrow = _used_by_first_alone(nodes, constants, outputs, last[0])
    made = {name for place in narrow for name in nodes[place].output}
    cut: dict[str, NodeProto] = {}
    wired: list[NodeProto] = []
    for place, node in enumerate(nodes):
        for position, name in enumerate(node.input):
            if place in narrow and name not in made and name not in constants:
                if name not in cut:
                    cut[name] = helper.make_node("Slice", [name, *BOUNDS], [f"{name}_first"])
                    wired.append(cut[name])
                node.input[position] = f"{name}_first"
        wired.append(node)
    _replace_nodes(model.graph, wired)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array([value], np.int64), name) for name, value in BOUNDS.items()
    )


def leave_padding_out(model: onnx.ModelProto, sample: Inputs) -> None:
    """Where tokens are treated one by one, put the real ones of all texts in one row: (1, real tokens, width).

    The sample holds texts of different lengths. Nothing changes for a model without a mask or with branches, and for
    one that would answer it otherwise then.
    """
    names = [each.name for each in model.graph.input]
    if MASK not in names or any(each.HasField("g") for node in model.graph.node for each in node.attribute):
        return
    inputs = {name: sample[name] for name in names}
    nodes, outputs = list(model.graph.node), [each.name for each in model.graph.output]
    before = _run(model, inputs, [name for node in nodes for name in node.output])
    shape = sample[MASK].shape
    per_token = {name for name, value in before.items() if value.ndim == 3 and value.shape[:2] == shape}
    region = _with_weights(nodes, _constants(model.graph), per_token - set(outputs))
    _replace_nodes(model.graph, [*_indices(), *_packed(nodes, region, per_token)])
    if region and _answers_as_before(model, inputs, {name: before[name] for name in outputs}):
        helper.set_model_props(model, {PACKED: "yes"})
    else:
        _replace_nodes(model.graph, nodes)


def _answers_as_before(model: onnx.ModelProto, inputs: Inputs, before: dict[str, np.ndarray]) -> bool:
    try:
        after = _run(model, inputs, [])
    except Exception:  # ONNX Runtime's errors have no other class in common
        return False
    return all(np.allclose(before[name], after[name], rtol=1e-3, atol=1e-3) for name in before)


def _run(model: onnx.ModelProto, inputs: Inputs, also: Sequence[str]) -> dict[str, np.ndarray]:
    """The outputs by name, and also these values of within."""
    outputs = list(model.graph.output)
    given = {each.name for each in outputs}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in also if name and name not in given)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    del model.graph.output[len(outputs) :]
    names = [each.name for each in session.get_outputs()]
    return {name: np.asarray(value) for name, value in zip(names, session.run(names, inputs), strict=True)}


def _replace_nodes(graph: onnx.GraphProto, nodes: Sequence[NodeProto]) -> None:
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)


def _with_weights(nodes: Sequence[NodeProto], constants: dict[str, np.ndarray], per_token: set[str]) -> set[int]:
    """The places of weights' products, and of what hangs together with them and has a row for each token too."""
    variables = [{name for name in (*node.input, *node.output) if name and name not in constants} for node in nodes]
    fit = {
        place
        for place, node in enumerate(nodes)
        if _treats_each_alone(node, constants) and variables[place] <= per_token
    }
    region = {place for place in fit if nodes[place].op_type == "MatMul"}
    touched = {name for place in region for name in variables[place]}
    while more := {place for place in fit - region if variables[place] & touched}:
        region |= more
        touched |= {name for place in more for name in variables[place]}
    return region


def _indices() -> list[NodeProto]:
    """From the mask: `real`, the text and token of each real token, and `rows`, where in the row each token lies.

    What fills up gets the row of a token before it: it is masked wherever it would count.
    """

    def step(kind: str, inputs: list[str], output: str, **how: str) -> NodeProto:
        return helper.make_node(kind, inputs, [f"packing_{output}"], **how)

    constants = {"flat": [-1], "one": [1], "column": [0, 0, 1], "zero_and_row": [0, 1], "pairs": [1, -1, 2], "axis": 0}
    return [
        *(_constant(f"packing_{name}", value) for name, value in constants.items()),
        step("NonZero", [MASK], "found"),
        step("Einsum", ["packing_found"], "turned", equation="ij->ji"),  # quantisation warns of a Transpose
        step("Reshape", ["packing_turned", "packing_pairs"], "real"),
        step("Reshape", [MASK, "packing_flat"], "flat_mask"),
        step("CumSum", ["packing_flat_mask", "packing_axis"], "counted"),
        step("Sub", ["packing_counted", "packing_one"], "numbers"),
        step("Shape", [MASK], "shape"),
        step("Reshape", ["packing_numbers", "packing_shape"], "grid"),
        step("Reshape", ["packing_grid", "packing_column"], "numbers_in_column"),
        step("Mul", ["packing_numbers_in_column", "packing_zero_and_row"], "rows"),
    ]


def _constant(name: str, value: int | list[int]) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, np.int64)))


def _packed(nodes: Sequence[NodeProto], region: set[int], per_token: set[str]) -> list[NodeProto]:
    """Copies of the nodes, with tokens put into one row where they enter the region, and back where they leave it."""
    made = {name for place in region for name in nodes[place].output}
    wired: list[NodeProto] = []
    gathered: set[str] = set()
    for place, original in enumerate(nodes):
        node = NodeProto()
        node.CopyFrom(original)
        for position, name in enumerate(node.input):
            if name in per_token and (place in region) != (name in made):
                indices = "packing_real" if place in region else "packing_rows"
                moved = f"{name}_moved"
                if moved not in gathered:
                    wired.append(helper.make_node("GatherND", [name, indices], [moved]))
                    gathered.add(moved)
                node.input[position] = moved
        wired.append(node)
    return wired


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The values that do not depend on the text, by name."""
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    return constants


def _treats_each_alone(node: NodeProto, constants: dict[str, np.ndarray]) -> bool:
    """Whether what comes out for a token depends on nothing but what goes in for it."""
    if node.op_type == "MatMul":
        return node.input[1] in constants  # attention multiplies tokens with each other
    if node.op_type == "ReduceMean":
        return _axes(node, constants) in ([-1], [2])
    return node.op_type in PER_TOKEN


def _axes(node: NodeProto, constants: dict[str, np.ndarray]) -> list[int]:
    """Which axes are reduced; older networks say it in an attribute."""
    if len(node.input) > 1:
        return list(constants.get(node.input[1], []))
    return [axis for each in node.attribute if each.name == "axes" for axis in each.ints]


def _takes_first(node: NodeProto, constants: dict[str, np.ndarray]) -> bool:
    """Whether this is `hidden[:, 0]`."""
    if node.op_type != "Gather" or {each.name: each.i for each in node.attribute}.get("axis") != 1:
        return False
    index = constants.get(node.input[1])
    return index is not None and index.shape == () and index == 0


def _used_by_first_alone(
    nodes: list[NodeProto], constants: dict[str, np.ndarray], outputs: set[str], last: int
) -> set[int]:
    """The places of what treats each token on its own and is used by nothing but the last, or others of these."""
    users: dict[str, set[int]] = {}
    for place, node in enumerate(nodes):
        for name in node.input:
            users.setdefault(name, set()).add(place)
    found = {last}
    for place in range(last - 1, -1, -1):
        node = nodes[place]
        if not _treats_each_alone(node, constants) or node.output[0] in outputs:
            continue
        if users.get(node.output[0], set()) <= found:
            found.add(place)
    return found
