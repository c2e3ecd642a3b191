"""The notes say that a 3x3 convolution of stride 1 covers "most of the pixels 9 times".

"Most" is read as more than half of the image's pixels. Tried on every square image of 3 to 256 pixels a side and on
random rectangles, for the three paddings that are in use: none, 1 pixel (`same`) and 2 pixels (`full`).
"""

from typing import TYPE_CHECKING

import numpy as np

from cnnlab.geometry.coverage import coverage
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.report import canvas
from cnnlab.spec.network import Pair
from cnnlab.spec.verdict import Number, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KERNEL, OFTEN, MOST = 3, 9, 0.5
PADDINGS: dict[str, Pair] = {"no padding": (0, 0), "1 pixel of padding": (1, 1), "2 pixels of padding": (2, 2)}
SIDES = range(3, 257)
SHOWN = (3, 4, 5, 7, 10, 14, 28, 56, 112, 224)
RECTANGLES = 300
"""Random images of another height than width, for each padding."""


def share(image: Pair, padding: Pair) -> float:
    """Share of an image's pixels, (height, width), that exactly nine windows read."""
    rows, columns = (np.array(coverage(length, KERNEL, padding=padding)) for length in image)
    return float(np.mean(np.outer(rows, columns) == OFTEN))


def threshold(padding: Pair) -> int:
    """Smallest side from which on every square image of the domain has most of its pixels read nine times."""
    failing = [side for side in SIDES if share((side, side), padding) <= MOST]
    return max(failing, default=SIDES[0] - 1) + 1


def images() -> tuple[Pair, ...]:
    """All square images of the domain, then random rectangles."""
    random = np.random.default_rng(0)
    drawn = random.integers(SIDES[0], SIDES[-1] + 1, size=(RECTANGLES, 2)).tolist()
    return (*((side, side) for side in SIDES), *((height, width) for height, width in drawn))


def compute() -> Enumerated:
    """Count the images of which no more than half the pixels are read nine times."""
    least = {name: threshold(padding) for name, padding in PADDINGS.items()}
    failing, large, large_failing = [], 0, 0
    for name, padding in PADDINGS.items():
        for image in images():
            found = share(image, padding)
            large += min(image) >= least[name]
            if found <= MOST:
                large_failing += min(image) >= least[name]
                failing.append(
                    f"{image[0]}x{image[1]} with {name}: {100 * found:.1f} % of the pixels are read nine times"
                )
    needed = ", ".join(f"{side} with {name}" for name, side in least.items() if side > SIDES[0])
    return Enumerated(
        cases=len(PADDINGS) * len(images()),
        counterexamples=tuple(failing),
        restricted=Restricted(
            condition=f"the image is large enough: each side at least {needed} (any size with 2 pixels of padding)",
            cases=large,
            counterexamples=large_failing,
        ),
        nearest_true=(
            "every pixel is read nine times but those of the border, 1 pixel wide with 1 pixel of padding and 2 "
            f"without; they are the majority below {least['1 pixel of padding']} and {least['no padding']} pixels a "
            f"side, such as on a padded 4x4 map, of which {100 * share((4, 4), (1, 1)):.0f} % are read nine times"
        ),
        number=Number(name="smallest side with 1 pixel of padding", value=least["1 pixel of padding"]),
        tables=(by_side(),),
    )


def by_side() -> Table:
    """The share at some sides."""
    rows = tuple(
        (side, *(round(100 * share((side, side), padding), 1) for padding in PADDINGS.values())) for side in SHOWN
    )
    return Table(
        title="share of pixels read nine times, in %", columns=("side of the image (pixels)", *PADDINGS), rows=rows
    )


def figure() -> "Figure":
    """The share against the side of the image, for three paddings."""
    drawn, axes = canvas.canvas("Only on large enough maps are most pixels read nine times", width=8)
    panel = axes[0][0]
    for (name, padding), colour, marker in zip(PADDINGS.items(), canvas.SERIES, canvas.MARKERS, strict=False):
        shares = [100 * share((side, side), padding) for side in SIDES]
        panel.plot(SIDES, shares, color=colour, marker=marker, markevery=0.08, label=name)
    panel.axhline(100 * MOST, color=canvas.BLACK, linestyle="--", linewidth=1)
    panel.text(SIDES[-1], 100 * MOST + 1.5, "most: more than half", ha="right", fontsize=9)
    panel.set_xscale("log", base=2)
    panel.set_xticks([4, 7, 14, 28, 56, 112, 224], ["4", "7", "14", "28", "56", "112", "224"])
    panel.minorticks_off()
    panel.set_xlabel("side of the image (pixels)")
    panel.set_ylabel("pixels read by nine windows (%)")
    panel.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.05))
    return drawn


CLAIM = Claim(
    says="A 3x3 convolution of stride 1 reads more than half of an image's pixels nine times.",
    notes='Convolution with strides, stride 1: "we cover most of the pixels 9 times"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
