"""Learning-rate factors on the host: one multiplier a step, so that no learning rate is compiled in."""

import numpy as np
from numpy.typing import NDArray

WARM_UP = 0.3
"""Share of the steps `one_cycle` spends rising; Smith 2018 and the usual library default."""


def factors(name: str, steps: int) -> NDArray[np.float32]:
    """Multipliers of the peak learning rate, shape (steps,), in (0, 1].

    `one_cycle` rises linearly over the first 30 % and falls along a cosine to (almost) 0; `cosine` only falls.
    """
    if name == "constant":
        return np.ones(steps, np.float32)
    rise = max(1, round(WARM_UP * steps)) if name == "one_cycle" else 0
    up = np.arange(1, rise + 1) / max(rise, 1)
    fall = steps - rise
    down = 0.5 * (1 + np.cos(np.pi * np.arange(1, fall + 1) / (fall + 1)))
    return np.concatenate([up, down]).astype(np.float32)


def log_spaced_steps(count: int) -> tuple[int, ...]:
    """Log-spaced indices below `count`: 0, 1, 2, 4, 8, ..., and the last.

    >>> log_spaced_steps(10)
    (0, 1, 2, 4, 8, 9)
    """
    powers = [2**k for k in range(count.bit_length()) if 2**k < count]
    return tuple(sorted({0, *powers, count - 1}))
