"""Protocol buffers on the wire, as far as a TensorFlow graph needs them, without TensorFlow.

Encoding: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 are long out of use
_MAX_VARINT_BYTES = 10


class WireError(ValueError):
    """The bytes are not a message; says at which byte."""


def varint(number: int) -> bytes:
    """Writes an integer; negative ones as 64-bit two's complement."""
    number &= 2**64 - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, value: int | bytes | str) -> bytes:
    """Writes one field: an integer as a varint, anything else with its length before it."""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Reads a message's fields one after the other; nothing is copied.

    Yields:
        The field's number, and its value: an integer for a varint, else the bytes.

    Raises:
        WireError: A field runs past the end, or is of a kind that does not exist.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError(f"no field has the number 0 (byte {at})")
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == BYTES:
            length, at = _varint(data, at)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"no field is of kind {kind} (byte {at})")
        if length > len(data) - at:
            raise WireError(f"{length - len(data) + at} bytes are missing at the end")
        yield number, data[at : at + length]
        at += length


def signed(number: int) -> int:
    """A varint as the signed 64-bit integer it stands for."""
    return number - 2**64 if number >= 2**63 else number


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        number |= (byte & 127) << 7 * index
        if byte < 128:
            return number & 2**64 - 1, at + index + 1
    raise WireError(f"a number has no end (byte {at})")
