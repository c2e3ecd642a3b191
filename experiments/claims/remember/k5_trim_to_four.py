"""The notes make a 4x4 kernel of two 3x3 ones by taking their 5x5 and to "replace last column with zero".

Checked on the support (the smallest box around all weights that are not zero) of random stacks, with one to four
channels between the layers. Zeroing the last column leaves 5 rows; the notes may mean "row and column", and under that
condition the claim is tried again.

Shown beside: how many of the 16 dimensions of 4x4 kernels each way of trimming reaches. A kernel trimmed as a whole is
one 4x4 layer, no stack any more. To remain a stack its 3x3 kernels are trimmed instead: last row and column of one of
them, or the row of one and the column of the other.
"""

from typing import TYPE_CHECKING

import numpy as np

from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.probes.stacks import Kernel, composed, dimensions, jacobian
from cnnlab.report import canvas
from cnnlab.spec.network import Pair
from cnnlab.spec.verdict import Number, Scalar, Table
from experiments.claims.base import Claim, Computed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL, WANTED = 3, (4, 4)
MIDDLES = (1, 2, 3, 4)
DRAWS = 100


def stacked(middle: int, random: np.random.Generator) -> Kernel:
    """The kernel of two random 3x3 layers with `middle` channels between, one channel read and one written."""
    first, second = random.normal(size=(SMALL, SMALL, 1, middle)), random.normal(size=(SMALL, SMALL, middle, 1))
    return composed(first, second)


def trimmed(kernel: Kernel, rows: int, columns: int) -> Kernel:
    """Replace the last rows and columns by zeros."""
    left = kernel.copy()
    left[len(kernel) - rows :] = 0
    left[:, kernel.shape[1] - columns :] = 0
    return left


def support(kernel: Kernel) -> Pair:
    """Height and width of the smallest box around the weights that are not zero."""
    rows, columns = (np.flatnonzero(kernel.any(axis=axes)) for axes in ((1, 2, 3), (0, 2, 3)))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def shown(size: Pair) -> str:
    """Write a size as a reader does."""
    return f"{size[0]}x{size[1]}"


def compute() -> Enumerated:
    """Trim random stacks as the notes say, and by a row too."""
    random = np.random.default_rng(0)
    kernels = [(middle, stacked(middle, random)) for middle in MIDDLES for _ in range(DRAWS)]
    failing = tuple(
        f"two 3x3 layers, channels between {middle}: {shown(support(trimmed(kernel, 0, 1)))} is left, not 4x4"
        for middle, kernel in kernels
        if support(trimmed(kernel, 0, 1)) != WANTED
    )
    return Enumerated(
        cases=len(kernels),
        counterexamples=failing,
        restricted=Restricted(
            condition="the last row is replaced by zeros as well as the last column",
            cases=len(kernels),
            counterexamples=sum(support(trimmed(kernel, 1, 1)) != WANTED for _, kernel in kernels),
        ),
        nearest_true=(
            f"zeroing the last row and column of the 5x5 leaves a 4x4 kernel; as a stack of two layers, one of them "
            f"trimmed to 2x2, it reaches {dimensions((3, 3, 1, 1), (2, 2, 1, 1))} of the 16 dimensions of 4x4 kernels"
        ),
        number=Number(name="rows that are left", value=support(trimmed(kernels[0][1], 0, 1))[0]),
        tables=(ways(),),
    )


def whole_dimensions() -> int:
    """Dimensions that the trimmed 5x5 of two 3x3 layers has: rank of the derivatives of the entries that stay."""
    random = np.random.default_rng(0)
    first, second = random.normal(size=(SMALL, SMALL, 1, 1)), random.normal(size=(SMALL, SMALL, 1, 1))
    stays = trimmed(np.ones((5, 5, 1, 1)), 1, 1).ravel() > 0
    return int(np.linalg.matrix_rank(jacobian(first, second)[stays]))


def ways() -> Table:
    """What each way of trimming gives."""
    random = np.random.default_rng(0)
    kernel = stacked(1, random)
    rows: list[tuple[Scalar, ...]] = [
        ("nothing trimmed", shown(support(kernel)), None, "a stack"),
        ("last column of the 5x5", shown(support(trimmed(kernel, 0, 1))), None, "one layer"),
        ("last row and column of the 5x5", shown(support(trimmed(kernel, 1, 1))), whole_dimensions(), "one layer"),
    ]
    for name, shapes in (
        ("row and column of one 3x3", ((3, 3, 1, 1), (2, 2, 1, 1))),
        ("column of one 3x3, row of the other", ((3, 2, 1, 1), (2, 3, 1, 1))),
    ):
        made = composed(random.normal(size=shapes[0]), random.normal(size=shapes[1]))
        rows.append((name, shown(support(made)), dimensions(*shapes), "a stack"))
    columns = ("set to zero", "support", "dimensions of 16", "what it is then")
    return Table(title="one channel everywhere", columns=columns, rows=tuple(rows))


def figure() -> "Figure":
    """The 5x5 of two 3x3 layers of ones, before and after the trimming."""
    drawn, axes = canvas.canvas(
        "Without its last column a 5x5 kernel is 5x4; a 4x4 needs the last row gone too",
        width=9.5,
        height=3.8,
        columns=3,
    )
    ones = np.ones((SMALL, SMALL, 1, 1))
    kernel = composed(ones, ones)
    for panel, (name, rows, columns) in zip(
        axes[0],
        (("two 3x3 layers of ones", 0, 0), ("last column zero", 0, 1), ("last row zero too", 1, 1)),
        strict=True,
    ):
        left = trimmed(kernel, rows, columns)
        canvas.count_map(panel, left[:, :, 0, 0].tolist(), title=f"{name}: {shown(support(left))}")
    return drawn


CLAIM = Claim(
    says="The 5x5 kernel of two 3x3 layers becomes a 4x4 kernel when its last column is replaced by zeros.",
    notes='Few things to remember, second point: "delete (replace last column with zero) to become a 4x4"',
    kind="exact",
    evidence=Computed(compute=compute),
    rule=Exact(),
    figure=figure,
)
