"""The judge's other pages: noise floor, specification curve, scope; and what every row and page of a claim shows."""

import csv
import dataclasses
import io
import json
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.record import PROTOCOL, Record
from cnnlab.spec.verdict import Verdict
from experiments import judge
from experiments.analysis import evidence, verdicts
from experiments.analysis.results import SweepResults, view
from experiments.claims.registry import claims, register
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point
from experiments.reports import claim as claim_page
from experiments.reports import noise_floor, specification_curve

pytestmark = pytest.mark.slow

CLAIM = "mp-after-two-convs"
COUNT = 32
"""Specifications of the claim in the plan."""
Plant = Callable[..., Record]
KEYS = {"id", "kind", "family", "verdict", "statement", "rule", "reason", "effect", "n", "evidence", "nearest_true"} | {
    "sentence"
}


@cache
def plan() -> Grid:
    return grid(["+sweep=pool_position", "data=digits12,textures12,fashion12", "model.pools=[0,4],[1,4],[2,4],[3,4]"])


def accuracy(point: Point) -> float:
    """Two or three convolutions before the first pool are worth five points."""
    known = {"positive": 0.4, "sensitivity": 0.85}
    if point.check in known:
        return known[point.check]
    return 0.92 - (0.05 if point.level in ("[0,4]", "[1,4]") and point.check == "none" else 0.0)


def stored(root: Path, plant: Plant, **changes: object) -> Store:
    """A store with a record of every arm of the plan."""
    store = Store(root / "runs")
    for point in (*plan().points, *plan().checks):
        store.write(plant(point, accuracy(point), **changes), {})
    return store


def seen(store: Store) -> SweepResults:
    settings = dataclasses.replace(plan().settings, results=store.root.parent)
    return view(dataclasses.replace(plan(), settings=settings))


def printed(call: Callable[[Console], object]) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False, markup=False)
    call(console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


# The noise floor.


def test_noise_page_finds_every_copy_and_says_how_far_it_lies(tmp_path: Path, plant: Plant) -> None:
    store = stored(tmp_path, plant, noise=0.012)
    said = printed(
        lambda console: noise_floor.page(store.root, tmp_path / "claims", console, as_json=False, verbose=True)
    )
    assert said.count("d6w16-max2_4-relu") >= 2
    assert "SD of log" in said
    for task in ("digits12", "textures12", "fashion12"):
        assert task in said
    assert f"{verdicts.registered_family().claims} claims" in said
    assert "McNemar" in said
    assert (tmp_path / "claims" / "noise.png").is_file()


def test_noise_numbers_are_those_of_the_pairs(tmp_path: Path, plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    store = stored(tmp_path, plant, noise=0.012)
    assert noise_floor.page(store.root, tmp_path, Console(file=io.StringIO()), as_json=True) == 0
    found = {row["name"].split(",")[0]: row for row in json.loads(capsys.readouterr().out)}
    reference = next(p for p in plan().points if p.level == "[2,4]" and p.arm.task.name == "digits12")
    copy = next(p for p in plan().checks if p.check == "a_a" and p.arm.task.name == "digits12")
    logs = [
        np.log(5000 * (1 - np.array(at)) + 0.5) for at in (accuracies(store, one.arm.key) for one in (reference, copy))
    ]
    apart = np.abs(logs[0] - logs[1]) > np.log(1.15)
    row = found["digits12 (noise 0.8)"]
    assert row["apart"] == apart.sum() > 0
    assert row["wrong_way"] == apart.sum() / 24
    assert row["ratio_sd"] == pytest.approx(np.std(logs[0] - logs[1], ddof=1))
    assert row["margin"] == pytest.approx(1.15)
    assert {round(one["margin"], 2) for name, one in found.items() if name.startswith("textures")} == {1.15}
    assert row["seeds_family"] > row["seeds_alone"] > 6


def test_a_pair_of_which_one_diverged_is_counted_and_left_out_of_the_spread(tmp_path: Path, plant: Plant) -> None:
    store = Store(tmp_path / "runs")
    for point in (*plan().points, *plan().checks):
        lost = (3,) if point.check == "a_a" else ()
        store.write(plant(point, accuracy(point), lost=lost), {})
    said = printed(lambda console: noise_floor.page(store.root, tmp_path, console, as_json=False, verbose=True))
    assert "11 (1 diverged)" in said


@pytest.mark.parametrize("kept", ["nothing", "no copy", "no original"])
def test_without_copies_one_line_says_how_to_make_some(tmp_path: Path, plant: Plant, kept: str) -> None:
    store = Store(tmp_path / "runs")
    for point in {"nothing": (), "no copy": plan().points, "no original": plan().checks}[kept]:
        store.write(plant(point, accuracy(point)), {})
    said = printed(lambda console: noise_floor.page(store.root, tmp_path, console, as_json=False))
    assert len(said.strip().splitlines()) == 1
    assert "experiments.run +sweep=" in said


def test_nets_of_one_label_say_in_what_they_differ() -> None:
    alike = ("digits12", "d6w16-max2_4-relu")
    other = ("textures12", "d6w16-max2_4-relu")
    flatten, average = {"net.head": "flatten", "net.width": 16}, {"net.head": "global_average", "net.width": 16}
    said = noise_floor.told_apart([(alike, flatten), (alike, average), (other, average)])
    assert said == [f"{alike[1]}, head flatten", f"{alike[1]}, head global_average", other[1]]


def test_noise_page_is_short_unless_every_net_is_asked_for(tmp_path: Path, plant: Plant) -> None:
    """A row a task, and how to see the nets; its figure has them. The twin, verbose, has a row a net."""
    store = stored(tmp_path, plant, noise=0.012)
    said = printed(lambda console: noise_floor.page(store.root, tmp_path, console, as_json=False))
    copies = list(noise_floor.copies(store))
    rows = [line for line in said.splitlines() if re.match(r"\w+12 +\d+ .* \d+ of \d+ ", line)]
    assert [line.split()[0] for line in rows] == ["digits12", "fashion12", "textures12"]
    assert sum(int(line.split()[1]) for line in rows) == len(copies)
    assert "d6w16" not in said.partition("Both nets")[0]
    assert "McNemar's test: python -m experiments.judge noise --verbose" in said


def test_noise_page_has_a_row_an_arm_for_mcnemars_test(tmp_path: Path, plant: Plant) -> None:
    store = stored(tmp_path, plant, noise=0.012)
    said = printed(lambda console: noise_floor.page(store.root, tmp_path, console, as_json=False, verbose=True))
    rows = [line for line in said.splitlines() if re.search(r"at least \d+ of 12 +at least \d+\.\d %", line)]
    assert len(rows) == len(list(noise_floor.copies(store)))


def pairs_by_seed(pairing: Callable[..., list[tuple[float, float, bool]]], plant: Plant) -> bool:
    point = plan().points[0]
    first = plant(point, 0.9)
    late = dataclasses.replace(first, members=tuple(seed + 3 for seed in first.members))
    found = pairing(first, late)
    values = first.finals.test_accuracy
    return [one for one, _, _ in found] == list(values[3:])


def by_position(first: Record, again: Record) -> list[tuple[float, float, bool]]:
    """Fault: the order of the members, not their seeds."""
    pairs = zip(first.finals.test_accuracy, again.finals.test_accuracy, strict=True)
    return [(one, other, False) for one, other in pairs]


def test_copies_are_paired_by_seed(plant: Plant) -> None:
    assert pairs_by_seed(noise_floor.paired, plant)
    assert not pairs_by_seed(by_position, plant)


def accuracies(store: Store, arm: str) -> tuple[float, ...]:
    """Test accuracies of an arm's members where they are read."""
    return store.read(arm).finals.test_accuracy


# The specification curve.


def with_other_heads(store: Store, plant: Plant) -> Store:
    """The same arms with a flatten head, where nothing helps."""
    for point in plan().points:
        net = dataclasses.replace(point.arm.net, head="flatten")  # type: ignore[call-arg]
        other = dataclasses.replace(point, arm=dataclasses.replace(point.arm, net=net))
        if point.match == "none":
            store.write(plant(other, 0.9), {})
    return store


def specified(store: Store) -> tuple[specification_curve.Specification, ...]:
    return specification_curve.specifications(CLAIM, {"pool_position": seen(store)})


def test_every_choice_with_records_is_a_specification_in_order(tmp_path: Path, plant: Plant) -> None:
    """Two contrasts x (digits12 at both matches, two generated tasks at one) x (as read, and three rates for all)."""
    found = specified(stored(tmp_path, plant))
    assert len(found) == COUNT == 2 * 4 * 4
    assert len({one.choices for one in found}) == len(found)
    estimates = [one.effect.estimate for one in found]
    assert estimates == sorted(estimates)
    assert specification_curve.summary(found).startswith("32 specifications: 32 (100 %) have the claim's sign")


def test_another_head_is_a_specification_where_all_its_arms_have_records(tmp_path: Path, plant: Plant) -> None:
    found = specified(with_other_heads(stored(tmp_path, plant), plant))
    flat = [one for one in found if ("net", "head flatten") in one.choices]
    assert len(found) == COUNT + len(flat) == COUNT + 2 * 3 * 4
    assert {one.effect.call for one in flat} == {"null"}
    assert {one.effect.call for one in found if one not in flat} == {"pos"}
    assert "24 negligible" in specification_curve.summary(found)


def test_an_arm_without_a_record_takes_its_specifications_away(tmp_path: Path, plant: Plant) -> None:
    """One contrast on one task, as read and at three rates."""
    store, gone = stored(tmp_path, plant), next(p for p in plan().points if p.level == "[1,4]" and p.match == "none")
    store.set_aside(gone.arm.key)
    assert len(specified(store)) == COUNT - 4


def test_the_curve_is_written_drawn_and_printed(tmp_path: Path, plant: Plant) -> None:
    there = {"pool_position": seen(stored(tmp_path, plant))}
    said = printed(lambda console: specification_curve.page([CLAIM], there, tmp_path, console, as_json=False))
    with (tmp_path / f"{CLAIM}-curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT
    assert {"contrast", "task", "matched", "learning rate", "net", "ratio", "low", "high", "call"} <= set(rows[0])
    assert all(1 < float(row["low"]) <= float(row["ratio"]) <= float(row["high"]) for row in rows)
    assert {row["learning rate"] for row in rows} >= {"where each is read", "0.012 for all"}
    assert (tmp_path / f"{CLAIM}-curve.png").stat().st_size > 10_000
    assert "no test is made of their number" in said


def test_a_claim_without_records_is_a_line_that_says_what_makes_them(tmp_path: Path) -> None:
    said = printed(
        lambda console: specification_curve.page([CLAIM, "mp-early-smallest"], {}, tmp_path, console, as_json=False)
    )
    assert "experiments.run +sweep=pool_position" in said
    assert "no part of it rests on training" in said
    assert list(tmp_path.iterdir()) == []


def at_every_rate(specified: tuple[specification_curve.Specification, ...]) -> dict[str, float]:
    """The mean ratio of the specifications at each choice of a learning rate."""
    found: dict[str, list[float]] = {}
    for one in specified:
        found.setdefault(dict(one.choices)["learning rate"], []).append(np.exp(one.effect.estimate))
    return {rate: float(np.mean(ratios)) for rate, ratios in found.items()}


def test_at_a_fixed_rate_all_members_count_at_that_rate(tmp_path: Path, plant: Plant) -> None:
    """Planted curves fall towards chance at the larger rate, so that ratios of errors shrink there.

    The twin: read at the same place whatever the rate, all would be alike.
    """
    found = at_every_rate(specified(stored(tmp_path, plant)))
    rates = [rate for rate in found if rate.endswith("for all")]
    assert len(rates) >= 3
    assert found["0.016 for all"] < found["0.008 for all"]
    assert found["0.012 for all"] == pytest.approx(found["where each is read"], rel=0.2)


def test_a_rate_that_one_arm_lacks_is_no_specification(tmp_path: Path, plant: Plant) -> None:
    store = stored(tmp_path, plant)
    gone = next(p for p in plan().points if p.level == "[1,4]" and p.match == "none" and p.data == "digits12")
    record = store.read(gone.arm.key)
    store.set_aside(gone.arm.key)
    store.write(dataclasses.replace(record, rates=record.rates[:-1]), {})
    assert len(specified(store)) == COUNT - 1


def test_headlines_are_claims_that_rest_on_training() -> None:
    assert len(specification_curve.HEADLINES) == 5
    assert all(register()[name].trained for name in specification_curve.HEADLINES)


# Scope, the page of a claim, its row for machines, and the door.


def reach(store: Store) -> str:
    found = evidence.scope(claims()[CLAIM], {"pool_position": seen(store)})
    assert found is not None
    return found


def test_the_scope_is_computed_from_the_arms(tmp_path: Path, plant: Plant) -> None:
    found = reach(stored(tmp_path, plant))
    widest = max(max(p.arm.net.widths or (16,)) for p in plan().points)  # type: ignore[union-attr]
    for part in ("at most 12x12 px", f"6 convolutions of {widest} channels", "no normalisation", "Adam", "12 members"):
        assert part in found
    assert "digits12, fashion12, textures12" in found
    assert evidence.scope(claims()[CLAIM], {}) is None


@pytest.mark.parametrize(
    ("part", "change", "says"),
    [
        ("net", {"width": 64}, "of 64 channels"),
        ("net", {"norm": "batch"}, "batch and no normalisation"),
        ("recipe", {"optimizer": "sgd"}, "Adam and SGD"),
        ("task", {"side": 28}, "at most 28x28 px"),
    ],
)
def test_another_arm_widens_the_scope(
    tmp_path: Path, plant: Plant, part: str, change: dict[str, object], says: str
) -> None:
    """The twin of a scope that is written instead of computed."""
    cells = seen(stored(tmp_path, plant)).cells
    assert says not in evidence.scope_line(cells)
    arm = cells[0].point.arm
    other = dataclasses.replace(arm, **{part: dataclasses.replace(getattr(arm, part), **change)})  # type: ignore[arg-type]
    changed = dataclasses.replace(cells[0], point=dataclasses.replace(cells[0].point, arm=other))
    assert says in evidence.scope_line((changed, *cells[1:]))


def judged(store: Store) -> Verdict:
    return verdicts.judge_claims([CLAIM], {"pool_position": seen(store)}, store.root.parent)[CLAIM]


def test_a_row_for_machines_has_its_keys_and_the_scope(tmp_path: Path, plant: Plant) -> None:
    row = claim_page.verdict_data(register()[CLAIM], judged(stored(tmp_path, plant)))
    assert set(row) == KEYS
    assert row["evidence"]["scope"] == reach(Store(tmp_path / "runs"))
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    bare = claim_page.verdict_data(register()[CLAIM], verdicts.judge_claims([CLAIM], {}, tmp_path)[CLAIM])
    assert set(bare) == KEYS
    assert "scope" not in bare["evidence"]


def test_the_page_prints_scope_family_contrasts_and_what_decides_nothing(tmp_path: Path, plant: Plant) -> None:
    verdict = judged(stored(tmp_path, plant))
    said = printed(lambda console: claim_page.claim(register()[CLAIM], verdict, None, console))
    assert {effect.call for effect in verdict.effects if effect.setting.task.startswith("digits12")} == {"pos"}
    for part in ("scope", "sign-flip", "BCa", "found with", "two or three against", "statistics"):
        assert part in said
    line = " ".join(claim_page.family_lines({"holm_registered": 29, "p_greater": 0.001, "p_less": 0.9}))
    assert "m = 29" in line
    assert "p 0.001 for it" in line
    flat = " ".join(said.split())
    assert 0 < flat.index(verdict.sentence) < flat.index(verdict.reason)


def lines_of(verdict: Verdict, width: int) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, markup=False)
    claim_page.overview([(register()[CLAIM], verdict)], console)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [110, 160])
def test_a_row_is_two_lines_the_sentence_first(tmp_path: Path, plant: Plant, width: int) -> None:
    verdict = judged(stored(tmp_path, plant))
    head, first, second, count, page = lines_of(verdict, width)
    assert page.endswith("python -m experiments.judge CLAIM")
    assert "what was found" in head
    assert verdict.sentence[:30] in first
    assert CLAIM in first
    assert " times the errors on " in second
    assert "n=12" in second
    assert re.search(r"x1\.\d\d \[1\.\d\d, 1\.\d\d\] times the errors on ", second)
    assert count.startswith("1 claims")
    assert max(map(len, (first, second))) <= width
    bare = dataclasses.replace(verdict, sentence="")
    assert verdict.reason[:30] in lines_of(bare, width)[1]


@pytest.mark.parametrize("width", [40, 80, 100])
def test_where_it_is_narrow_a_claim_is_a_record_that_loses_no_digit(tmp_path: Path, plant: Plant, width: int) -> None:
    verdict = dataclasses.replace(judged(stored(tmp_path, plant)), sentence="Two are better than one. " * 20)
    lines = lines_of(verdict, width)
    head, body = lines[0], lines[1 : next(place for place, line in enumerate(lines) if line.startswith("1 claims"))]
    assert head.split() == [CLAIM, *verdict.printed.split()]
    assert verdict.sentence[:20] in body[0]
    decides = next(place for place, line in enumerate(body) if line.startswith("  n="))
    assert decides == 2  # lines of the sentence
    assert body[1].endswith(" ...")
    flat = " ".join(" ".join(body).split())
    assert re.search(r"n=12; x1\.\d\d \[1\.\d\d, 1\.\d\d\] times the errors on ", flat)
    assert max(map(len, lines[: len(body) + 1])) <= width
    assert "python -m experiments.judge CLAIM" in " ".join(lines)


def door(monkeypatch: pytest.MonkeyPatch, root: Path, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["judge", *words, f"results={root}"])
    return judge.main()


@pytest.mark.slow
def test_the_door_opens_both_pages(
    tmp_path: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door(monkeypatch, tmp_path, "noise") == 1
    assert "no A/A check" in capsys.readouterr().out
    stored(tmp_path, plant)
    assert door(monkeypatch, tmp_path, "noise") == 0
    assert door(monkeypatch, tmp_path, "curve", CLAIM, "scale=quick") == 0
    assert "specifications" in capsys.readouterr().out
    assert door(monkeypatch, tmp_path, "curve", "mp-nothing") == 2


def test_another_protocol_is_refused_by_name(
    tmp_path: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mixed protocols are never pooled: one record of another protocol stops the page that would read it."""
    store = stored(tmp_path, plant)
    copy = next(point for point in plan().checks if point.check == "a_a")
    path = store.folder(copy.arm.key) / "record.json"
    path.write_bytes(path.read_bytes().replace(b'"protocol":%d' % PROTOCOL, b'"protocol":%d' % (PROTOCOL - 1)))
    assert door(monkeypatch, tmp_path, "noise") == 2
    assert f"protocol {PROTOCOL - 1}, this code is protocol {PROTOCOL}" in capsys.readouterr().err
