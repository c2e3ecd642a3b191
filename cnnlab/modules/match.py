"""Matching of users' modules: another value of the argument that is named as the width."""

import dataclasses
from collections.abc import Callable

from cnnlab.modules.graph import graph
from cnnlab.modules.signature import parameters
from cnnlab.modules.source import load
from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.spec.net import Net
from cnnlab.spec.own_module import OwnModule
from cnnlab.zoo.match import TOLERANCE, WORDS, What, compared

MAX_WIDTH = 65_536
NEAREST = 3
NEIGHBOURS = 32
"""How many widths on either side of the best one are tried, since a module may refuse some, such as odd ones."""


def matched_module(
    net: OwnModule, width: str, reference: Net, what: What, side: int, channels: int, classes: int
) -> tuple[OwnModule, str]:
    """Change the width of a module so that its cost is within `TOLERANCE` of the reference's.

    Args:
        width: the argument that is the width, a whole number; cost must not fall as it grows.

    Returns:
        the net and a sentence that says what was done.

    Raises:
        InvalidError: no argument is named, no width reaches the reference's cost, or a cost cannot be had since a
            module cannot be followed.
    """
    require_choice("match", what, WORDS)
    must = "name the argument that match may change, such as model.width_argument=width"
    require(bool(width), "model.width_argument", "''", must)

    def cost(candidate: Net) -> int:
        found = graph(candidate, side, channels, classes)
        value: int | None = getattr(found.measured, what)
        if value is None:
            raise InvalidError("match", what, f"{WORDS[what]} of {candidate.label} cannot be counted: {found.refused}")
        return value

    target, now, own = cost(reference), width_of(net, width), cost(net)
    if net == reference:
        return net, f"is the reference: {target:,} {WORDS[what]}"
    if abs(own - target) <= TOLERANCE * target:
        return net, f"{width} kept: {compared(own, target, what)}"

    def tried(value: int) -> int | None:
        """The cost at a width; None where the module cannot be had."""
        try:
            return cost(with_width(net, width, value))
        except InvalidError as problem:
            if problem.key == "match":
                raise
            return None

    low, high = 1, max(2, now)
    while high < MAX_WIDTH and (found := _next(tried, high)) is not None and found[1] < target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        found = _next(tried, middle)
        low, high = (middle, high) if found is not None and found[1] <= target else (low, middle)
    costs: dict[int, int] = {}
    for value in sorted(range(max(1, low - NEIGHBOURS), low + NEIGHBOURS + 1), key=lambda value: abs(value - low)):
        one = tried(value)
        if one is not None:
            costs[value] = one
            if len(costs) >= NEAREST:
                break
    best = min(costs, key=lambda value: abs(costs[value] - target), default=None)
    if best is None or abs(costs[best] - target) > TOLERANCE * target:
        must = f"no {width} of {net.label} comes within {TOLERANCE:.0%} of the reference's {target:,} {WORDS[what]}"
        raise InvalidError("match", what, must)
    return with_width(net, width, best), f"{width} {now} became {best}: {compared(costs[best], target, what)}"


def _next(tried: Callable[[int], int | None], value: int) -> tuple[int, int] | None:
    """The first width from a value on that the module takes, and its cost; None if the next ones are all refused."""
    for width in range(value, value + NEIGHBOURS):
        cost = tried(width)
        if cost is not None:
            return width, cost
    return None


def width_of(net: OwnModule, width: str) -> int:
    """The width as it stands, given or by default. Raises InvalidError where there is none."""
    given, (named, _) = dict(net.args), parameters(net, load(net))
    value = given[width] if width in given else named[width].default if width in named else None
    whole = isinstance(value, int) and not isinstance(value, bool)
    require(whole, "model.width_argument", width, f"must name an argument of {net.make} that is a whole number")
    assert isinstance(value, int)
    return value


def with_width(net: OwnModule, width: str, value: int) -> OwnModule:
    """The net with another width."""
    return dataclasses.replace(net, args=tuple(sorted({**dict(net.args), width: value}.items())))
