"""The notes use max-pooling "to reduce the size of the channel".

Read as: the map that a max-pool gives has fewer rows and columns than the one it reads, and the number of channels
stays. Strides 2 and 3 are those a reader of the notes has in mind; stride 1 is tried too, because it is what a call of
Flax's `max_pool` without strides does, and what the pools inside Inception modules have.
"""

import itertools
from typing import TYPE_CHECKING

from cnnlab.geometry.cost import cost
from cnnlab.geometry.sizes import maps
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.network import Input, Network, Padding, Pool
from cnnlab.spec.verdict import Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = range(64, 0, -1)
WINDOWS = (2, 3)
STRIDES = (1, 2, 3)
PADDINGS: tuple[Padding, ...] = ("same", "valid")
CHANNELS = 3
SHOWN = 28


def pool(window: int, stride: int, padding: Padding) -> Network:
    """A max-pool alone."""
    node = Pool(
        name="pool", inputs=("image",), kind="max", kernel=(window, window), stride=(stride, stride), padding=padding
    )
    return Network(nodes=(Input(name="image", channels=CHANNELS), node), output="pool", features="pool")


def pooled(side: int, window: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Pixels along one side of the pooled map, and its channels."""
    found = maps(pool(window, stride, padding), (side, side))["pool"]
    assert found.size is not None, "the image's size is known"
    assert found.channels is not None, "the image's channels are known"
    return found.size[0], found.channels


def compute() -> Enumerated:
    """Pool maps of every side with every window, stride and padding that fits."""
    cases, counterexamples = 0, list[str]()
    restricted, restricted_fail = 0, 0
    for stride, padding, side, window in itertools.product(STRIDES, PADDINGS, SIDES, WINDOWS):
        if padding == "valid" and window > side:
            continue
        after, channels = pooled(side, window, stride, padding)
        holds = after < side and channels == CHANNELS
        cases += 1
        if not holds:
            counterexamples.append(
                f"a {window}x{window} max-pool of stride {stride}, padding {padding}, makes {side}x{side} "
                f"into {after}x{after}"
            )
        if stride > 1 and side > 1:
            restricted += 1
            restricted_fail += not holds
    halved, slid = pooled(SHOWN, 2, 2, "valid")[0], pooled(SHOWN, 2, 1, "valid")[0]
    params = cost(pool(2, 2, "valid"), (SHOWN, SHOWN)).params
    return Enumerated(
        cases=cases,
        counterexamples=tuple(counterexamples),
        restricted=Restricted(
            condition="the pool's stride is 2 or more and the map is larger than one pixel",
            cases=restricted,
            counterexamples=restricted_fail,
        ),
        nearest_true=(
            f"the stride shrinks the map: a 2x2 pool of stride 2 makes {SHOWN}x{SHOWN} into {halved}x{halved}, of "
            f"stride 1 into {slid}x{slid}; the number of channels stays, and the pool has {params} parameters"
        ),
        tables=(shown_sizes(),),
    )


def shown_sizes() -> Table:
    """What every pool makes of one map."""
    rows: list[tuple[Scalar, ...]] = []
    for window, stride, padding in itertools.product(WINDOWS, STRIDES, PADDINGS):
        after, channels = pooled(SHOWN, window, stride, padding)
        share = round(100 * after**2 / SHOWN**2, 1)
        rows.append((f"{window}x{window}", stride, str(padding), f"{after}x{after}", channels, share))
    columns = ("window", "stride", "padding", "size after", "channels after", "pixels left [%]")
    return Table(title=f"max-pooling a {SHOWN}x{SHOWN} map of {CHANNELS} channels", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """Size after the pool against size before it."""
    drawn, axes = canvas.canvas("The stride of a max-pool shrinks the map; its window hardly does")
    panel = axes[0][0]
    shown: tuple[tuple[int, int, Padding], ...] = (
        (3, 1, "same"),
        (2, 1, "valid"),
        (2, 2, "same"),
        (2, 2, "valid"),
        (3, 2, "valid"),
        (3, 3, "valid"),
    )
    for (window, stride, padding), colour, marker in zip(shown, canvas.SERIES, canvas.MARKERS, strict=False):
        sides = [side for side in range(1, 33) if padding == "same" or side >= window]
        found = [pooled(side, window, stride, padding)[0] for side in sides]
        label = f"{window}x{window}, stride {stride}, {padding}"
        panel.plot(sides, found, color=colour, marker=marker, markevery=5, markersize=5, label=label, lw=1.5)
    panel.set_xlabel("side of the map before the pool [pixels]")
    panel.set_ylabel("side after [pixels]")
    panel.set_aspect("equal")
    panel.legend(frameon=False, title="window, stride, padding", loc="center left", bbox_to_anchor=(1.0, 0.5))
    return drawn


CLAIM = Claim(
    says="A max-pool makes the map smaller, in height and width.",
    notes='Max Pooling, first point: "used to reduce the size of the channel"',
    kind="structural",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
