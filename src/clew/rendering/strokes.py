"""Lines and dots on pixels with soft edges (anti-aliasing), with NumPy alone."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Coverage = npt.NDArray[np.float32]  # (height, width), share of each pixel that is covered, from 0 to 1
Points = npt.NDArray[np.float64]  # (n, 2), down and across, in pixels from the top left corner


def cover_line(coverage: Coverage, points: Points, radius: float) -> None:
    """Cover all pixels within a distance of a line, in place.

    Args:
        coverage: (height, width); pixels that are covered more already stay so.
        points: (n, 2), the line; a single point is a dot.
        radius: half the width of the line, in pixels.
    """
    ends = points[1:] if len(points) > 1 else points
    for begin, end in zip(points.tolist(), ends.tolist(), strict=False):
        rows, columns = (
            slice(max(0, math.floor(min(a, b) - radius - 1)), max(0, min(side, math.ceil(max(a, b) + radius + 1))))
            for a, b, side in zip(begin, end, coverage.shape, strict=True)
        )
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] + 0.5 - begin[0]
        x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] + 0.5 - begin[1]
        down, across = end[0] - begin[0], end[1] - begin[1]
        share = np.clip((y * down + x * across) / max(down * down + across * across, 1e-12), 0.0, 1.0)
        distance = np.hypot(y - share * down, x - share * across)
        part = coverage[rows, columns]
        np.maximum(part, np.clip(radius + 0.5 - distance, 0.0, 1.0), out=part)


def blend(pixels: npt.NDArray[np.uint8], coverage: Coverage, colour: npt.NDArray[np.uint8]) -> None:
    """Mix a colour into pixels in proportion to their coverage, in place.

    Args:
        pixels: (..., height, width, 3) uint8.
        coverage: (height, width).
        colour: (3,) uint8.
    """
    rows, columns = np.nonzero(coverage)
    share = coverage[rows, columns, None]
    under = pixels[..., rows, columns, :]
    pixels[..., rows, columns, :] = np.rint(under + (colour - under.astype(np.float32)) * share).astype(np.uint8)


def draw_lines(
    pixels: npt.NDArray[np.uint8], lines: Iterable[Points], radius: float, colour: npt.NDArray[np.uint8]
) -> None:
    """Draw lines of one width and colour, in place.

    Args:
        pixels: (height, width, 3) uint8.
        lines: (n, 2) points of each; a single point is a dot.
        radius: half their width, in pixels.
        colour: (3,) uint8.
    """
    coverage = np.zeros(pixels.shape[:2], np.float32)
    for line in lines:
        cover_line(coverage, line, radius)
    blend(pixels, coverage, colour)


def round_corners(points: Points) -> Points:
    """Return a line with its corners replaced by curves, which begin and end halfway to the neighbouring points.

    Args:
        points: (n, 2), such as the middles of the cells of a path.

    Returns:
        (m, 2) points of the line; a curve has six.
    """
    if len(points) < 3:
        return points
    before, here, after = points[:-2], points[1:-1], points[2:]
    t = np.linspace(0.0, 1.0, 6)[:, None, None]
    bends = (1 - t) ** 2 * (before + here) / 2 + 2 * t * (1 - t) * here + t**2 * (here + after) / 2
    is_bend = np.any(np.abs((here - before) - (after - here)) > 1e-9, axis=1).tolist()
    pieces: Iterable[Points] = (bends[:, i] if is_bend[i] else here[i : i + 1] for i in range(len(here)))
    return np.concatenate([points[:1], *pieces, points[-1:]])


def split_dashes(points: Points, dash: float, gap: float) -> list[Points]:
    """Split a line into dashes.

    Args:
        points: (n, 2), the line.
        dash: length of a dash, in pixels along the line.
        gap: length of a gap, in pixels along the line.

    Returns:
        The line of each dash, with the corners that it contains.
    """
    lengths = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    pieces = []
    for begin in np.arange(0.0, lengths[-1], dash + gap).tolist():
        end = min(begin + dash, lengths[-1])
        at = np.concatenate(
            ([begin], lengths[np.searchsorted(lengths, begin, "right") : np.searchsorted(lengths, end)], [end])
        )
        pieces.append(np.stack([np.interp(at, lengths, side) for side in points.T], axis=1))
    return pieces
