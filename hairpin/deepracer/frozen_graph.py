"""Reads a policy's frozen graph (.pb) far enough to say what it is, or what is wrong with it.

TensorFlow is not needed for it, and the file is not trusted: its size, its nodes and what they
do are bounded before anything runs it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from hairpin.deepracer.graph_names import FRONT_CAMERA, POLICY, SENSORS, input_of
from hairpin.deepracer.protobuf import WireError, fields, signed
from sim.errors import UserError, did_you_mean

MAX_BYTES = 512 * 2**20
MAX_NODES = 10_000
MAX_ELEMENTS = 100_000_000  # of one constant
FLOAT = 1  # of tensorflow.DataType
# Arithmetic, and nothing that reads files, calls code or keeps a state.
OPERATIONS = frozenset(
    {"Add", "AddV2", "BiasAdd", "Cast", "ConcatV2", "Const", "Conv2D", "Elu", "Exp", "ExpandDims"}
    | {"Identity", "MatMul", "Maximum", "Minimum", "Mul", "Neg", "NoOp", "Pack", "Placeholder"}
    | {"PlaceholderWithDefault", "Prod", "RealDiv", "Relu", "Reshape", "Shape", "Sigmoid", "Slice"}
    | {"Softmax", "Softplus", "Squeeze", "StridedSlice", "Sub", "Tanh", "Transpose"}
)
_EXPORT_AGAIN = "A policy's graph is what DeepRacer or `hairpin export --format deepracer` writes."


@dataclass
class Node:
    """One node of a graph, as far as it is looked at.

    Attributes:
        name, operation: What it is called, and does.
        inputs: Names of the nodes it takes from.
        dtype: The type of a placeholder or constant, a tensorflow.DataType; 0 if it says none.
        shape: The sizes of a placeholder or constant, -1 for any; None if it says none.
    """

    name: str = ""
    operation: str = ""
    inputs: list[str] = field(default_factory=list)
    dtype: int = 0
    shape: list[int] | None = None


@dataclass(frozen=True)
class PolicyGraph:
    """What a policy's graph takes.

    Attributes:
        sensor: The sensor's name in the graph.
        height, width: Its gray image, pixels.
    """

    sensor: str
    height: int
    width: int


def check_policy_graph(data: bytes, where: str) -> PolicyGraph:
    """Checks that `data` is a policy for one gray front camera and nothing else.

    Args:
        data: A file's content.
        where: The file, for errors.

    Raises:
        UserError: It is truncated, no graph, or not the graph of such a policy.
    """
    nodes = {node.name: node for node in read_graph(data, where)}
    for node in nodes.values():
        if node.operation not in OPERATIONS:
            raise UserError(
                f"the node {node.name!r} is a {node.operation!r}, which no policy needs",
                where=where,
                fix=_EXPORT_AGAIN,
            )
        missing = [one for one in map(_node_of, node.inputs) if one not in nodes]
        if missing:
            raise UserError(
                f"the node {node.name!r} takes from {missing[0]!r}, which is not there",
                where=where,
                fix=_EXPORT_AGAIN,
            )
    if POLICY not in nodes:
        raise _missing("output", POLICY, nodes, where)
    sensor = next((sensor for sensor in SENSORS if input_of(sensor) in nodes), None)
    if sensor is None:
        raise _missing("input", input_of(FRONT_CAMERA), nodes, where)
    given = nodes[input_of(sensor)]
    shape = given.shape or []
    wanted = given.operation == "Placeholder" and given.dtype == FLOAT and len(shape) == 4
    if not wanted or shape[3] != 1 or not all(1 <= size <= 4096 for size in shape[1:3]):
        raise UserError(
            f"its input {given.name!r} has the shape {shape}, not (any, rows, columns, 1) of float "
            "pixels",
            where=where,
            fix="Models for one gray front camera can be used, stereo and lidar ones cannot.",
        )
    return PolicyGraph(sensor, shape[1], shape[2])


def read_graph(data: bytes, where: str) -> list[Node]:
    """The nodes of a TensorFlow GraphDef.

    Raises:
        UserError: It is truncated, too large, or not a graph.
    """
    if not data:
        raise UserError("the file is empty", where=where, fix=_EXPORT_AGAIN)
    if len(data) > MAX_BYTES:
        raise UserError(f"the file is larger than {MAX_BYTES // 2**20} MB", where=where)
    nodes: list[Node] = []
    try:
        for number, value in fields(memoryview(data)):
            if number == 1 and not isinstance(value, int):
                nodes.append(_node(value))
            elif number not in (2, 3, 4) or (number == 2 and not isinstance(value, int) and value):
                raise WireError("it has parts that a policy's graph has not")
            if len(nodes) > MAX_NODES:
                raise WireError(f"it has more than {MAX_NODES:,} nodes")
    except (WireError, UnicodeDecodeError) as error:
        kind = "the graph is truncated or damaged" if nodes else "this is not a TensorFlow graph"
        raise UserError(f"{kind} ({error})", where=where, fix=_EXPORT_AGAIN) from error
    if not nodes:
        raise UserError("the graph has no nodes", where=where, fix=_EXPORT_AGAIN)
    return nodes


def _node(data: memoryview) -> Node:
    node = Node()
    for number, value in fields(data):
        if isinstance(value, int):
            raise WireError("a node has a number where it has none")
        if number == 1:
            node.name = str(value, "utf-8")
        elif number == 2:
            node.operation = str(value, "utf-8")
        elif number == 3:
            node.inputs.append(str(value, "utf-8"))
        elif number == 5:
            _attribute(node, value)
    if not node.name or not node.operation:
        raise WireError("a node has no name or no operation")
    return node


def _attribute(node: Node, data: memoryview) -> None:
    key, content = "", memoryview(b"")
    for number, value in fields(data):
        if number == 1 and not isinstance(value, int):
            key = str(value, "utf-8")
        elif number == 2 and not isinstance(value, int):
            content = value
    if key not in ("dtype", "shape", "value"):
        return
    for number, value in fields(content):
        if number == 6 and isinstance(value, int):
            node.dtype = value
        elif number == 7 and not isinstance(value, int):
            node.shape = _shape(value)
        elif number == 8 and not isinstance(value, int):
            for part, inner in fields(value):
                if part == 2 and not isinstance(inner, int):
                    node.shape = _shape(inner)
            if math.prod(node.shape or [1]) > MAX_ELEMENTS:
                raise WireError(f"the constant {node.name!r} is too large")


def _shape(data: memoryview) -> list[int] | None:
    sizes = []
    for number, value in fields(data):
        if number == 3 and value:
            return None
        if number == 2 and not isinstance(value, int):
            size = 0
            for inner, count in fields(value):
                if inner == 1 and isinstance(count, int):
                    size = signed(count)
            sizes.append(size)
    return sizes


def _node_of(name: str) -> str:
    """The node that an input names: ``^node`` is a control input, ``node:1`` another output."""
    return name.removeprefix("^").partition(":")[0]


def _missing(what: str, name: str, nodes: Iterable[str], where: str) -> UserError:
    ends = [node for node in nodes if node.rsplit("/", 1)[-1] == name.rsplit("/", 1)[-1]]
    hint = f" {did_you_mean(name, ends)}" if ends else ""
    return UserError(
        f"it has no {what} {name!r}.{hint}".rstrip("."), where=where, fix=_EXPORT_AGAIN
    )
