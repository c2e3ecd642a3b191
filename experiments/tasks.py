"""Show the tasks, their dials, eligibility and samples: `python -m experiments.tasks [task ...]`."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from cnnlab import data
from cnnlab.data import MissingDataError, Source, generated, registry
from cnnlab.data.dials import LABEL_NOISE, Dial
from cnnlab.data.own.content import READERS
from cnnlab.records import require_writable
from cnnlab.report.canvas import save
from cnnlab.report.samples import Block, ImagePanel, samples
from cnnlab.spec.arm import Arm
from cnnlab.spec.task import Task
from cnnlab.spec.verdict import HEADROOM
from cnnlab.training import linear, members
from cnnlab.training.run import LinearFit, MemberRun
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import each, hung, terminal
from experiments.cli.errors import UsageError
from experiments.config import files
from experiments.config.errors import did_you_mean
from experiments.config.grid import grid
from experiments.reports import dataset_card
from experiments.tracking.images import first_samples

PILOT_SEEDS = (5100, 5101)
"""Members that show whether a task is worth it: pilots, never evidence."""
SHOWN = ("model", "data", "train", "scale", "match", "cache")
"""Beginnings of the keys that bear on what is shown."""
OWN = tuple(f"data={kind}" for kind in READERS)
"""Words that ask for a user's own pictures."""
SILENT = 1e-6
"""Noise of a picture of the signal alone: the same samples, their noise invisible."""
DESCRIPTION = """\
Every task that is a module of the suite: what it asks, its dials with their valid values, and its settings, the files
of conf/data/. With --eligibility also whether a setting leaves a net something to show: validation accuracy of the
reference net at the recipe's own learning rate against logistic regression, and the ideal observer's, which nothing
can exceed (known for generated tasks). With --pictures, samples of every class at every setting.
With data=folder or data=npz: the card of your own pictures, or the one line that says what is wrong with them."""
EXAMPLES = """\
examples:
  python -m experiments.tasks                                       all tasks and their dials
  python -m experiments.tasks phase border --eligibility            can a net do better than logistic regression?
  python -m experiments.tasks parts --eligibility model.kernel=1    the same with another reference net
  python -m experiments.tasks --pictures results/published/tasks    one picture a task
  python -m experiments.tasks data=folder data.path=DIR             your own pictures (docs/own_data.md)"""


@dataclass(frozen=True, kw_only=True)
class TaskSetting:
    """One file of conf/data/, with the arm that the rest of a command line makes of it."""

    name: str
    arm: Arm
    source: Source

    @property
    def task(self) -> Task:
        """The task it configures."""
        return self.arm.task


@dataclass(frozen=True, kw_only=True)
class AtHand:
    """Settings whose data can be had, and why that of the others cannot."""

    settings: tuple[TaskSetting, ...]
    missing: tuple[MissingDataError, ...]


@dataclass(frozen=True, kw_only=True)
class Eligibility:
    """Validation accuracy of the reference net and of logistic regression, by seed, and the ideal observer's.

    Attributes:
        ideal: on images as in the test set; None where it is not known.
    """

    net: tuple[float, ...]
    linear: tuple[float, ...]
    ideal: float | None

    @property
    def margin(self) -> float:
        """How far the net is ahead, a fraction."""
        return float(np.mean(self.net) - np.mean(self.linear))


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    names = [word for word in asked.words if "=" not in word]
    overrides = [word for word in asked.words if "=" in word]
    if asked.pictures is not None:
        require_writable(asked.pictures, "--pictures")
    console = terminal()
    own = any(word in OWN for word in overrides)
    chosen = (own_pictures(names, overrides),) if own else settings(names or registry.names(), overrides)
    asks = asked.eligibility or asked.pictures is not None
    at = at_hand(chosen, needed=own or (bool(names) and asks))
    if own:
        dataset_card.show([setting.task for setting in chosen], console)
    else:
        show(chosen, console)
    if not names:
        for reason in at.missing:
            console.print(f"left out: {reason}")
    chosen = at.settings
    if asked.eligibility:
        show_eligibility(chosen, console)
    if asked.pictures is not None:
        for path in draw(chosen, asked.pictures):
            console.print(f"picture: {path}")
    return ExitCode.DONE


def own_pictures(names: Sequence[str], overrides: Sequence[str]) -> TaskSetting:
    """A user's own pictures as a setting. Raises UsageError, and InvalidError for what is wrong with them."""
    if names:
        raise UsageError(f"{names[0]} is not valid beside own pictures: leave one of them out")
    require_shown(overrides)
    plan = grid(["tracker=off", *overrides])
    task = plan.points[0].arm.task
    return TaskSetting(name=task.name, arm=plan.points[0].arm, source=plan.settings.source)


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("tasks", DESCRIPTION, EXAMPLES)
    made.add_argument("words", nargs="*", metavar="task", help="names; key=value as for experiments.run")
    made.add_argument("--eligibility", action="store_true", help="train the reference net on every setting")
    made.add_argument("--pictures", type=Path, metavar="FOLDER", help="draw samples into this folder")
    return made


def settings(names: Sequence[str], overrides: Sequence[str]) -> tuple[TaskSetting, ...]:
    """The settings of tasks, in order. Raises UsageError for an unknown name, for `data=`, and as composing does."""
    for name in names:
        if name not in registry.names():
            own = f"your own pictures are data={name} data.path=...; " if name in READERS else ""
            meant = own or did_you_mean(name, registry.names())
            raise UsageError(f"{name} is no task of this suite: {meant}choose from {', '.join(registry.names())}")
    for word in overrides:
        if word.lstrip("+").startswith(("data=", "sweep=")):
            own = f", or your own pictures: {' or '.join(OWN)}" if word.startswith("data=") else ""
            raise UsageError(f"{word} is not valid here: every setting of a task is shown; name the task instead{own}")
    require_shown(overrides)
    found: dict[str, list[TaskSetting]] = {name: [] for name in names}
    for path in files.named("data").values():
        if not path.stem.startswith(tuple(names)):
            continue
        plan = grid([f"data={path.stem}", "tracker=off", *overrides])
        arm = plan.points[0].arm
        if arm.task.name in found:
            found[arm.task.name].append(TaskSetting(name=path.stem, arm=arm, source=plan.settings.source))
    for name, group in found.items():
        if not group:
            raise UsageError(f"{name} has no setting: write one, conf/data/{name}.yaml, with name: {name}")
    return tuple(setting for group in found.values() for setting in group)


def require_shown(overrides: Sequence[str]) -> None:
    """Raise UsageError for a key that bears on nothing that this command shows."""
    for word in overrides:
        if not word.lstrip("+~").startswith(SHOWN):
            raise UsageError(f"{word} is not valid here: choose keys of {', '.join(SHOWN)}")


def at_hand(chosen: Sequence[TaskSetting], *, needed: bool) -> AtHand:
    """Look which settings have their data, and whether all have values that can be.

    Raises:
        InvalidError: a dial has no such value, or the task asks for what its data has not.
        MissingDataError: the data of a setting cannot be had, and it is needed.
    """
    kept, missing = list[TaskSetting](), list[MissingDataError]()
    for setting in chosen:
        try:
            data.check(setting.task, setting.source)
            kept.append(setting)
        except MissingDataError as reason:
            if needed:
                raise
            missing.append(reason)
    return AtHand(settings=tuple(kept), missing=tuple(missing))


def dials(name: str) -> tuple[Dial, ...]:
    """The dials of a task of this suite."""
    declared: tuple[Dial, ...] = getattr(registry.family(name), "DIALS")  # noqa: B009
    return declared


def question(name: str) -> str:
    """What a task asks: the first line of its module; of own pictures, the same for all."""
    module = registry.family(name)
    return "Own pictures: of which class?" if module is None else str(module.__doc__).splitlines()[0]


def show(chosen: Sequence[TaskSetting], console: Console) -> None:
    """Print every task: its question, its dials, its settings."""

    def paragraph(line: str) -> None:
        console.print(*hung(line, console.width, "      "), sep="\n")

    for name in dict.fromkeys(setting.task.name for setting in chosen):
        console.print(Text.assemble((name, "bold"), f"  {question(name)}"))
        for dial in dials(name):
            paragraph(f"  dial {dial.name}: {dial.meaning}; {dial.valid}")
        for setting in chosen:
            if setting.task.name == name:
                paragraph(f"  setting {setting.name}: {described(setting.task)}")
        console.print()
    console.print(f"every task: dial {LABEL_NOISE.name}: {LABEL_NOISE.meaning}; {LABEL_NOISE.valid}\n")


def described(task: Task) -> str:
    """Sizes and dials of a task in a line."""
    size = f"{task.side}x{task.side}" + (f"x{task.channels}" if task.channels > 1 else "")
    values = ", ".join(f"{name} {value:g}" for name, value in task.dials)
    return f"{size}, {task.classes} classes, {task.train_images} training images" + (f"; {values}" if values else "")


def eligibility(setting: TaskSetting) -> Eligibility:
    """Train the reference net on the pilots' seeds, and fit logistic regression and the ideal observer."""
    arm = replace(setting.arm, recipe=replace(setting.arm.recipe, watched=False))
    runs = [MemberRun(arm=arm, seed=seed, learning_rate=arm.recipe.learning_rate) for seed in PILOT_SEEDS]
    trained = members.train(runs, setting.source, "sequential")
    stimulus = getattr(registry.family(setting.task.name), "stimulus", None)
    return Eligibility(
        net=tuple(result.validation_accuracy for result in trained),
        linear=tuple(linear.fit(LinearFit(task=setting.task, seed=seed), setting.source) for seed in PILOT_SEEDS),
        ideal=None if stimulus is None else generated.ideal_accuracy(stimulus(setting.task)),
    )


def show_eligibility(chosen: Sequence[TaskSetting], console: Console) -> None:
    """Print a line a setting: logistic regression, reference net, ideal observer, eligible or not."""
    table = RichTable(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("setting", "logistic regression %", "reference net %", "ideal observer %", "eligible"):
        table.add_column(column)
    for setting in each(chosen, "training", "settings", console, lambda setting: setting.name):
        found = eligibility(setting)
        table.add_row(
            setting.name,
            _percent(found.linear),
            _percent(found.net),
            "not known" if found.ideal is None else _percent((found.ideal,)),
            f"{'yes' if found.margin >= HEADROOM else 'no'} ({100 * found.margin:+.1f} points)",
        )
    console.print(table)


def _percent(fractions: Iterable[float]) -> str:
    return " ".join(f"{100 * value:.1f}" for value in fractions)


def draw(chosen: Sequence[TaskSetting], folder: Path) -> list[Path]:
    """Draw one picture a task, every setting that shows other images a block of it."""
    paths = []
    for name in dict.fromkeys(setting.task.name for setting in chosen):
        blocks: dict[tuple[object, ...], Block] = {}
        for setting in chosen:
            if setting.task.name == name:
                shown = tuple(item for item in setting.task.dials if item[0] != LABEL_NOISE.name)
                blocks.setdefault((setting.task.side, setting.task.classes, shown), block(setting))
        figure = samples(tuple(blocks.values()), question(name).replace("`", ""))
        paths.append(save(figure, folder / f"{name}.png"))
    return paths


def block(setting: TaskSetting) -> Block:
    """Samples of one setting: as a net sees them and, where there is a noise dial, the same ones without noise."""
    task, values = setting.task, dict(setting.task.dials)
    mosaic = f", channels 0 to {task.channels - 1} row by row" if task.channels > 3 else ""
    panels = [ImagePanel(heading=f"as the net sees them{mosaic}", images=first_samples(task, setting.source))]
    if "noise" in values:
        silent = replace(task, dials=tuple(sorted({**values, "noise": SILENT}.items())))
        panels.insert(0, ImagePanel(heading=f"signal alone{mosaic}", images=first_samples(silent, setting.source)))
    classes = tuple(f"label {label}" for label in range(task.classes))
    return Block(title=f"{setting.name}: {described(task)}", classes=classes, panels=tuple(panels))


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
