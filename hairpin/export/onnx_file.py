"""A policy as ONNX: camera image in, commands for the car out, all arithmetic inside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hairpin import __version__
from hairpin.export.layers import Layers
from hairpin.export.names import COMMAND, IMAGE, MEAN, PROBABILITIES, PROPERTY
from rollout_workers.network import PIXEL_SCALE, PIXEL_SHIFT
from sim.actions import Actions, ContinuousActions

OPSET, IR_VERSION = 17, 8  # of ONNX 1.12 (2022): what runtimes on cars and boards read


def onnx_model(layers: Layers, actions: Actions, about: Mapping[str, Any]) -> bytes:
    """The policy as an ONNX model.

    Its input ``image`` is (batch, height, width) uint8, the whole gray camera image; crop and
    scaling are inside. Its outputs are ``command``, (batch, 2) float32: steering angle in degrees,
    left positive, and speed in m/s; and ``probabilities`` (batch, A) of the discrete actions, or
    ``mean`` (batch, 2) of the continuous ones, of which the command is the clipped and scaled one.

    Args:
        layers: The policy.
        actions: What its outputs mean.
        about: JSON-able facts to keep in the model's metadata.

    Raises:
        onnx.checker.ValidationError: The model is malformed.
    """
    network = layers.network
    graph = _Graph()
    above = IMAGE
    if network.crop_top:
        ends = [np.array([value], np.int64) for value in (network.crop_top, network.height, 1)]
        above = graph.node("Slice", "crop", above, *graph.constants("crop", ends))
    above = graph.node("Cast", "to_float", above, to=TensorProto.FLOAT)
    above = graph.node("Unsqueeze", "channel", above, graph.constant("channel.axes", _whole(1)))
    above = graph.node("Mul", "scale", above, graph.constant("scale.by", _single(PIXEL_SCALE)))
    above = graph.node("Sub", "shift", above, graph.constant("shift.by", _single(PIXEL_SHIFT)))
    for index, conv in enumerate(layers.convs):
        weights = graph.constants(f"conv_{index}", [conv.kernel, conv.bias])
        strides = [conv.stride, conv.stride]
        above = graph.node("Conv", f"conv_{index}", above, *weights, strides=strides)
        above = graph.node("Relu", f"relu_{index}", above)
    above = graph.node("Flatten", "flat", above, axis=1)
    for index, dense in enumerate(layers.channels_first()):
        weights = graph.constants(f"dense_{index}", [dense.weight, dense.bias])
        above = graph.node("Gemm", f"dense_{index}", above, *weights, transB=1)
        above = graph.node("Relu", f"dense_relu_{index}", above)
    weights = graph.constants("policy", [layers.head.weight, layers.head.bias])
    own = PROBABILITIES if layers.is_discrete else MEAN
    above = graph.node("Gemm", "logits" if layers.is_discrete else own, above, *weights, transB=1)
    if layers.is_discrete:
        above = graph.node("Softmax", own, above, axis=1)
    _command(graph, above, actions)
    return _model(graph, layers, own, about)


def _command(graph: _Graph, above: str, actions: Actions) -> None:
    """Adds what `sim.actions` does with the policy's outputs."""
    if isinstance(actions, ContinuousActions):
        half, middle = 0.5 * (actions.high - actions.low), 0.5 * (actions.high + actions.low)
        above = graph.node("Clip", "clipped", above, *graph.constants("clip", [-_ONE, _ONE]))
        above = graph.node("Mul", "scaled", above, graph.constant("half", half.astype(np.float32)))
        graph.node("Add", COMMAND, above, graph.constant("middle", middle.astype(np.float32)))
    else:
        best = graph.node("ArgMax", "action", above, axis=1, keepdims=0)
        table = graph.constant("actions", actions.pairs.astype(np.float32))
        graph.node("Gather", COMMAND, table, best, axis=0)


def _model(graph: _Graph, layers: Layers, own: str, about: Mapping[str, Any]) -> bytes:
    network = layers.network
    shape = ["batch", network.height, network.width]
    built = helper.make_graph(
        graph.nodes,
        "policy",
        [helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, shape)],
        [
            helper.make_tensor_value_info(COMMAND, TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info(own, TensorProto.FLOAT, ["batch", layers.outputs]),
        ],
        graph.initializers,
    )
    model = helper.make_model(
        built,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="hairpin",
        producer_version=__version__,
    )
    helper.set_model_props(model, {PROPERTY: json.dumps(about, allow_nan=False)})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


_ONE = np.array(1.0, np.float32)


def _single(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


def _whole(value: int) -> NDArray[np.int64]:
    return np.array([value], np.int64)


class _Graph:
    """Nodes and constants, in the order of adding; a node is called as its output is."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def node(self, operation: str, output: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def constants(self, name: str, values: Sequence[NDArray[Any]]) -> list[str]:
        return [self.constant(f"{name}.{index}", one) for index, one in enumerate(values)]
