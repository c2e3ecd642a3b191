"""How far a trained verdict reaches: the arms that it rests on, in one line."""

from collections.abc import Iterable, Mapping, Sequence

from cnnlab.spec.arm import Arm
from cnnlab.spec.net import ConvNet
from cnnlab.zoo.widths import widths
from experiments.analysis.contrasts import at_dial, both, is_meant, matches
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims.base import Claim, Contrast, Moderator, Trained


def scope(claim: Claim, views: Mapping[str, SweepResults]) -> str | None:
    """The scope of a claim's trained evidence; None where no arm of it has a record."""
    cells = [
        cell for trained in claim.trained if trained.sweep in views for cell in _cells(trained, views[trained.sweep])
    ]
    return line(cells) if cells else None


def _cells(trained: Trained, view: SweepResults) -> Iterable[ArmResults]:
    """Every arm with a record that one part of the evidence reads, those of its moderators included."""
    dials = [*trained.along, *(one for one in trained.moderators if isinstance(one, Moderator))]
    followed = {at_dial(view, dial, value) for dial in dials for value in (dial.low, dial.high)}
    contrasts: list[Contrast] = list(trained.contrasts)
    for one in trained.moderators:
        if not isinstance(one, Moderator):
            contrasts += [one.low, one.high]
    for task in view.tasks():
        if task not in followed and (trained.along or not is_meant(view, trained, task)):
            continue
        for contrast in contrasts:
            for match in matches(view):
                sides = both(view, task, contrast, match)
                if sides is not None:
                    yield from sides.cells


def line(cells: Sequence[ArmResults]) -> str:
    """Largest image, depth and width, norms, optimisers, most training, members and tasks of these arms."""
    arms = [cell.point.arm for cell in cells]
    side = max(arm.task.side for arm in arms)
    members = sorted({cell.members for cell in cells})
    images = max(arm.task.train_images for arm in arms)
    span = f"{members[0]}" if len(members) == 1 else f"{members[0]} to {members[-1]}"
    tasks = ", ".join(sorted({arm.task.name for arm in arms}))
    return (
        f"images of at most {side}x{side} px; {_nets(arms)}; {_named(arm.recipe.optimizer for arm in arms)}, at most "
        f"{max(arm.recipe.epochs for arm in arms)} epochs of {images:,} images; {span} members an arm; {tasks}; "
        "one fixed test set each"
    )


def _nets(arms: Sequence[Arm]) -> str:
    """Depth, width and norm of the parametric nets; others by name."""
    convnets = [arm.net for arm in arms if isinstance(arm.net, ConvNet)]
    others = sorted({arm.net.name for arm in arms if not isinstance(arm.net, ConvNet)})
    if not convnets:
        return ", ".join(others)
    norms = _named("no" if net.norm == "none" else net.norm for net in convnets)
    blocks = sorted({net.block for net in convnets})
    depth, width = max(net.depth for net in convnets), max(max(widths(net)) for net in convnets)
    said = [
        f"at most {depth} convolutions of {width} channels",
        f"{norms} normalisation",
        *([] if blocks == ["plain"] else [f"{' and '.join(blocks)} nets"]),
    ]
    return "; ".join([*said, *others])


def _named(values: Iterable[str]) -> str:
    """Distinct names as they are written: Adam, SGD."""
    nice = {"adam": "Adam", "sgd": "SGD"}
    found = sorted(set(values))
    return " and ".join(nice[value] if value in nice else value for value in found)
