"""Text in pictures: the DejaVu font that matplotlib brings, drawn by Pillow, kept by glyph."""

from __future__ import annotations

import importlib.util
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
RGB = tuple[int, int, int]


class Typeface:
    """One font at one size.

    Args:
        size_px: Height of the font, pixels.
        bold: The bold face.
    """

    def __init__(self, size_px: int, *, bold: bool = False) -> None:
        from PIL import ImageFont

        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        self._font = ImageFont.truetype(str(_fonts() / name), size_px)
        self._ascent, descent = self._font.getmetrics()
        self._height = self._ascent + descent
        self._line = lru_cache(maxsize=512)(self._draw_line)
        self._glyph = cache(self._draw_glyph)

    def width(self, text: str) -> int:
        """How wide a text will be, pixels."""
        width: int = self._line(text).shape[1]
        return width

    def draw(
        self,
        image: Image,
        text: str,
        x: int,
        baseline: int,
        rgb: RGB = (255, 255, 255),
        *,
        anchor: Literal["left", "middle", "right"] = "left",
    ) -> None:
        """Writes a text into an RGB picture; what would lie outside of it is left out.

        Args:
            image: (h, w, 3), written.
            text: What to write.
            x: Where the anchor is.
            baseline: Row the letters stand on.
            rgb: Colour.
            anchor: Which part of the text is at x.
        """
        cover = self._line(text)
        height, width = cover.shape
        left = x - {"left": 0, "middle": width // 2, "right": width}[anchor]
        top = baseline - self._ascent
        rows = slice(max(top, 0), min(top + height, image.shape[0]))
        columns = slice(max(left, 0), min(left + width, image.shape[1]))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        share = cover[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        patch = image[rows, columns]
        mixed = patch + share[..., None] * (np.array(rgb, dtype=np.float32) - patch)
        patch[:] = (mixed + 0.5).astype(np.uint8)

    def _draw_line(self, text: str) -> npt.NDArray[np.float32]:
        glyphs = [self._glyph(letter) for letter in text]
        width = round(sum(advance for _, advance in glyphs)) + 2
        line = np.zeros((self._height, max(width, 1)), dtype=np.float32)
        at = 0.0
        for cover, advance in glyphs:
            first = round(at)
            room = line[:, first : first + cover.shape[1]]
            np.maximum(room, cover[:, : room.shape[1]], out=room)
            at += advance
        return line

    def _draw_glyph(self, letter: str) -> tuple[npt.NDArray[np.float32], float]:
        from PIL import Image as Canvas
        from PIL import ImageDraw

        advance = float(self._font.getlength(letter))
        canvas = Canvas.new("L", (int(advance) + 3, self._height))
        ImageDraw.Draw(canvas).text((0, 0), letter, fill=255, font=self._font)
        return np.asarray(canvas, dtype=np.float32) / np.float32(255), advance


@cache
def typeface(size_px: int, bold: bool = False) -> Typeface:
    """A font at a size, made once."""
    return Typeface(size_px, bold=bold)


@cache
def _fonts() -> Path:
    # Found, not imported: that takes a second for nothing but this path.
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("matplotlib, whose fonts are used, is not installed")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
