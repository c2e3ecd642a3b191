"""Two stacked convolutions without an activation between them: the one kernel they make, and which kernels they can.

Both have stride 1. Kernels are (height, width, channels read, channels written), float64.
"""

import numpy as np
from numpy.typing import NDArray

Kernel = NDArray[np.float64]
Shape = tuple[int, int, int, int]

STARTS = 6
"""Random stacks from which the nearest one is sought; the best is taken."""
SETTLED = 1e-8
"""Relative change of the squared distance at which a search stops; one that finds a stack never settles before."""
TOLERANCE = 1e-12
"""Distance below which a stack is found; also the change of the weights, and the gradient, at which a search stops."""


def composed(first: Kernel, second: Kernel) -> Kernel:
    """Give the kernel of the one layer that both make: (h1 + h2 - 1, w1 + w2 - 1, channels in, channels out).

    The full convolution of the two kernels, summed over the middle channels; exact where nothing is padded.
    """
    (tall, wide, _, _), (rows, columns, _, _) = first.shape, second.shape
    whole = np.zeros((tall + rows - 1, wide + columns - 1, first.shape[2], second.shape[3]))
    for row, column in np.ndindex(rows, columns):
        whole[row : row + tall, column : column + wide] += first @ second[row, column]
    return whole


def jacobian(first: Kernel, second: Kernel) -> Kernel:
    """Differentiate the composed kernel by all weights of both: (entries of the kernel, weights), the first's first."""
    (tall, wide, reads, _), (rows, columns, _, writes) = first.shape, second.shape
    whole = (tall + rows - 1, wide + columns - 1, reads, writes)
    by_first, by_second = np.zeros((*whole, *first.shape)), np.zeros((*whole, *second.shape))
    for row, column in np.ndindex(tall, wide):
        for channel in range(reads):  # a weight of the first lays the second's kernel at its own place
            laid = by_first[row : row + rows, column : column + columns, channel, :, row, column, channel]
            laid[...] = second.swapaxes(2, 3)
    for row, column in np.ndindex(rows, columns):
        for channel in range(writes):
            by_second[row : row + tall, column : column + wide, :, channel, row, column, :, channel] = first
    entries = int(np.prod(whole))
    return np.concatenate([by_first.reshape(entries, -1), by_second.reshape(entries, -1)], axis=1)


def dimensions(first: Shape, second: Shape, seed: int = 0) -> int:
    """Count the dimensions of the set of kernels that stacks of these shapes make: the Jacobian's rank.

    The rank is the same at almost all stacks, so it is taken at one random stack.
    """
    random = np.random.default_rng(seed)
    return int(np.linalg.matrix_rank(jacobian(random.normal(size=first), random.normal(size=second))))


def misfit(target: Kernel, middle: int, seed: int = 0, starts: int = STARTS) -> float:
    """Distance of the nearest stack of two square kernels with `middle` channels between, over the target's norm.

    Least squares from several random stacks: an upper bound of the true distance, which is what the search finds
    wherever it has no local minima.

    Args:
        target: (side, side, channels in, channels out), `side` odd: the stack has two kernels of (side + 1) / 2.
        middle: channels between the two.
        seed: of the random stacks. starts: how many.
    """
    from scipy.optimize import least_squares

    side, _, reads, writes = target.shape
    half = (side + 1) // 2
    shapes = (half, half, reads, middle), (half, half, middle, writes)
    cut = half * half * reads * middle

    def parts(weights: Kernel) -> tuple[Kernel, Kernel]:
        return weights[:cut].reshape(shapes[0]), weights[cut:].reshape(shapes[1])

    def missing(weights: Kernel) -> Kernel:
        return (composed(*parts(weights)) - target).ravel()

    def derivatives(weights: Kernel) -> Kernel:
        return jacobian(*parts(weights))

    random, nearest = np.random.default_rng(seed), np.inf
    for _ in range(starts):
        start = random.normal(size=cut + half * half * middle * writes)
        found = least_squares(missing, start, derivatives, ftol=SETTLED, xtol=TOLERANCE, gtol=TOLERANCE)
        nearest = min(nearest, float(np.linalg.norm(found.fun) / np.linalg.norm(target)))
        if nearest < TOLERANCE:
            break
    return nearest
