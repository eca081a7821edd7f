"""Writes a policy as a TensorFlow frozen graph with the node names of DeepRacer's own.

TensorFlow is not needed for it. Only the attributes that an operation must have are written: older
readers, such as the converters on a car, refuse attributes they do not know.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hairpin.deepracer.graph_names import (
    FRONT_CAMERA,
    HEAD,
    MIDDLEWARE,
    POLICY,
    embedder_of,
    input_of,
)
from hairpin.deepracer.protobuf import field, varint
from hairpin.export.layers import Layers
from rollout_workers.network import PIXEL_SCALE, PIXEL_SHIFT, NetworkSpec

# What TensorFlow 1.13 wrote: graphs of this version are read by it and by all after it.
PRODUCER = 27
FLOAT, INT32 = 1, 3  # values of tensorflow.DataType

Array = NDArray[np.float32] | NDArray[np.int32]


def frozen_graph(layers: Layers) -> bytes:
    """A GraphDef that computes what a car asks for.

    Its input is (n, rows, columns, 1) float32, the gray image as it comes, 0 to 255; scaling is
    inside. Its output is (n, A) probabilities of the discrete actions, or the (n, 2) means of the
    continuous ones, to be clipped to [-1, 1] and scaled to the bounds of model_metadata.json, as
    DeepRacer's is.

    Raises:
        ValueError: The network crops its image, which no DeepRacer network does.
    """
    network = layers.network
    if network.crop_top:
        raise ValueError(f"the network {network.name!r} crops its image")
    graph = _Graph()
    embedder = embedder_of(FRONT_CAMERA)
    above = graph.node(
        "Placeholder",
        input_of(FRONT_CAMERA),
        dtype=_type(FLOAT),
        shape=field(7, _shape((-1, network.height, network.width, 1))),
    )
    scale = graph.constant(f"{embedder}/truediv/y", np.array(1.0 / PIXEL_SCALE, np.float32))
    shift = graph.constant(f"{embedder}/sub/y", np.array(PIXEL_SHIFT, np.float32))
    above = graph.floats("RealDiv", f"{embedder}/truediv", above, scale)
    above = graph.floats("Sub", f"{embedder}/sub", above, shift)
    for index, conv in enumerate(layers.convs):
        stride = b"".join(map(varint, (1, conv.stride, conv.stride, 1)))
        name = f"{embedder}/Conv2d_{2 * index}"
        kernel = conv.kernel.transpose(2, 3, 1, 0)  # rows, columns, inputs, outputs
        sums = graph.affine(
            "Conv2D",
            name,
            above,
            kernel,
            conv.bias,
            strides=field(1, field(3, stride)),
            padding=field(2, "VALID"),
        )
        above = graph.floats("Relu", f"{name}/Relu", sums)
    flat = graph.constant(f"{embedder}/flatten/shape", np.array([-1, network.flat_size], np.int32))
    above = graph.node(
        "Reshape", f"{embedder}/flatten/Reshape", above, flat, T=_type(FLOAT), Tshape=_type(INT32)
    )
    for name, dense in zip(dense_names(network), layers.dense, strict=True):
        sums = graph.affine("MatMul", name, above, dense.weight.T, dense.bias)
        above = graph.floats("Relu", f"{name}/Relu", sums)
    head = f"{HEAD}/policy_fc" if layers.is_discrete else f"{HEAD}/policy_mean"
    sums = graph.affine("MatMul", head, above, layers.head.weight.T, layers.head.bias)
    graph.floats("Softmax" if layers.is_discrete else "Identity", POLICY, sums)
    return graph.to_bytes()


def dense_names(network: NetworkSpec) -> list[str]:
    """Names of the dense layers, first to last: the last one is DeepRacer's middleware."""
    first = 2 * len(network.convs)
    embedder = embedder_of(FRONT_CAMERA)
    before = [f"{embedder}/Dense_{first + 2 * index}" for index in range(len(network.dense))]
    return [*before, f"{MIDDLEWARE}/Dense_0"]


class _Graph:
    """Nodes of a GraphDef, written as they are added; each method returns the node's name."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []

    def node(self, operation: str, name: str, *inputs: str, **attributes: bytes) -> str:
        parts = [field(1, name), field(2, operation), *(field(3, one) for one in inputs)]
        for key, value in sorted(attributes.items()):
            parts.append(field(5, field(1, key) + field(2, value)))
        self._nodes.append(field(1, b"".join(parts)))
        return name

    def floats(self, operation: str, name: str, *inputs: str, **attributes: bytes) -> str:
        return self.node(operation, name, *inputs, T=_type(FLOAT), **attributes)

    def constant(self, name: str, values: Array) -> str:
        kind = INT32 if values.dtype == np.int32 else FLOAT
        content = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
        tensor = field(1, kind) + field(2, _shape(values.shape)) + field(4, content)
        return self.node("Const", name, dtype=_type(kind), value=field(8, tensor))

    def affine(
        self, operation: str, name: str, above: str, kernel: Array, bias: Array, **more: bytes
    ) -> str:
        """A convolution's or a dense layer's sums, before its ReLU."""
        weights = self.constant(f"{name}/kernel", kernel)
        product = self.floats(operation, f"{name}/{operation}", above, weights, **more)
        biases = self.constant(f"{name}/bias", bias)
        return self.floats("BiasAdd", f"{name}/BiasAdd", product, biases)

    def to_bytes(self) -> bytes:
        return b"".join([*self._nodes, field(4, field(1, PRODUCER))])


def _type(kind: int) -> bytes:
    return field(6, kind)


def _shape(sizes: Sequence[int]) -> bytes:
    """A TensorShapeProto; -1 is any size."""
    return b"".join(field(2, field(1, size)) for size in sizes)
