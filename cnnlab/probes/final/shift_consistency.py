"""Whether a net's answer changes when the image is moved."""

import itertools
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from cnnlab.probes.trained import TrainedMember, Values

IMAGES, REACH = 40, 2


def probe(member: TrainedMember) -> dict[str, float]:
    """Share of (test image, circular shift) pairs whose predicted class is that of the unmoved image (Zhang 2019).

    `one_pixel`: over the eight shifts by at most one pixel along either axis; `two_pixels`: over the 24 by at most
    two.
    """
    images, moves = member.test.images[:IMAGES], shifts(REACH)
    same = unchanged(member.predict, images, moves)
    near = [max(map(abs, move)) == 1 for move in moves]
    return {"one_pixel": float(same[near].mean()), "two_pixels": float(same.mean())}


def shifts(reach: int) -> list[tuple[int, int]]:
    """All (down, right) shifts by at most `reach` pixels an axis, but for none at all."""
    steps = range(-reach, reach + 1)
    return [move for move in itertools.product(steps, steps) if move != (0, 0)]


def unchanged(
    predict: Callable[[Values], NDArray[np.intp]], images: Values, moves: Iterable[tuple[int, int]]
) -> NDArray[np.bool_]:
    """Whether the predicted class stays as it is: [shifts, images].

    Args:
        predict: classes of images, (n,).
        images: (n, height, width, channels).
        moves: (down, right) pixels; what leaves on one side comes back on the other.
    """
    moved = np.concatenate([images, *(np.roll(images, move, axis=(1, 2)) for move in moves)])
    answers = predict(moved).reshape(-1, len(images))
    same: NDArray[np.bool_] = answers[1:] == answers[0]
    return same
