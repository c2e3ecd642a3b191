"""Matching: gives a net other widths so that it costs what a reference costs. No JAX.

Two nets that differ in where they pool differ in multiply-accumulates too, so a difference in accuracy says nothing
about the place alone. Costs are those of `cnnlab.geometry`.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from cnnlab.geometry.cost import cost
from cnnlab.spec.invalid import InvalidError, require_choice
from cnnlab.spec.net import MAX_FILTERS, ConvNet
from cnnlab.spec.network import Add
from cnnlab.zoo.lowering import network
from cnnlab.zoo.widths import widths

What = Literal["params", "macs"]
TOLERANCE = 0.03
GOAL = 0.01
"""A search that comes this close looks no further."""

STEPS_APART = (1, 2, 3, 4)
"""How far the two parts of a net may stand apart on the ladder of widths, in steps; the nearer is tried first."""

WORDS = {"params": "parameters", "macs": "multiply-accumulates"}


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A candidate: the net, its cost, and how many identities its residual blocks keep."""

    net: ConvNet
    cost: int
    identities: int


def matched(
    net: ConvNet, reference: ConvNet, what: What, side: int, channels: int, classes: int, tolerance: float = TOLERANCE
) -> tuple[ConvNet, str]:
    """Change a net's widths so that its cost is within `tolerance`, a fraction, of the reference's.

    All widths are scaled alike and rounded (to multiples of `groups`), the first i convolutions one step wider or
    narrower than the rest where that comes closer. A net within the tolerance as it stands is left alone, so that
    its layers keep the initial weights they share with the reference's.

    Returns:
        the net, with `widths` written out unless it is unchanged, and a sentence that says what was done.

    Raises:
        InvalidError: no widths reach the reference's cost, or either net does not fit the image.
    """
    require_choice("match", what, WORDS)

    def measured(candidate: ConvNet) -> Fit:
        graph = network(candidate, side, channels, classes)
        identities = sum(isinstance(node, Add) for node in graph.nodes)
        return Fit(net=candidate, cost=getattr(cost(graph, (side, side)), what), identities=identities)

    target, own = measured(reference).cost, measured(net)
    if net == reference:
        return net, f"is the reference: {target:,} {WORDS[what]}"
    if abs(own.cost - target) <= tolerance * target:
        return net, f"widths kept: {compared(own.cost, target, what)}"
    best = _search(net, own.identities, target, tolerance, measured)
    if best is None:
        must = f"no widths of {net.label} come within {tolerance:.0%} of the reference's {target:,} {WORDS[what]}"
        raise InvalidError("match", what, must)
    change = f"widths {_listed(widths(net))} became {_listed(widths(best.net))}"
    lost = own.identities - best.identities
    return best.net, change + f"{f' ({lost} identity lost)' if lost > 0 else ''}: {compared(best.cost, target, what)}"


def _search(
    net: ConvNet, identities: int, target: int, tolerance: float, measured: Callable[[ConvNet], Fit]
) -> Fit | None:
    """Find the closest candidate, its parts as few steps apart as will do; None if none is within the tolerance.

    Candidates that keep the residual identities come first: one is lost where the width changes.
    """
    rung = _rung(net, target, measured)

    def order(fit: Fit) -> tuple[int, int]:
        return max(identities - fit.identities, 0), abs(fit.cost - target)

    best: Fit | None = None
    for apart in STEPS_APART:
        for candidate in _candidates(net, rung, apart):
            try:
                fit = measured(candidate)
            except InvalidError:  # such as depthwise filters that are no multiple of the channels
                continue
            if abs(fit.cost - target) <= tolerance * target and (best is None or order(fit) < order(best)):
                best = fit
        if best and order(best) <= (0, int(GOAL * target)):
            break
    return best


def _rung(net: ConvNet, target: int, measured: Callable[[ConvNet], Fit]) -> int:
    """Find the highest rung of the ladder, all convolutions alike, that costs no more than the target; at least 1."""
    low, high = 1, 2
    top = MAX_FILTERS // net.groups
    while high < top and measured(_at(net, (high,) * net.depth)).cost <= target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if measured(_at(net, (middle,) * net.depth)).cost <= target else (low, middle)
    return low


def _candidates(net: ConvNet, rung: int, apart: int) -> Iterator[ConvNet]:
    """Yield nets around a rung whose first i convolutions stand `apart` rungs above or below the rest."""
    for lower in range(max(1, rung - apart + 1), rung + 1):
        for first in range(net.depth + 1):
            rest = net.depth - first
            yield _at(net, (lower,) * first + (lower + apart,) * rest)
            yield _at(net, (lower + apart,) * first + (lower,) * rest)


def _at(net: ConvNet, rungs: tuple[int, ...]) -> ConvNet:
    """Put each convolution of a net at its rung.

    Rung n gives the widest convolution n filters (n * groups if grouped) and the others their share, rounded. Where
    filters must stay multiples of one another, as in depthwise convolutions, it gives the narrowest n.
    """
    base = widths(net)
    anchor = min(base) if net.connectivity == "depthwise" else max(base)
    scaled = (max(1, round(width * rung / anchor)) for width, rung in zip(base, rungs, strict=True))
    return dataclasses.replace(net, widths=tuple(net.groups * value for value in scaled))


def compared(found: int, target: int, what: What) -> str:
    """Write a cost beside the reference's."""
    return f"{found:,} {WORDS[what]}, {found / target - 1:+.1%} of the reference's {target:,}"


def _listed(values: tuple[int, ...]) -> str:
    """Write widths as a user writes them."""
    return "[" + ",".join(map(str, values)) + "]"
