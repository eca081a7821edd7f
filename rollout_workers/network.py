"""The networks, as plain numbers: what the workers run in numpy and the learner in torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

PIXEL_SCALE = 1.0 / 255.0  # a pixel p enters the first layer as p * PIXEL_SCALE - PIXEL_SHIFT
PIXEL_SHIFT = 0.4  # about the mean gray of a track image, so that inputs are centred on zero


@dataclass(frozen=True)
class Conv:
    """A convolution without padding, followed by a ReLU.

    Attributes:
        filters: Output channels.
        kernel: Side of the square kernel, pixels.
        stride: Step between two applications, pixels.
    """

    filters: int
    kernel: int
    stride: int


@dataclass(frozen=True)
class NetworkSpec:
    """Convolutions, dense layers, all with ReLU, then a policy head and a value head.

    Attributes:
        name: The preset's name.
        height: Rows of the camera image, pixels.
        width: Columns of the camera image, pixels.
        crop_top: Rows cut from the top of the image (sky), pixels.
        convs: The convolutions, first to last.
        hidden: Units of the last dense layer, which the heads share.
        dense: Units of dense layers before it, first to last.
    """

    name: str
    height: int
    width: int
    crop_top: int
    convs: tuple[Conv, ...]
    hidden: int
    dense: tuple[int, ...] = ()

    @property
    def input_shape(self) -> tuple[int, int]:
        """Rows and columns of what the network sees, after the crop."""
        return self.height - self.crop_top, self.width

    @property
    def conv_shapes(self) -> list[tuple[int, int, int]]:
        """Rows, columns and channels after each convolution.

        Raises:
            ValueError: The image is too small for the convolutions.
        """
        rows, columns = self.input_shape
        shapes = []
        for conv in self.convs:
            rows = (rows - conv.kernel) // conv.stride + 1
            columns = (columns - conv.kernel) // conv.stride + 1
            if min(rows, columns) < 1:
                raise ValueError(f"network {self.name!r}: the image is too small for {conv}")
            shapes.append((rows, columns, conv.filters))
        return shapes

    @property
    def flat_size(self) -> int:
        """Numbers that go into the dense layer, in (row, column, channel) order."""
        return math.prod(self.conv_shapes[-1]) if self.convs else math.prod(self.input_shape)

    def to_dict(self) -> dict[str, Any]:
        """Itself as JSON-able values; `from_dict` is the way back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkSpec:
        """Rebuilds a spec that `to_dict` wrote."""
        convs = tuple(Conv(**conv) for conv in values["convs"])
        return cls(**{**values, "convs": convs, "dense": tuple(values.get("dense", ()))})


NETWORKS = {
    # Built for CPU speed. The first layer has kernel = stride, so it is one matrix product over
    # 8x8 patches of the image without the sky; the rest then works on 6x10 cells.
    "fast": NetworkSpec(
        name="fast",
        height=60,
        width=80,
        crop_top=12,
        convs=(Conv(16, 8, 8), Conv(32, 3, 1), Conv(32, 3, 1)),
        hidden=256,
    ),
    # The shallow network of the DeepRacer console.
    "deepracer": NetworkSpec(
        name="deepracer",
        height=120,
        width=160,
        crop_top=0,
        convs=(Conv(32, 8, 4), Conv(64, 4, 2), Conv(64, 3, 1)),
        hidden=512,
    ),
    # Its five-layer and its deepest network.
    "deepracer_deep": NetworkSpec(
        name="deepracer_deep",
        height=120,
        width=160,
        crop_top=0,
        convs=(Conv(32, 5, 2), Conv(32, 3, 1), Conv(64, 3, 2), Conv(64, 3, 1)),
        dense=(64,),
        hidden=512,
    ),
    "deepracer_deeper": NetworkSpec(
        name="deepracer_deeper",
        height=120,
        width=160,
        crop_top=0,
        convs=(Conv(32, 8, 4), Conv(32, 4, 2), Conv(64, 4, 2), Conv(64, 3, 1)),
        dense=(512, 512, 256),
        hidden=128,
    ),
}
