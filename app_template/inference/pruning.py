"""Takes out of an ONNX file what no answer needs.

BERT and its relatives classify a text by what they make of its first token. In the last layer, what follows attention
treats every token on its own, so that all but the first can be left out there: an eighth of all work with six layers.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

PER_TOKEN = {"Add", "Div", "Erf", "Gelu", "LayerNormalization", "MatMul", "Mul", "Relu", "Tanh"}
BOUNDS = {"first_start": 0, "first_end": 1, "first_axis": 1}  # of (texts, tokens, width)


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
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(wired)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array([value], np.int64), name) for name, value in BOUNDS.items()
    )


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The values that do not depend on the text, by name."""
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        elif node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    return constants


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
        mixes_tokens = node.op_type == "MatMul" and node.input[1] not in constants  # as attention does
        if node.op_type not in PER_TOKEN or mixes_tokens or node.output[0] in outputs:
            continue
        if users.get(node.output[0], set()) <= found:
            found.add(place)
    return found
