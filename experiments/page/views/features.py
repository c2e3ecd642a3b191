"""What raises a class or a channel: pictures that are made for it, beside those of the same net before its training."""

import numpy as np

from experiments.page.picture import grey
from experiments.page.view import Content, Context, Json, View
from experiments.reports.features import caption, moves, summary
from experiments.training.feature_pictures import TRAINED, UNTRAINED, Drawn, Features, Images

KINDS = ("class", "channel")


def make(context: Context) -> Content | None:
    """One wall for the classes and one for each layer; None without pictures."""
    if not context.features:
        return None
    walls = [wall(found, kind) for kind in KINDS for found in context.features if found.of(kind, TRAINED)]
    last = context.features[-1]
    said = summary(last)
    ours, control = said[TRAINED], said[UNTRAINED]
    channels = [one for found in context.features for one in found.of("channel", UNTRAINED)]
    finding = (
        f"Two other members read {100 * ours['classes_read']:.0f} % of the class pictures as their class, and "
        f"{100 * control['classes_read']:.0f} % of those of the same net before training; of the pictures of its "
        f"untrained channels {sum(not one.refused for one in channels)} of {len(channels)} pass the gate all the same."
    )
    made = (
        f"{last.asked.parametrisation}, {last.asked.steps} steps, {moves(last)}; {last.real} real images; member "
        f"{last.members[0]['seed']} of {last.arm}, read by members "
        f"{', '.join(str(member['seed']) for member in last.members[1:])}"
    )
    return Content(finding=finding, static={"walls": walls, "made": made})


def wall(found: Features, kind: str) -> dict[str, Json]:
    """All units of one kind, each with its control."""
    pairs = zip(found.of(kind, TRAINED), found.of(kind, UNTRAINED), strict=True)
    return {
        "id": "classes" if kind == "class" else found.layer,
        "title": "Classes" if kind == "class" else f"Channels of {found.layer}",
        "kind": kind,
        "units": [unit(found, one, control) for one, control in pairs],
        "control": kind == "channel",
    }


def unit(found: Features, one: Drawn, control: Drawn) -> dict[str, Json]:
    """The tiles of one unit: both starts, the best real image, the control; and its numbers."""
    facts, other = one.facts, control.facts
    return {
        "name": f"{one.unit}{'*' if one.before_activation else ''}",
        "tiles": [
            *(tile(found, picture, one, f"start {place + 1}") for place, picture in enumerate(one.pictures)),
            {"src": picture_of(found, one.best), "name": "real", "told": "The real image with the highest score"},
            {**tile(found, control.pictures[0], control, "untrained"), "told": caption(found, control)},
        ],
        "numbers": [
            ("score", f"{facts.score:.3g}", f"{other.score:.3g}"),
            ("place", f"{facts.place:.2f}", f"{other.place:.2f}"),
            ("starts agree", f"{facts.same:.2f}", f"{other.same:.2f}"),
            ("units agree", f"{facts.other:.2f}", f"{other.other:.2f}"),
            ("path", f"{facts.path:.2f}", f"{other.path:.2f}"),
            *([] if facts.read is None else [("read", _percent(facts.read), _percent(other.read))]),
            ("shown", one.refused or "yes", control.refused or "yes"),
        ],
        "caption": caption(found, one),
        "why": "; ".join(
            f"{words}{drawn.refused}" for words, drawn in (("", one), ("untrained, ", control)) if drawn.refused
        ),
    }


def tile(found: Features, picture: Images, one: Drawn, name: str) -> dict[str, Json]:
    """One picture; without a source where it is refused."""
    return {"src": "" if one.refused else picture_of(found, picture), "name": name, "told": one.refused}


def picture_of(found: Features, picture: Images) -> str:
    """A picture in greys, from the least to the largest number of real images."""
    return grey(picture.mean(-1).astype(np.float64), found.low, found.high)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"


VIEW = View(
    order=22,
    title="Features",
    question="Which image would a channel like best, and is that something it has learnt?",
    caveat="A picture shows what raises a unit, not what the unit is for. Pictures of hidden units that are strong and "
    "repeatable are no sign of learning: an untrained net gives pictures that pass the same gate.",
    make=make,
    reads_members=True,
    lacks="Feature pictures need a member that is trained again from its record, and --fast leaves that out.",
    claims=("mp-after-features", "k3-symmetry-finer", "pw-filters-background", "pw-merges-cooccurring"),
)
