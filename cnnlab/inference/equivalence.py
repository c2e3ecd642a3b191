"""Saying that a difference is too small to matter, or certainly is not."""

from cnnlab.spec.verdict import Effect, Interval


def is_null(interval90: Interval, margin: float) -> bool:
    """Two one-sided tests at .05: the 90 % interval lies inside +-margin."""
    return interval90.inside(-margin, margin)


def is_equivalent(effect: Effect, rho: float, *, one_sided: bool = False) -> bool:
    """R-EQ: the 90 % interval lies inside +-rho; one-sided: its upper end lies below rho."""
    return effect.interval90.high < rho if one_sided else is_null(effect.interval90, rho)


def is_different(effect: Effect, rho: float, *, one_sided: bool = False) -> bool:
    """R-EQ: the 95 % interval lies wholly outside +-rho; one-sided: wholly above rho."""
    return effect.interval95.low > rho if one_sided else effect.interval95.outside(-rho, rho)
