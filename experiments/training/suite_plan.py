"""The plan of the suite: all sweeps in stages, shared arms once, the bank CONTROL first."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from experiments import launchers
from experiments.cli.command import advised
from experiments.cli.errors import UsageError
from experiments.config import files
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point, Settings

CONTROL = "CONTROL"
"""The bank that no sweep's file names: the references and checks that several sweeps have in common."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Arms that are trained together and by no stage before: CONTROL, or what is left of one sweep."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be trained.

    Attributes:
        settings: of the suite as a whole, without a sweep. sweeps: by name, as composed.
        control: the arms of CONTROL.
        missing: why the data of a task cannot be had, by its name; no arm on it is trained.
    """

    settings: Settings
    sweeps: Mapping[str, Grid]
    control: tuple[Point, ...]
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def points(self) -> tuple[Point, ...]:
        """Every arm once, CONTROL first."""
        return tuple(point for stage in stages(self) for point in stage.points)

    @property
    def shared(self) -> int:
        """How many arms more than one sweep asks for."""
        owners = Counter(point.arm.key for one in self.sweeps.values() for point in self.asked(one))
        return sum(count > 1 for count in owners.values())

    def asked(self, one: Grid) -> tuple[Point, ...]:
        """All that a sweep asks for and that can be had, each arm once: references and checks first."""
        return self.at_hand((*controls(one), *one.points))

    def at_hand(self, points: Iterable[Point]) -> tuple[Point, ...]:
        """Every arm once, without those whose data are missing."""
        return tuple(point for point in distinct(points) if point.arm.task.name not in self.missing)


def distinct(points: Iterable[Point]) -> list[Point]:
    """Every arm once, where it is first asked for."""
    found: dict[str, Point] = {}
    for point in points:
        found.setdefault(point.arm.key, point)
    return list(found.values())


def controls(one: Grid) -> tuple[Point, ...]:
    """A sweep's references and checks, on all of its tasks."""
    sweep = one.settings.sweep
    reference = (point for point in one.points if sweep and (point.level, point.match) == (sweep.reference, "none"))
    return (*reference, *one.checks)


def control(sweeps: Iterable[Grid]) -> tuple[Point, ...]:
    """References and checks that more than one sweep asks for."""
    every = tuple(sweeps)
    owners = Counter(name for one in every for name in {point.arm.key for point in controls(one)})
    return tuple(distinct(point for one in every for point in controls(one) if owners[point.arm.key] > 1))


def stages(plan: Plan) -> tuple[Stage, ...]:
    """CONTROL, then sweep by sweep what none before has trained; a sweep that has nothing left is a stage too."""
    first = plan.at_hand(plan.control)
    found, before = [Stage(name=CONTROL, points=first)] if first else [], {point.arm.key for point in first}
    for name, one in plan.sweeps.items():
        own = tuple(point for point in plan.asked(one) if point.arm.key not in before)
        before |= {point.arm.key for point in own}
        found.append(Stage(name=name, points=own))
    return tuple(found)


def banks() -> dict[str, tuple[str, ...]]:
    """The sweeps by bank, both in alphabetical order; found by their paths."""
    found: dict[str, list[str]] = {}
    for path in files.named("sweep").values():
        sweep = files.sweep_section(path)
        if "bank" not in sweep:
            raise UsageError(f"{path} has no sweep.bank: give it one, such as bank: OWN")
        found.setdefault(str(sweep["bank"]), []).append(path.stem)
    return {bank: tuple(found[bank]) for bank in sorted(found)}


def choose(only: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Sweeps by name or by bank, in the order of the banks; whether CONTROL is one of them. All, without a choice.

    Raises:
        UsageError: a name is neither; one line with those that there are.
    """
    there = banks()
    every = tuple(name for sweeps in there.values() for name in sweeps)
    for name in only:
        if name not in (CONTROL, *there, *every):
            valid = f"choose from the banks {', '.join((CONTROL, *there))} and the sweeps {', '.join(every)}"
            raise UsageError(f"only={name} is neither a bank nor a sweep: {valid}")
    wanted = {sweep for name in only for sweep in (there[name] if name in there else (name,))}
    return tuple(name for name in every if not only or name in wanted), not only or CONTROL in only


def compose(names: Iterable[str], overrides: Sequence[str], look: Callable[[Settings], None]) -> dict[str, Grid]:
    """The grids of sweeps by name.

    Args:
        look: at the settings, which all share, once the first is composed; it raises what it has against them.

    Raises:
        UsageError, InvalidError: as `grid` and `look`.
    """
    found: dict[str, Grid] = {}
    for name in names:
        found[name] = grid([f"+sweep={name}", *overrides])
        if len(found) == 1:
            look(found[name].settings)
    return found


def make(grids: Mapping[str, Grid], chosen: Sequence[str], with_control: bool) -> Plan:
    """The plan for the chosen sweeps.

    Args:
        grids: the chosen sweeps and, if the CONTROL of all is wanted, all others.
    """
    sweeps = {name: grids[name] for name in chosen}
    settings = dataclasses.replace(next(iter(grids.values())).settings, sweep=None, sweep_name=CONTROL.lower())
    return Plan(settings=settings, sweeps=sweeps, control=control((grids if with_control else sweeps).values()))


def parse_choice(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `only=` chooses, and the other overrides. Raises UsageError for a word that is neither."""
    only: tuple[str, ...] = ()
    others = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key.lstrip("+") == "sweep":
            meant = value or key
            raise UsageError(f"{word} is not valid: sweeps and banks are chosen by only={meant}, all else is key=value")
        if key == "hydra/launcher" and value not in launchers.HERE:
            raise UsageError(
                f"{word} is not valid: the suite trains on this machine; elsewhere sweep by sweep, "
                f"{advised('run', '+sweep=NAME', word)}"
            )
        if key == "only":
            only = tuple(name.strip() for name in value.split(",") if name.strip())
            if not only:
                raise UsageError("only= is empty: name sweeps or banks, or leave it out for all")
        else:
            others.append(word)
    return only, tuple(others)
