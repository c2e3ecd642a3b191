"""What a shift of the image changes: every net's answer under every circular shift."""

import numpy as np
from numpy.typing import NDArray

from experiments.page.member import Member
from experiments.page.view import Content, Context, Json, View

NEAR = 1
"""Pixels either way that count as a small shift."""


def make(context: Context) -> Content | None:
    """All members; None without any."""
    if not context.members:
        return None
    rows = [row(member) for member in context.members]
    first = context.members[0]
    kept = unchanged(first)
    finding = (
        f"Of the {kept[0].size - 1} circular shifts of its images the first net keeps its answer under "
        f"{_percent(kept)}, and of those by one pixel under {_percent(near(kept))}."
    )
    return Content(finding=finding, static={"rows": rows, "nets": context.net_names, "trained": context.trained})


def unchanged(member: Member) -> NDArray[np.bool_]:
    """Whether the answer stays what it is without a shift, [images, down, right]."""
    answers = member.shifted.argmax(-1)
    same: NDArray[np.bool_] = answers == answers[:, :1, :1]
    return same


def near(same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Those of the shifts by at most `NEAR` pixels either way, [images, 3, 3]; the middle one is none."""
    return np.roll(same, (NEAR, NEAR), axis=(1, 2))[:, : 2 * NEAR + 1, : 2 * NEAR + 1]


def share(same: NDArray[np.bool_]) -> float:
    """Share of the (image, shift) pairs, without the shift by nothing, under which the answer stays."""
    images = len(same)
    return (int(same.sum()) - images) / (same.size - images)


def row(member: Member) -> dict[str, Json]:
    """One member in numbers."""
    same = unchanged(member)
    down, right = (same[:, :, 0], same[:, 0])
    return {
        "title": member.title,
        "state": member.state,
        "n": f"{len(same)} images",
        "shares": [_percent(of) for of in (near(same), down[:, :, None], right[:, None], same)],
        "classes": " ".join(sorted({str(answer) for answer in member.shifted.argmax(-1).ravel()})),
    }


def _percent(same: NDArray[np.bool_]) -> str:
    return f"{100 * share(same):.0f} %"


VIEW = View(
    order=35,
    title="Shift",
    question="Does the answer change when the image moves?",
    caveat="What leaves on one side enters on the other, so that a large shift also cuts a digit in two: this is the "
    "suite's own probe, for a few images. A net that gives one answer to everything keeps it under every shift.",
    make=make,
    reads_members=True,
    lacks="No net with weights was handed in.",
    claims=("st-info-loss", "st2-blurs", "k3-symmetry-finer"),
)
