"""Why up-sampling can leave a checkerboard, as numbers: exact overlap counts, and boards that nets make untrained."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.geometry.axis import Spread
from cnnlab.geometry.coverage import interior, plane, write_counts
from cnnlab.geometry.period import periodic_coverage, unevenness
from cnnlab.probes.checkerboard import uneven
from cnnlab.spec.invalid import InvalidError
from experiments.geometry.network import MeasuredNetwork
from experiments.page.picture import grey
from experiments.page.view import Content, Context, Json, View

if TYPE_CHECKING:
    from cnnlab.probes.upsampling import Member, Painted

NAME = "checkerboard"
KERNELS, STRIDES, DEPTHS = range(1, 8), range(1, 5), (1, 2, 3)
SHOWN = 24
"""Outputs along a line that are drawn, away from the border."""
NETS, SEEDS = 60, 3
MAPS, OUTPUT = "pattern_maps", "pattern_output"


def line(kernel: int, stride: int, depth: int) -> tuple[int, ...]:
    """Inputs that paint each of `SHOWN` outputs away from the border, by all paths through `depth` equal layers.

    The line is cut so that it begins with a whole period, the product of the strides.
    """
    layers = [Spread(taps=kernel, stride=stride)] * depth
    period = stride**depth
    length = 2 * kernel + SHOWN  # of the input: more than the kernels reach, on both sides
    counts = write_counts(layers, length)
    reach = (kernel - 1) * sum(stride**place for place in range(depth))
    margin = -(-reach // period) * period
    return interior(counts, margin)[: max(SHOWN, period)]


def board(kernel: int, stride: int, depth: int) -> dict[str, Json]:
    """The counts of one setting, and how uneven they are."""
    counts = line(kernel, stride, depth)
    whole = counts[: stride**depth]
    return {
        "counts": list(counts[:SHOWN]),
        "dispersion": round(uneven(np.array(plane(whole, whole), float)), 4),
        "least": min(whole),
        "most": max(whole),
    }


def table() -> dict[str, Json]:
    """All settings: kernel, stride, depth."""
    return {
        f"{kernel},{stride},{depth}": board(kernel, stride, depth)
        for kernel, stride, depth in itertools.product(KERNELS, STRIDES, DEPTHS)
    }


def read_unevenly(networks: Sequence[MeasuredNetwork]) -> list[dict[str, Json]]:
    """How unevenly the last map of each net reads its image, away from every border."""
    rows: list[dict[str, Json]] = []
    for subject in networks:
        assert subject.size is not None, "networks on a page have a size"
        try:
            counts = periodic_coverage(subject.network, subject.size, subject.network.features)
        except InvalidError:  # a layer other than a sliding window
            continue
        every = np.array(counts, float)
        ratio = unevenness(counts)
        rows.append(
            {
                "title": subject.title.split(" on ")[0],
                "period": len(counts),
                "dispersion": uneven(every),
                "ratio": None if ratio is None else float(ratio),
                "unread": float((every == 0).mean()),
            }
        )
    return rows


def make(context: Context) -> Content:
    """Counts for all settings; boards of untrained decoders where another process made them."""
    painted, members = context.apart[NAME] if NAME in context.apart else ((), ())
    uneven_one = board(3, 2, 1)
    even = max(board(kernel, 2, 1)["dispersion"] for kernel in KERNELS if kernel % 2 == 0)
    finding = (
        f"A transposed convolution of kernel 3 and stride 2 paints some outputs {uneven_one['most'] ** 2} times and "
        f"others {uneven_one['least'] ** 2} time. Multiples of the stride paint evenly (dispersion {even:g})"
    )
    arms = [_arm(name, list(group)) for name, group in itertools.groupby(members, lambda member: member.arm)]
    if arms:
        transposed = [arm["maps"][0] for arm in arms if arm["name"].startswith("transposed")]
        finding += (
            f", and still leave a board before training: the share of their maps that is one fixed pattern is "
            f"{min(transposed):.2f} to {max(transposed):.2f} whatever the kernel"
        )
    boards = table()
    rules = [
        (depth, [(k, [boards[f"{k},{s},{depth}"]["dispersion"] for s in STRIDES]) for k in KERNELS]) for depth in DEPTHS
    ]
    static = {
        "arms": arms,
        "seeds": SEEDS,
        "nets": NETS,
        "painted": [_painted(one) for one in painted],
        "read": read_unevenly(context.networks),
        "still": board(3, 2, 1)["counts"],
        "strides": list(STRIDES),
        "rules": rules,
        "lacks": not arms,
    }
    return Content(finding=f"{finding}.", script=boards, static=static)


def untrained(_: Sequence[MeasuredNetwork]) -> "tuple[Sequence[Painted], Sequence[Member]]":
    """Random transposed convolutions on noise, and decoders before their first step."""
    from cnnlab.probes import upsampling

    pictures = upsampling.digit_mosaics()
    painted = [upsampling.painted(size, nets=NETS) for size in upsampling.KERNELS]
    members = [
        member for arm in upsampling.ARMS for member in upsampling.train(arm, pictures, seeds=range(SEEDS), steps=0)
    ]
    return painted, members


def _painted(one: "Painted") -> dict[str, Json]:
    return {
        "kernel": one.kernel,
        "counts": one.predicted,
        "mean": one.mean_net,
        "error": one.error,
        "median": one.median,
        "off": abs(one.mean_net - one.predicted) / one.error,
    }


def _arm(name: str, members: "Sequence[Member]") -> dict[str, Any]:
    """Median, least and largest of both numbers over the members, and what the first of them makes of one image."""
    values = {key: [float(getattr(member.init, key)) for member in members] for key in (MAPS, OUTPUT)}
    first = members[0]
    shown = first.shown["init maps"]
    return {
        "name": name,
        "maps": _range(values[MAPS]),
        "told": {key: told(_range(values[key])) for key in (MAPS, OUTPUT)},
        "picture": grey(shown, float(shown.min()), float(shown.max())),
        "seed": first.seed,
    }


def _range(values: Sequence[float]) -> tuple[float, float, float]:
    return float(np.median(values)), min(values), max(values)


def told(of: tuple[float, float, float]) -> str:
    """Median [least, largest]; a share has no minus before a zero."""
    middle, low, high = (f"{value:.2f}".replace("-0.00", "0.00") for value in of)
    return f"{middle} [{low}, {high}]"


VIEW = View(
    order=50,
    title="Checkerboard",
    question="Where does the checkerboard come from, and how much of it is there?",
    caveat="All nets here are untrained. Training can add a board to layers that begin without one, and remove it "
    "from the output of layers that begin with one: python -m experiments.checkerboard measures both. A pattern that "
    "moves with the image, as behind a max-pool, is in neither number.",
    make=make,
    reads_networks=True,
    apart=untrained,
    claims=("st2-coverage-uneven", "st2-blurs", "st2-accumulation", "st-info-loss", "st-bad-when-detail-needed"),
)
