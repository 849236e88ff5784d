"""Lines and dots among pixels, with soft edges: how much of each pixel they cover, with NumPy alone."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["Cover", "Points", "blend", "cover_line", "dashed", "rounded"]

Cover = npt.NDArray[np.float32]  # (height, width), from 0 to 1
Points = npt.NDArray[np.float64]  # (n, 2), down and across, in pixels; (0, 0) is the corner of the first one


def cover_line(cover: Cover, points: Points, radius: float) -> None:
    """Cover what is within a distance of a line, or of a dot if that is one point; in place."""
    ends = points[1:] if len(points) > 1 else points
    for begin, end in zip(points, ends, strict=False):
        _cover_segment(cover, begin.tolist(), end.tolist(), radius)


def _cover_segment(cover: Cover, begin: list[float], end: list[float], radius: float) -> None:
    box = []
    for a, b, side in zip(begin, end, cover.shape, strict=True):
        first, last = math.floor(min(a, b) - radius - 1), math.ceil(max(a, b) + radius + 1)
        box.append(slice(max(0, first), max(0, min(side, last))))
    y = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] + 0.5 - begin[0]
    x = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None, :] + 0.5 - begin[1]
    down, across = end[0] - begin[0], end[1] - begin[1]
    share = np.clip((y * down + x * across) / max(down * down + across * across, 1e-12), 0.0, 1.0)
    distance = np.hypot(y - share * down, x - share * across)
    part = cover[box[0], box[1]]
    np.maximum(part, np.clip(radius + 0.5 - distance, 0.0, 1.0), out=part)


def blend(pixels: npt.NDArray[np.uint8], cover: Cover, colour: npt.NDArray[np.uint8]) -> None:
    """Lay a colour over pixels (..., height, width, 3) as far as they are covered; in place."""
    rows, columns = np.nonzero(cover)
    share = cover[rows, columns, None]
    under = pixels[..., rows, columns, :]
    pixels[..., rows, columns, :] = np.rint(under + (colour - under.astype(np.float32)) * share).astype(np.uint8)


def rounded(points: Points) -> Points:
    """A line through the middles of cells with its corners rounded, from one crossing of cells to the next."""
    if len(points) < 3:
        return points
    before, here, after = points[:-2], points[1:-1], points[2:]
    t = np.linspace(0.0, 1.0, 6)[:, None, None]
    bends = (1 - t) ** 2 * (before + here) / 2 + 2 * t * (1 - t) * here + t**2 * (here + after) / 2
    is_bend = np.any(np.abs((here - before) - (after - here)) > 1e-9, axis=1).tolist()
    pieces: Iterable[Points] = (bends[:, i] if is_bend[i] else here[i : i + 1] for i in range(len(here)))
    return np.concatenate([points[:1], *pieces, points[-1:]])


def dashed(points: Points, on: float, off: float) -> list[Points]:
    """The pieces of a line that a dash covers, so many pixels on and so many off."""
    lengths = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    begins = np.arange(0.0, lengths[-1], on + off)
    pieces = []
    for begin in begins.tolist():
        end = min(begin + on, lengths[-1])
        at = np.concatenate(
            ([begin], lengths[np.searchsorted(lengths, begin, "right") : np.searchsorted(lengths, end)], [end])
        )
        pieces.append(np.stack([np.interp(at, lengths, side) for side in points.T], axis=1))
    return pieces
