"""Saying that a difference is too small to matter, or certainly is not."""

from cnnlab.spec.verdict import Effect, Interval


def is_null(interval90: Interval, margin: float) -> bool:
    """Two one-sided tests at .05: the 90 % interval lies inside +-margin."""
    return interval90.inside(-margin, margin)


def is_equivalent(effect: Effect, rho: float) -> bool:
    """R-EQ: the 90 % interval lies inside +-rho."""
    return is_null(effect.interval90, rho)


def is_different(effect: Effect, rho: float) -> bool:
    """R-EQ: the interval at the look's level (95 % over all looks) lies wholly outside +-rho."""
    return effect.decision.outside(-rho, rho)
