"""Claims and sweeps fit: what a claim asks for, a sweep has; and what a sweep finds, the claim's rule reads."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import yaml

from cnnlab.data import Split
from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule
from cnnlab.inference.rules.directional import Directional
from cnnlab.probes import measuring
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import ERROR_RATIOS, Verdict
from cnnlab.training import probing
from cnnlab.training.program import program
from experiments.analysis import convergence, served
from experiments.analysis.contrasts import places
from experiments.analysis.convergence import primary
from experiments.analysis.evidence import evidence
from experiments.analysis.metrics import PROBE, names
from experiments.analysis.results import ArmResults, SweepResults
from experiments.analysis.verdicts import judge_claims, pairwise_effects, registered_family
from experiments.claims.base import Claim, Contrast, Moderator, Trained, Untestable, Variant
from experiments.claims.registry import claims, register
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point
from experiments.paths import CONF

from ..conftest import planted_record

# ----------------------------------------------------------------------------------- what a claim asks for, a sweep has

SETTLED = {
    "sig-all-grads-zero": "the last layer's gradient is a counterexample, exactly",
    "fft-before-cnn": "history",
    "depth-by-hardware": "memory does not bind at these sizes",
    "relu-derivative-values": "the derivative is what programs say; training (relu_at_zero) is extra",
    "rf-plus-two": "the field is computed; training (receptive_field_reach) is extra",
}
"""Registered as partly empirical, fed by no sweep, and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planned:
    """A sweep's file, read without Hydra: matches by level, and tasks (name and dials) by what the sweep calls them."""

    reference: str
    levels: dict[str, tuple[str, ...]]
    tasks: dict[str, tuple[str, dict[str, float]]]


def listed(text: str) -> tuple[str, ...]:
    """The values of a Hydra list: commas inside brackets part nothing."""
    return tuple(re.split(r",(?![^\[]*\])", text))


@cache
def read(name: str) -> dict[str, Any]:
    """A file of conf/data/ with those that it builds on."""
    content = yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text())
    parent = content.pop("defaults")[0]
    base = {"dials": {}} if parent == "data_schema" else read(parent)
    return base | content | {"dials": base["dials"] | (content["dials"] if "dials" in content else {})}


@cache
def planned(sweep: str) -> Planned | None:
    path = CONF / "sweep" / f"{sweep}.yaml"
    if not path.is_file():
        return None
    content = yaml.safe_load(path.read_text())["sweep"]
    scales = {scale: yaml.safe_load((CONF / "scale" / f"{scale}.yaml").read_text())["scale"] for scale in SCALES}

    def of(key: str, scale: str) -> tuple[str, ...]:
        return listed(content[key][scale] if key in content else scales[scale][key])

    arms = content["arms"] if "arms" in content else {}
    levels = {
        level: of("matches", "quick")
        if not arms
        else tuple(arms[level]["matches"])
        if "matches" in arms[level]
        else ("none",)
        for level in listed(content["levels"]["quick"])
    }
    names = dict.fromkeys(name for scale in SCALES for name in of("tasks", scale))
    return Planned(
        reference=content["reference"],
        levels=levels,
        tasks={name: (read(name)["name"], read(name)["dials"]) for name in names},
    )


SCALES = ("quick", "full")


def rules(claim: Claim) -> Iterator[tuple[str, Rule[Any]]]:
    yield from claim.rule.parts if isinstance(claim.rule, (AllOf, Senses)) else (("", claim.rule),)


def mistakes(claim: Claim) -> list[str]:
    """One line for everything a claim asks for and no sweep has."""
    found = []
    for part, rule in rules(claim):
        source = claim.sources[part]
        if isinstance(source, Trained):
            found += [f"{part}: {line}" for line in (*_of_evidence(source), *_of_rule(source, rule))]
    return found


def _of_evidence(trained: Trained) -> Iterator[str]:
    sweep = planned(trained.sweep)
    if sweep is None:
        yield f"no sweep {trained.sweep}"
        return
    variants = [one for one in trained.moderators if isinstance(one, Variant)]
    contrasts = (*trained.contrasts, *(one for variant in variants for one in (variant.low, variant.high)))
    for level in (level for contrast in contrasts for level in contrast.levels):
        if level not in sweep.levels:
            yield f"{trained.sweep} has no level {level}"
    for task in (*trained.tasks, *(variant.task for variant in variants)):
        if task not in sweep.tasks:
            yield f"{trained.sweep} has no task {task}"
    for dial in (*trained.along, *(one for one in trained.moderators if isinstance(one, Moderator))):
        for value in (dial.low, dial.high):
            if not any(
                name == dial.task and (dial.dial, value) in dials.items() for name, dials in sweep.tasks.values()
            ):
                yield f"{trained.sweep} has no {dial.task} with {dial.dial} {value:g}"
    yield from _of_metric(trained.metric)


def _of_metric(metric: str) -> Iterator[str]:
    if not metric.startswith(PROBE) and metric not in names():
        yield f"no metric {metric}"
    if metric.startswith(PROBE) and metric.removeprefix(PROBE).split("/")[0] not in measuring.probes():
        yield f"no probe {metric}"


def _of_rule(trained: Trained, rule: Rule[Any]) -> Iterator[str]:
    """The rule's margin is the effects', and at its primary match the sweep has every contrast."""
    if isinstance(rule, Directional) and rule.margin is not None and rule.margin != trained.margin:
        yield f"margin {trained.margin}, but the rule's is {rule.margin}"
    sweep, match = planned(trained.sweep), primary(rule)
    for contrast in trained.contrasts if sweep is not None else ():
        for level in contrast.levels:
            if level in sweep.levels and level != sweep.reference and match not in sweep.levels[level]:
                yield f"{trained.sweep} has {level} not at match {match}"


@pytest.mark.parametrize("name", [name for name, claim in claims().items() if claim.trained])
def test_every_claim_asks_for_what_its_sweeps_have(name: str) -> None:
    assert mistakes(claims()[name]) == []


FAULTS: Mapping[str, Callable[[Trained], Trained]] = {
    "no sweep": lambda good: dataclasses.replace(good, sweep="pool_positoin"),
    "no level": lambda good: dataclasses.replace(good, contrasts=(Contrast(name="x", better=("strdie",)),)),
    "no task": lambda good: dataclasses.replace(good, tasks=("vernir",)),
    "no metric": lambda good: dataclasses.replace(good, metric="test_acuracy"),
    "no probe": lambda good: dataclasses.replace(good, metric="probe:linear_prob/last/drop"),
    "with offset_px 2": lambda good: dataclasses.replace(
        good, moderators=(Moderator(name="x", task="vernier", dial="offset_px", low=1.0, high=2.0),)
    ),
    "with offset 1": lambda good: dataclasses.replace(
        good, along=(Moderator(name="x", task="vernier", dial="offset", low=1.0, high=3.0),)
    ),
    "no level flat": lambda good: dataclasses.replace(
        good,
        moderators=(
            Variant(name="x", task="vernier", low=good.contrasts[0], high=Contrast(name="y", worse=("flat",))),
        ),
    ),
    "not at match params": lambda good: dataclasses.replace(good, contrasts=(Contrast(name="x", better=("none",)),)),
    "margin": lambda good: dataclasses.replace(good, margin=0.5),
}


@pytest.mark.parametrize("line", FAULTS)
def test_a_planted_fault_is_found(line: str) -> None:
    """The twin: a claim that is right, and the same one with a slip in it."""
    contrast = Contrast(name="max-pool against stride 2", better=("max",), worse=("stride",))
    good = Trained(sweep="stride_vs_pool", contrasts=(contrast,), tasks=("digits12",))
    claim = Claim(says="x.", notes='"x"', kind="empirical", evidence=good, rule=Directional(match="params"))
    assert mistakes(claim) == []
    margin = None if line != "margin" else 0.1
    bad = dataclasses.replace(claim, evidence=FAULTS[line](good), rule=Directional(match="params", margin=margin))
    assert any(line in found for found in mistakes(bad)), mistakes(bad)
    served.require_served(good, claim.rule)  # as own claims are held against their sweeps
    with pytest.raises((InvalidError, UsageError)):
        served.require_served(*bad.trained, bad.rule)


def test_every_empirical_claim_is_fed_by_a_sweep_or_says_why_not() -> None:
    assert {name for name, entry in register().items() if entry.trained and not claims()[name].trained} == set(SETTLED)
    for name in SETTLED:
        sources = claims()[name].sources.values()
        assert all(
            isinstance(source, Untestable) or not isinstance(claims()[name].rule, Directional) for source in sources
        )


def test_claims_and_moderators_stay_within_the_registered_family() -> None:
    """Else the judge would have to refuse them all."""
    family = registered_family()
    directional = [
        name
        for name, claim in ((name, claims()[name]) for name in register())
        if any(
            isinstance(rule, Directional) and isinstance(claim.sources[part], Trained) for part, rule in rules(claim)
        )
    ]
    assert len(directional) <= family.claims
    asked = sum(len(one.moderators) * len(one.contrasts) for name in register() for one in claims()[name].trained)
    assert 0 < asked <= family.moderator_contrasts


@cache
def plan(sweep: str, data: str = "", matches: str = "") -> Grid:
    """A sweep at quick, composed once: all of it, or on these tasks and at these matches."""
    return grid([f"+sweep={sweep}", *([f"data={data}"] if data else []), *([f"match={matches}"] if matches else [])])


READ_IN_WATCHED_ARMS = ("gradient_decay", "steps_to_train")
"""Metrics that read histories which unwatched arms have not; probes are the others."""


def unserved(trained: Trained, rule: Rule[Any]) -> list[str]:
    """What a contrast needs and the sweep, composed at quick, leaves out: arms at the primary match, and watching."""
    sweep, match = plan(trained.sweep), primary(rule)
    reference = planned(trained.sweep)
    assert reference is not None
    watching = trained.metric.startswith(PROBE) or trained.metric in READ_IN_WATCHED_ARMS
    found = []
    for task in dict.fromkeys(point.data for point in sweep.points if point.data in trained.tasks or not trained.tasks):
        arms = {(point.level, point.match): point for point in sweep.points if point.data == task}
        for level in {level for contrast in trained.contrasts for level in contrast.levels}:
            point = arms.get((level, "none" if level == reference.reference else match))
            if point is None:
                found.append(f"{level} at match {match} is not run on {task}")
            elif watching and not point.arm.recipe.watched:
                found.append(f"{level} is not watched on {task}")
    for one in (one for one in trained.moderators if isinstance(one, Variant)):
        there = {point.level for point in sweep.points if point.data == one.task and point.match in ("none", match)}
        found += [f"{level} is not run on {one.task}" for level in {*one.low.levels, *one.high.levels} - there]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, claim in claims().items() if claim.trained])
def test_the_arms_that_a_claim_reads_are_run_and_watched_at_quick(name: str) -> None:
    claim = claims()[name]
    for part, rule in rules(claim):
        source = claim.sources[part]
        if isinstance(source, Trained):
            assert unserved(source, rule) == [], part


@pytest.mark.parametrize(
    ("level", "metric", "line"),
    [
        ("average", "test_accuracy", "average at match none is not run on textures12"),
        ("stride", "test_accuracy", "stride at match none is not run on fashion12"),
    ],
)
def test_an_arm_that_is_not_run_on_a_claims_task_is_found(level: str, metric: str, line: str) -> None:
    """The twin: levels of stride_vs_pool that quick runs on digits12 alone."""
    contrast = Contrast(name="x", better=("max",), worse=(level,))
    asked = Trained(sweep="stride_vs_pool", contrasts=(contrast,), metric=metric, tasks=REAL)
    assert line in unserved(asked, Directional(match="none"))
    assert unserved(dataclasses.replace(asked, tasks=("digits12",)), Directional(match="none")) == []


def test_a_probe_of_an_arm_that_nobody_watches_is_found() -> None:
    """The twin: pools after 2 and 6 are watched in pool_distance, and not in pool_position."""
    asked = Trained(
        sweep="pool_position", contrasts=(Contrast(name="x", better=("[2,6]",)),), metric="probe:linear_probe/last/drop"
    )
    assert unserved(asked, Directional(match="none")) == [f"[2,6] is not watched on {task}" for task in REAL]


REAL = ("digits12", "textures12", "fashion12")


def test_what_is_described_and_what_may_overturn_is_run_on_one_task_alone() -> None:
    points = plan("pool_position").points
    assert {(point.data, point.match) for point in points if point.level in ("[2,3]", "[2,5]")} == {
        ("digits12", "none")
    }
    matched = {point.data for point in points if point.match == "macs" and point.level != "[2,4]"}
    assert matched == {"digits12"}
    assert {point.data for point in points if point.level == "[3,4]" and point.match == "none"} == set(REAL)


@pytest.mark.slow
@pytest.mark.parametrize("sweep", sorted(path.stem for path in (CONF / "sweep").glob("*.yaml")))
def test_a_sweep_narrows_levels_to_tasks_that_it_has(sweep: str) -> None:
    """A task that is misspelt there would be left out in silence."""
    content = yaml.safe_load((CONF / "sweep" / f"{sweep}.yaml").read_text())["sweep"]
    found = planned(sweep)
    assert found is not None
    arms = content["arms"].values() if "arms" in content else ()
    narrowed = [
        *(arm["tasks"] for arm in arms if "tasks" in arm),
        *(content["match_tasks"].values() if "match_tasks" in content else ()),
        *(content["described"].values() if "described" in content else ()),
    ]
    assert {task for tasks in narrowed for task in tasks} <= {name for name, _ in found.tasks.values()}
    smoke = grid([f"+sweep={sweep}", "scale=smoke"]).points
    assert len({point.level for point in smoke}) == len(listed(content["levels"]["smoke"]))


def test_every_contrast_says_its_sides_and_every_measure_what_it_is() -> None:
    for name, claim in claims().items():
        for trained in claim.trained:
            variants = [one for one in trained.moderators if isinstance(one, Variant)]
            for contrast in (*trained.contrasts, *(one for some in variants for one in (some.low, some.high))):
                assert "" not in (contrast.better_is, contrast.worse_is), (name, contrast.name)
            ratio = trained.metric in ERROR_RATIOS
            assert ratio or (trained.measures and trained.margin is not None), (name, trained.metric)


def probe_metrics() -> dict[str, tuple[Trained, Contrast]]:
    every = [one for claim in claims().values() for one in claim.trained if one.metric.startswith(PROBE)]
    return {f"{one.metric} of {contrast.levels[0]}": (one, contrast) for one in every for contrast in one.contrasts}


@pytest.mark.slow
@pytest.mark.parametrize("what", probe_metrics())
def test_a_probe_that_a_claim_reads_exists_in_its_arms(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, contrast = probe_metrics()[what]
    path = trained.metric.removeprefix(PROBE)
    monkeypatch.setattr(probing, "measure", lambda member, _: measuring.measure(member, [path.split("/")[0]]))
    task = trained.tasks[0] if trained.tasks else "parts"
    for arm in {
        point.arm for point in plan(trained.sweep).points if point.data == task and point.level in contrast.levels
    }:
        draw = np.random.default_rng(0)
        images = draw.normal(size=(80, arm.task.side, arm.task.side, arm.task.channels)).astype(np.float32)
        split = Split(images, np.arange(80, dtype=np.int32) % arm.task.classes)
        found = probing.probed(arm, jax.device_get(program(arm).init(0)), split, split)
        assert path in found, sorted(found)


# --------------------------------------------------------------------------- what a sweep finds, the claim's rule reads


@pytest.fixture(autouse=True)
def nets_that_had_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """No contrast is looked at again after three times the training: that is tested where it is done."""
    monkeypatch.setattr(convergence, "decisive", lambda found: ())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plant:
    """What a point's members have: their mean accuracy, and probes."""

    accuracy: float
    probes: Mapping[str, float] = dataclasses.field(default_factory=dict)


def planted(found: Grid, plant: Callable[[Point], Plant]) -> SweepResults:
    """The view of a sweep whose arms have what is planted; the checks pass."""
    reference = found.settings.sweep.reference if found.settings.sweep is not None else ""

    def cell(point: Point) -> ArmResults:
        given = (
            plant(dataclasses.replace(point, check="none", level=reference)) if point.check != "none" else plant(point)
        )
        worse = {"positive": 0.4, "sensitivity": 0.05}
        lower = worse[point.check] if point.check in worse else 0.0
        one = dataclasses.replace(given, accuracy=given.accuracy - lower)
        return ArmResults(point=point, record=planted_record(point, one.accuracy, probes=one.probes))

    return SweepResults(
        settings=found.settings, cells=tuple(map(cell, found.points)), checks=tuple(map(cell, found.checks))
    )


def judged(name: str, **views: SweepResults) -> Verdict:
    return judge_claims([name], views, Path("none"))[name]


def word(verdict: Verdict, part: str) -> str:
    """The word of one part of a claim."""
    return str(verdict.evidence[part]["word"])


def by_level(**accuracy: float) -> Callable[[Point], Plant]:
    return lambda point: Plant(accuracy=accuracy[point.level] if point.level in accuracy else 0.9)


FINE = ("digits_scaled_half", "vernier", "phase")


def detail() -> Grid:
    return plan("detail_needed", "vernier,vernier_coarse,digits_scaled_half,digits_scaled,phase")


def test_a_penalty_that_grows_with_detail_is_supported() -> None:
    def fine_only(point: Point) -> Plant:
        return Plant(accuracy=0.82 if point.level == "stride" and point.data in FINE else 0.9)

    found = judged("st-bad-when-detail-needed", detail_needed=planted(detail(), fine_only))
    assert found.word == "supported", found.reason
    followed = {effect.setting.task for effect in found.effects if " minus " in effect.setting.task}
    assert followed == {"vernier, offset_px 1 minus 3", "digits_scaled, scale 0.5 minus 1"}


def test_a_penalty_that_is_the_same_everywhere_does_not_grow() -> None:
    """The twin: without the change along the dials this would be supported as well."""
    view = planted(detail(), by_level(stride=0.82))
    found = judged("st-bad-when-detail-needed", detail_needed=view)
    assert word(found, "penalty at the finest detail") == word(found, "worse than a pool there") == "supported"
    assert word(found, "penalty grows with detail") == "inconclusive"
    assert found.word == "inconclusive"


def test_no_penalty_refutes_and_a_failed_check_holds_back_also_along_a_dial() -> None:
    even = planted(detail(), by_level())
    found = judged("st-bad-when-detail-needed", detail_needed=even)
    assert found.word == "refuted"
    assert "negligible" in found.reason
    unchecked = dataclasses.replace(even, checks=())
    held = judged("st-bad-when-detail-needed", detail_needed=unchecked)
    for part in ("penalty at the finest detail", "penalty grows with detail"):
        assert word(held, part) == "inconclusive"
        assert any("not run" in line for line in held.capped)


def test_a_matched_arm_without_records_is_missed_and_one_never_planned_is_not() -> None:
    full = planted(detail(), by_level(stride=0.82))
    trained = claims()["st-bad-when-detail-needed"].trained[0]
    assert places(full, trained, trained.contrasts[0])[1] == ()  # unmatched ones are never run on these tasks
    gone = [(cell.point.level, cell.point.match) == ("stride", "macs") for cell in full.cells]
    cells = (dataclasses.replace(c, record=None) if lost else c for c, lost in zip(full.cells, gone, strict=True))
    lost = dataclasses.replace(full, cells=tuple(cells))
    lines = places(lost, trained, trained.contrasts[0])[1]
    assert len(lines) == len(FINE)
    assert all("stride at macs" in line for line in lines)
    assert "stride at macs" in judged("st-bad-when-detail-needed", detail_needed=lost).reason


def filtering() -> Grid:
    return plan("pointwise_filtering", "distractor_channels,distractor_channels_spurious")


def background(weight: float, zeroed: float = 0.0) -> Callable[[Point], Plant]:
    probes = {"nuisance_share/weight": weight, "nuisance_share/zeroed": zeroed}
    return lambda point: Plant(accuracy=0.9, probes=probes)


@pytest.mark.parametrize(
    ("plant", "expected", "reason"),
    [
        (background(0.3), "supported", "again in a fresh block"),
        (background(1.0), "inconclusive", "no instance among the 1 tried"),
        (background(0.3, zeroed=-0.1), "refuted", "apart by more than"),
    ],
)
def test_one_instance_seen_in_both_halves_is_what_can_happen_asks_for(
    plant: Callable[[Point], Plant], expected: str, reason: str
) -> None:
    found = judged("pw-filters-background", pointwise_filtering=planted(filtering(), plant))
    assert found.word == expected, found.reason
    assert reason in found.reason


def with_probes(view: SweepResults, change: Callable[[tuple[dict[str, float], ...]], Any]) -> SweepResults:
    """The same view, its members' probes changed."""

    def changed(cell: ArmResults) -> ArmResults:
        assert cell.record is not None
        return dataclasses.replace(cell, record=dataclasses.replace(cell.record, probes=change(cell.record.probes)))

    return dataclasses.replace(view, cells=tuple(map(changed, view.cells)))


def test_an_instance_that_the_second_half_does_not_repeat_is_none() -> None:
    """The twin: halves are kept apart, so that a first one far below the bound cannot carry the second."""
    weight = "nuisance_share/weight"

    def halved(probes: tuple[dict[str, float], ...]) -> tuple[dict[str, float], ...]:
        middle = len(probes) // 2
        return (*probes[:middle], *({**one, weight: one[weight] + 0.5} for one in probes[middle:]))

    mixed = with_probes(planted(filtering(), background(0.1)), halved)
    assert judged("pw-filters-background", pointwise_filtering=mixed).word == "inconclusive"


def test_a_member_without_the_probe_holds_the_instance_back() -> None:
    bare = with_probes(planted(filtering(), background(0.3)), lambda probes: ({}, *probes[1:]))
    found = judged("pw-filters-background", pointwise_filtering=bare)
    assert found.word == "inconclusive"
    assert "has no value for 1 of" in found.reason


def linear() -> Grid:
    return plan("linear_depth", "digits8,linear_xor_linear")


NO_BACKPROP = "lin-no-backprop"


def without_checks(view: SweepResults) -> SweepResults:
    return dataclasses.replace(view, checks=())


def against(view: SweepResults, optimum: float) -> SweepResults:
    """The same view, logistic regression with that accuracy."""

    def changed(cell: ArmResults) -> ArmResults:
        assert cell.record is not None
        return dataclasses.replace(cell, record=dataclasses.replace(cell.record, linear_accuracy=(optimum,)))

    return dataclasses.replace(view, cells=tuple(map(changed, view.cells)))


def test_linear_nets_that_reach_the_optimum_refute_whatever_the_checks_say() -> None:
    def as_good(point: Point) -> Plant:
        return Plant(accuracy=0.9)

    found = judged(NO_BACKPROP, linear_depth=against(without_checks(planted(linear(), as_good)), 0.91))
    assert found.word == "refuted"
    assert found.capped == ()
    assert {effect.setting.task for effect in found.effects} == {"digits8", label_of("linear_xor_linear")}


def label_of(data: str) -> str:
    view = planted(linear(), by_level())
    return next(view.label(task) for task in view.tasks() if view.named(task) == data)


def test_linear_nets_at_chance_support_and_deep_ones_alone_qualify() -> None:
    def at_chance(point: Point) -> Plant:
        return Plant(accuracy=1 / point.arm.task.classes)

    def only_shallow(point: Point) -> Plant:
        return at_chance(point) if point.level == "d8" else Plant(accuracy=0.9)

    lost, shallow = (against(planted(linear(), plant), 0.9) for plant in (at_chance, only_shallow))
    assert judged(NO_BACKPROP, linear_depth=lost).word == "supported"
    found = judged(NO_BACKPROP, linear_depth=shallow)
    assert found.word == "qualified"
    assert "with 8 layers" in (found.condition or "")


@pytest.mark.parametrize(("deeper", "expected"), [(0.9, "supported"), (0.85, "supported"), (0.94, "refuted")])
def test_depth_is_useless_unless_deeper_is_better(deeper: float, expected: str) -> None:
    """One-sided: that deeper is worse is no benefit either."""
    part = "in accuracy"
    plant = by_level(d2=deeper, d4=deeper, d8=deeper, d16=deeper)
    assert word(judged("lin-depth-useless", linear_depth=planted(linear(), plant)), part) == expected


@pytest.mark.parametrize(("drop", "expected"), [(0.0, "supported"), (-0.1, "supported"), (0.1, "refuted")])
def test_what_a_pool_discards_was_not_needed_unless_reading_gets_harder(drop: float, expected: str) -> None:
    """One-sided: the class may become easier to read behind the pool."""
    view = planted(
        plan("convs_before_pool"), lambda point: Plant(accuracy=0.9, probes={"linear_probe/first/drop": drop})
    )
    found = judged("mp-discards-unneeded", convs_before_pool=view)
    assert word(found, "not needed where the notes pool") == expected


@pytest.mark.parametrize(("strided", "expected"), [(0.9, "supported"), (0.95, "supported"), (0.8, "refuted")])
def test_strides_are_as_good_on_the_easy_task_unless_they_are_worse(strided: float, expected: str) -> None:
    found = judged("st-ok-simple-problem", difficulty=planted(plan("difficulty"), by_level(stride=strided)))
    assert word(found, "as good on the easy task") == expected


@pytest.mark.parametrize(("none", "expected"), [(0.8, "supported"), (0.95, "refuted")])
def test_a_chain_breaks_at_a_link_that_is_reversed(none: float, expected: str) -> None:
    """The class is harder to read behind the late pool, and the head may see past it; only accuracy differs."""
    view = planted(
        distance(),
        lambda point: Plant(accuracy=none if point.level == "none" else 0.9, probes={"linear_probe/last/drop": 0.1}),
    )
    found = judged("mp-late-starves-head", pool_distance=view)
    assert found.word == expected, found.reason
    assert word(found, "accuracy falls") == expected
    assert word(found, "harder to read behind the pool") == "supported"


@pytest.mark.slow
@pytest.mark.parametrize(("gap", "expected"), [(0.1, "supported"), (0.0, "refuted"), (-0.1, "refuted")])
def test_accuracy_by_pixel_has_to_follow_the_counts(gap: float, expected: str) -> None:
    probes = {"input_energy/slope": 0.8, "accuracy_by_pixel/most_minus_fewest": gap}
    view = planted(plan("pixel_lottery"), lambda point: Plant(accuracy=0.9, probes=probes))
    found = judged("st2-coverage-uneven", pixel_lottery=view)
    assert word(found, "accuracy by pixel") == expected
    assert word(found, "gradient after training") == "supported"


def test_accuracies_are_held_back_by_their_checks() -> None:
    """The twin: the same sweep without checks, read as a comparison of accuracies."""
    trained = dataclasses.replace(
        claims()[NO_BACKPROP].trained[0],
        contrasts=(Contrast(name="x", better=("d1",), worse=("d2",)),),
        metric="test_accuracy",
    )
    view = without_checks(planted(linear(), by_level()))
    compared = evidence(NO_BACKPROP, trained, trained.contrasts[0], view)
    alone = evidence(NO_BACKPROP, trained, Contrast(name="x", better=("d1",)), view)
    assert [check.passed for check in compared.checks] == [False] * 6
    assert alone.checks == ()


def distance() -> Grid:
    return plan("pool_distance")


def test_the_head_qualifies_the_distance_of_the_last_pool() -> None:
    name, part = "mp-not-near-output", "accuracy"
    found = judged(name, pool_distance=planted(distance(), by_level(none=0.8)))
    assert word(found, part) == "qualified"
    assert "head=global average, not head=flatten" in found.reason or "head=global average" in (found.condition or "")
    both = judged(name, pool_distance=planted(distance(), by_level(none=0.8, flat_none=0.8)))
    assert word(both, part) == "supported"


def kernels() -> Grid:
    return plan("even_kernels")


@pytest.mark.slow
def test_symmetry_is_not_why_where_repaired_padding_closes_the_gap() -> None:
    repaired = by_level(k4=0.8, k4_symmetric=0.9, k4_alternating=0.88)
    found = judged("k3-symmetry-finer", even_kernels=planted(kernels(), repaired))
    assert word(found, "accuracy") == word(found, "finer detail") == "supported"
    assert word(found, "symmetry is why") == found.word == "refuted"
    kept = by_level(k4=0.8, k4_symmetric=0.8, k4_alternating=0.82)
    assert word(judged("k3-symmetry-finer", even_kernels=planted(kernels(), kept)), "symmetry is why") == "supported"


def test_tasks_that_differ_in_their_images_alone_have_labels_of_their_own() -> None:
    view = planted(plan("difficulty", "digits12,digits12_few"), by_level())
    alone = f"digits12 (noise {read('digits12')['dials']['noise']:g})"
    assert {view.label(task) for task in view.tasks()} == {f"{alone}, {n} images" for n in (960, 240)}
    assert len({effect.setting.task for _, effect in pairwise_effects(view)}) == 2
    found = judged("st-ok-simple-problem", difficulty=view)
    assert {effect.setting.task for effect in found.effects} == {f"{alone}, 960 images"}
