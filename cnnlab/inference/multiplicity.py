"""Corrections for many tests: partial conjunction over tasks, Holm over a family."""

from collections.abc import Sequence

from cnnlab.spec.invalid import require

TWO_SIDED = 0.05
ONE_SIDED = 0.025
BETWEEN_TASKS = 0.05 / 40
"""Two-sided level at which the effects on two tasks must differ for "holds on X, not on Y"."""


def partial_conjunction(p_values: Sequence[float]) -> float:
    """Test "the effect exists on at least two of these K tasks": (K - 1) x the second smallest; 1 below two tasks.

    Benjamini and Heller 2008, with Bonferroni's combination.
    """
    if len(p_values) < 2:
        return 1.0
    return min(1.0, (len(p_values) - 1) * sorted(p_values)[1])


def holm_threshold(p_values: Sequence[float], *, registered: int, level: float) -> float:
    """Give the one threshold that Holm's step-down over a fixed `registered` family comes to: pass if p <= it.

    Members of the family without data count as p = 1, so they make every step stricter and are never rejected. The
    threshold is that of the last step reached, level / (registered - rejected): rejected p-values lie below their
    own, smaller one, and the others above this one. Raises InvalidError if more p-values come than were registered.
    """
    require(len(p_values) <= registered, "registered", registered, f"must be at least the {len(p_values)} judged")
    rejected = 0
    for p in sorted(p_values):
        if p > level / (registered - rejected):
            break
        rejected += 1
    return level / max(1, registered - rejected)
