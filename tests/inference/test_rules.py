"""Equivalence, existence, universals, exact, survey, cost and conjunction rules."""

import functools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cnnlab.inference import effects
from cnnlab.inference.effects import CALIBRATION, Sample, effect
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.intervals import paired_t
from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule, TrainedEvidence, difference_p
from cnnlab.inference.rules.cost import Cost, Timings
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.rules.equivalence import Equivalence
from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.inference.rules.given import Given
from cnnlab.inference.rules.instances import Always, Exists, Instance, Instances
from cnnlab.inference.rules.survey import ALL, MOSTLY, NEARLY_ALL, Counted, Survey
from cnnlab.inference.rules.within import Within
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import Effect, Interval, Setting, Verdict

Shown = Callable[..., Effect]
FAMILY = Family(claims=27, moderator_contrasts=40)


def verdict_of(rule: Any, evidence: Any) -> Verdict:
    return judge({"claim": Case(rule=rule, evidence=evidence)}, FAMILY)["claim"]


# R-EQ.


def spanning(shown: Shown, task: str, low: float, high: float, **changes: Any) -> Effect:
    """Build an effect whose intervals are all [low, high]."""
    spans = {
        name: Interval(low=low, high=high, level=level, kind="paired t")
        for name, level in (("interval95", 0.95), ("interval90", 0.9))
    }
    return shown(task, "open", **spans, **changes)


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ((-0.005, 0.006), (-0.009, 0.0), "supported"),
        ((-0.005, 0.006), (-0.011, 0.0), "inconclusive"),
        ((0.011, 0.02), (-0.005, 0.005), "refuted"),
        ((-0.03, -0.012), (-0.005, 0.005), "refuted"),
        ((0.009, 0.02), (-0.005, 0.005), "inconclusive"),
        ((0.001, 0.02), (0.001, 0.02), "inconclusive"),  # excludes 0, and is not outside rho
    ],
)
def test_equivalence_needs_intervals_wholly_in_or_out(
    shown: Shown, first: tuple[float, float], second: tuple[float, float], word: str
) -> None:
    evidence = TrainedEvidence(effects=(spanning(shown, "digits12", *first), spanning(shown, "fashion12", *second)))
    assert verdict_of(Equivalence(rho=0.01), evidence).word == word


def test_equivalence_needs_its_tasks_and_a_real_one(shown: Shown) -> None:
    one = TrainedEvidence(effects=(spanning(shown, "digits12", -0.005, 0.005),))
    assert verdict_of(Equivalence(rho=0.01), one).reason.startswith("1 of 2 tasks count")
    assert verdict_of(Equivalence(rho=0.01, tasks=1), one).word == "supported"
    synthetic = TrainedEvidence(effects=(spanning(shown, "vernier", -0.005, 0.005, real=False),))
    assert verdict_of(Equivalence(rho=0.01, tasks=1), synthetic).word == "inconclusive"
    assert verdict_of(Equivalence(rho=0.01, tasks=1, mechanism=True), synthetic).printed == "supported (mechanism)"
    assert verdict_of(Equivalence(rho=0.01), TrainedEvidence()).word == "untested"


def test_equivalence_is_not_had_by_too_few_members(shown: Shown) -> None:
    few = {"reason": "too few members: 3 pairs, at least 4 needed"}
    narrow = tuple(spanning(shown, task, -0.001, 0.001, **few) for task in ("digits12", "fashion12"))
    assert verdict_of(Equivalence(rho=0.01), TrainedEvidence(effects=narrow)).word == "inconclusive"
    apart = (spanning(shown, "digits12", 0.5, 0.6, **few), narrow[1])
    assert verdict_of(Equivalence(rho=0.01), TrainedEvidence(effects=apart)).word == "inconclusive"


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ((-0.05, -0.02), (-0.005, 0.005), "supported"),  # it gets better: not needed all the same
        ((-0.05, 0.009), (-0.05, 0.009), "supported"),
        ((-0.05, 0.011), (-0.05, 0.009), "inconclusive"),
        ((0.011, 0.02), (-0.005, 0.005), "refuted"),
        ((0.009, 0.02), (-0.005, 0.005), "inconclusive"),
    ],
)
def test_one_sided_equivalence_fails_on_one_side_alone(
    shown: Shown, first: tuple[float, float], second: tuple[float, float], word: str
) -> None:
    evidence = TrainedEvidence(effects=(spanning(shown, "digits12", *first), spanning(shown, "fashion12", *second)))
    assert verdict_of(Equivalence(rho=0.01, one_sided=True), evidence).word == word


def test_the_two_sided_twin_refutes_what_gets_better(shown: Shown) -> None:
    evidence = TrainedEvidence(effects=(spanning(shown, "digits12", -0.05, -0.02),))
    assert verdict_of(Equivalence(rho=0.01, tasks=1), evidence).word == "refuted"
    assert verdict_of(Equivalence(rho=0.01, tasks=1, one_sided=True), evidence).word == "supported"


def test_a_floor_is_no_equivalence(shown: Shown) -> None:
    floor = tuple(spanning(shown, task, 0.0, 0.0, reason="both at chance") for task in ("digits12", "fashion12"))
    assert verdict_of(Equivalence(rho=0.01), TrainedEvidence(effects=floor)).word == "inconclusive"


@pytest.mark.parametrize(
    ("span", "one_sided", "said"),
    [
        ((-0.05, 0.05), False, "No difference that matters between ReLU and tanh (1.15 times the errors) on digits."),
        ((-0.05, 0.05), True, "No gain that matters from ReLU over tanh (1.15 times the errors) on digits."),
        ((0.3, 0.5), False, "The difference matters on digits: 1.5 times as many errors with tanh as with ReLU."),
        ((0.1, 0.2), False, "Not decided: on digits undecided."),
    ],
)
def test_equivalence_has_its_sentences(shown: Shown, span: tuple[float, float], one_sided: bool, said: str) -> None:
    words = {"metric": "test_accuracy", "better": "ReLU", "worse": "tanh", "estimate": sum(span) / 2}
    rule = Equivalence(rho=math.log(1.15), tasks=1, one_sided=one_sided)
    verdict = verdict_of(rule, TrainedEvidence(effects=(spanning(shown, "digits12", *span, **words),)))
    assert verdict.sentence == said


def refutation_at_rho(setting: Callable[..., Setting], outside: Callable[[Effect], bool]) -> float:
    """Share of arms that truly differ by rho and are called apart."""
    random = np.random.default_rng(0)
    found = 0
    for _ in range(2000):
        values = tuple((0.01 + 0.003 * random.standard_normal(12)).tolist())
        better = Sample(seeds=tuple(range(12)), values=values, diverged=(False,) * 12)
        found += outside(effect(better, Sample.constant(0.0, range(12)), setting()))
    return found / 2000


def test_equivalence_refutes_rarely_at_rho_itself(setting: Callable[..., Setting]) -> None:
    assert refutation_at_rho(setting, lambda e: e.interval95.outside(-0.01, 0.01)) < 0.04

    def as_first_written(e: Effect) -> bool:
        """Fault: the interval excludes 0 and the estimate lies beyond rho."""
        return e.interval95.outside(0.0, 0.0) and abs(e.estimate) > 0.01

    assert refutation_at_rho(setting, as_first_written) > 0.4


# R-EXISTS and R-ALWAYS.


def instance(shown: Shown, name: str, first: str, fresh: str | None = None, **changes: Any) -> Instance:
    again = None if fresh is None else shown("digits12", fresh, seeds=tuple(range(100, 112)), **changes)
    return Instance(name=name, first=shown("digits12", first), fresh=again)


@pytest.mark.parametrize(
    ("first", "fresh", "word"),
    [
        ("pos", "pos", "supported"),
        ("pos", "open", "inconclusive"),
        ("pos", None, "inconclusive"),
        ("null", None, "inconclusive"),
    ],
)
def test_existence_needs_one_repeated_instance(shown: Shown, first: str, fresh: str | None, word: str) -> None:
    tried = (instance(shown, "k3", "neg"), instance(shown, "k5", first, fresh))
    verdict = verdict_of(Exists(), Instances(tried=tried))
    assert verdict.word == word
    if first == "pos" and fresh is None:
        assert verdict.reason.startswith("awaits a fresh block: k5;")


@pytest.mark.parametrize(
    ("first", "fresh", "word"),
    [
        ("neg", "neg", "refuted"),
        ("neg", "null", "inconclusive"),
        ("neg", None, "inconclusive"),
        ("null", None, "inconclusive"),
    ],
)
def test_universals_fall_to_a_repeated_counterexample(shown: Shown, first: str, fresh: str | None, word: str) -> None:
    tried = (instance(shown, "k3", "pos"), instance(shown, "k5", first, fresh))
    verdict = verdict_of(Always(), Instances(tried=tried))
    assert verdict.word == word
    assert verdict.nearest_true == ("it holds in 1 of the 2 instances tried" if word == "refuted" else None)


def test_counterexamples_share_one_error(shown: Shown) -> None:
    alone = (instance(shown, "k5", "neg", "neg", p_less=0.02),)
    assert verdict_of(Always(), Instances(tried=alone)).word == "refuted"
    searched = alone + tuple(instance(shown, f"k{k}", "neg") for k in (6, 7))
    assert verdict_of(Always(), Instances(tried=searched)).word == "inconclusive"  # .02 > .05 / 3


def test_a_universal_that_held_everywhere_on_two_tasks_is_supported(shown: Shown) -> None:
    held = tuple(Instance(name=task, first=shown(task, "pos")) for task in ("digits12", "fashion12"))
    assert verdict_of(Always(), Instances(tried=held)).word == "supported"
    assert verdict_of(Always(), Instances(tried=held[:1])).word == "inconclusive"
    assert verdict_of(Always(), Instances()).word == "untested"
    assert verdict_of(Exists(), Instances(tried=held, caps=("smoke scale",))).word == "inconclusive"


def test_instances_have_their_sentences(shown: Shown) -> None:
    tried = (instance(shown, "k5 on digits12", "pos", "pos"),)
    assert verdict_of(Exists(), Instances(tried=tried)).sentence.startswith("It happens: k5 on digits12, ")
    against = (instance(shown, "k5 on digits12", "neg", "neg"),)
    assert verdict_of(Always(), Instances(tried=against)).sentence.startswith("Not always: k5 on digits12, ")


def test_a_fresh_block_shares_no_member_with_the_first(shown: Shown) -> None:
    with pytest.raises(InvalidError, match="no member of the first"):
        Instance(name="k5", first=shown(), fresh=shown())


# R-EXACT.


def even(cases: int, counterexamples: int) -> Restricted:
    return Restricted(condition="n even", cases=cases, counterexamples=counterexamples)


@pytest.mark.parametrize(
    ("evidence", "reading", "word"),
    [
        (Enumerated(cases=0), "plain", "untested"),
        (Enumerated(cases=9), "plain", "supported"),
        (Enumerated(cases=9, counterexamples=("n=7",)), "plain", "refuted"),
        (Enumerated(cases=9, counterexamples=("n=7",), restricted=even(4, 0)), "plain", "qualified"),
        (Enumerated(cases=9, counterexamples=("n=7",), restricted=even(0, 0)), "plain", "refuted"),
        (Enumerated(cases=9, counterexamples=("n=7",), restricted=even(4, 1)), "plain", "refuted"),
        (Enumerated(cases=9, counterexamples=("n=7",), restricted=even(4, 0)), "universal", "refuted"),
    ],
)
def test_exact_rule(evidence: Enumerated, reading: Any, word: str) -> None:
    verdict = verdict_of(Exact(reading=reading), evidence)
    assert verdict.word == word
    assert (verdict.condition == "n even") is (word == "qualified")


def test_a_refuted_universal_prints_what_is_true(shown: Shown) -> None:
    evidence = Enumerated(cases=9, counterexamples=("n=7 gives 4",), nearest_true="true for even n (4 of 9)")
    verdict = verdict_of(Exact(reading="universal"), evidence)
    assert verdict.nearest_true == "true for even n (4 of 9)"
    assert "n=7 gives 4" in verdict.reason


# R-SURVEY.


@pytest.mark.parametrize(
    ("having", "total", "bar", "word"),
    [
        (40, 40, ALL, "supported"),
        (39, 40, ALL, "refuted"),
        (39, 40, NEARLY_ALL, "supported"),
        (36, 40, NEARLY_ALL, "inconclusive"),
        (20, 40, NEARLY_ALL, "refuted"),
        (27, 40, MOSTLY, "supported"),
        (22, 40, MOSTLY, "inconclusive"),
        (10, 40, MOSTLY, "refuted"),
        (15, 15, ALL, "inconclusive"),
        (0, 0, ALL, "untested"),
    ],
)
def test_survey_rule(having: int, total: int, bar: float, word: str) -> None:
    verdict = verdict_of(Survey(bar=bar), Counted(having=having, total=total, list_name="classics"))
    assert verdict.word == word
    assert "classics" in verdict.reason


def test_survey_refuses_an_impossible_bar() -> None:
    with pytest.raises(InvalidError):
        Survey(bar=1.2)


# R-COST.


@pytest.mark.parametrize(
    ("ratio", "rounds", "word"),
    [
        (1.3, 40, "supported"),
        (1.0, 40, "refuted"),
        (0.7, 40, "refuted"),
        (1.1, 40, "inconclusive"),
        (1.3, 29, "inconclusive"),
        (1.3, 0, "untested"),
    ],
)
def test_cost_rule(ratio: float, rounds: int, word: str) -> None:
    random = np.random.default_rng(0)
    cheap = random.lognormal(0, 0.03, rounds)
    dear = ratio * random.lognormal(0, 0.03, rounds)
    timings = Timings(dear=tuple(dear.tolist()), cheap=tuple(cheap.tolist()), what="k=5 over k=3")
    assert verdict_of(Cost(), timings).word == word


# Conjunctions, such as a mechanism: a drop, an accuracy loss, and none once repaired.


STARVED = AllOf(
    parts=(
        ("probe drops", Directional(mechanism=True)),
        ("accuracy drops", Directional(mechanism=True)),
        ("repaired", Equivalence(rho=0.01, tasks=2, mechanism=True)),
    )
)


def starved(shown: Shown, probe: str, accuracy: str, repaired: str) -> Verdict:
    names = ("vernier", "phase")
    parts = dict(zip(("probe drops", "accuracy drops", "repaired"), (probe, accuracy, repaired), strict=True))
    evidence = {
        part: TrainedEvidence(effects=tuple(shown(name, call, real=False) for name in names))
        for part, call in parts.items()
    }
    return verdict_of(STARVED, evidence)


@pytest.mark.parametrize(
    ("calls", "word"),
    [
        (("pos", "pos", "null"), "supported"),
        (("pos", "pos", "pos"), "refuted"),  # the repair does not repair
        (("null", "pos", "null"), "refuted"),
        (("pos", "open", "null"), "inconclusive"),
        (("open", "null", "null"), "refuted"),
    ],
)
def test_every_part_must_hold(shown: Shown, calls: tuple[str, str, str], word: str) -> None:
    verdict = starved(shown, *calls)
    assert verdict.word == word
    assert verdict.mechanism is (word == "supported")


def chain(shown: Shown, *links: tuple[str, ...], together: bool = False) -> Verdict:
    """A chain of directional links, each with its calls on real tasks."""
    names = tuple(f"link {place}" for place in range(len(links)))
    rule = AllOf(parts=tuple((name, Directional()) for name in names), together=together)
    evidence = {
        name: TrainedEvidence(
            effects=tuple(
                shown(task, call) for task, call in zip(("digits12", "textures12", "fashion12"), calls, strict=True)
            )
        )
        for name, calls in zip(names, links, strict=True)
    }
    return verdict_of(rule, evidence)


@pytest.mark.parametrize(
    ("links", "word"),
    [
        ((("pos", "pos", "open"), ("neg", "neg", "open")), "refuted"),
        ((("open", "open", "open"), ("neg", "neg", "null")), "refuted"),
        ((("pos", "pos", "pos"), ("neg", "open", "open")), "inconclusive"),
        ((("pos", "pos", "pos"), ("neg", "neg", "pos")), "inconclusive"),
        ((("pos", "pos", "pos"), ("pos", "pos", "open")), "supported"),
    ],
)
def test_a_chain_falls_with_one_link_that_is_reversed_on_two_tasks(
    shown: Shown, links: tuple[tuple[str, ...], ...], word: str
) -> None:
    verdict = chain(shown, *links)
    assert verdict.word == word
    if word == "refuted":
        assert verdict.reason.startswith("link 1: reversed")
        assert verdict.sentence.startswith("Link 1: the other way round on ")


def test_a_verdict_is_shown_by_an_effect_of_what_decides(shown: Shown) -> None:
    """Of the part that refutes, not of the first; and at the rule's match, not of the first that is given."""
    verdict = chain(shown, ("pos", "pos", "open"), ("neg", "neg", "open"))
    assert verdict.effects[0].call == "neg"
    assert [effect.call for effect in verdict.effects] == ["neg", "neg", "open", "pos", "pos", "open"]
    effects = tuple(
        shown(task, call, match=at)
        for task in ("digits12", "textures12", "fashion12")
        for at, call in (("none", "pos"), ("macs", "null"))
    )
    for rule in (Directional(match="macs"), Equivalence(rho=0.05, match="macs")):
        found = verdict_of(rule, TrainedEvidence(effects=effects)).effects
        assert [effect.setting.match for effect in found] == ["macs"] * 3 + ["none"] * 3


def test_parts_that_decide_join_their_sentences(shown: Shown) -> None:
    both = chain(shown, ("pos", "pos", "open"), ("pos", "pos", "pos")).sentence
    assert both.startswith("Link 0: holds on digits and textures")
    assert ". Link 1: holds on digits, textures and fashion" in both
    assert joined(AllOf, ("holds", "fails")).sentence.startswith("Fails: it fails in 1 of 3 cases")


@pytest.mark.parametrize("kind", [AllOf, Senses])
def test_no_verdict_is_without_a_plain_sentence(kind: Callable[..., Rule[Any]]) -> None:
    """A sentence has no statistics: neither intervals nor p-values, nor the path of a probe."""
    for one in PART:
        for other in PART:
            if one != other:
                said = joined(kind, (one, other)).sentence
                assert said.endswith(".")
                assert not re.search(r"95 %|\bp 0|n=\d|probe:", said), said


def test_what_all_parts_say_is_said_once(shown: Shown) -> None:
    said = joined(AllOf, ("awaited", "holds")).sentence
    assert said.startswith("Not decided yet: awaited is still to be tested. Holds: ")
    twice = AllOf(parts=tuple((name, Directional()) for name in ("one", "other")))
    assert verdict_of(twice, dict.fromkeys(("one", "other"), TrainedEvidence())).sentence == "Not tested yet."


def test_the_reason_names_the_part_that_decides(shown: Shown) -> None:
    assert starved(shown, "pos", "open", "null").reason.startswith("accuracy drops: ")


def test_a_conjunction_is_one_claim_of_the_family_with_its_largest_p(shown: Shown) -> None:
    def part(p_greater: float, p_less: float) -> TrainedEvidence:
        return TrainedEvidence(effects=tuple(shown(t, "pos", p_greater=p_greater, p_less=p_less) for t in ("a", "b")))

    rule = AllOf(parts=(("one", Directional()), ("two", Directional())))
    p = rule.p_values({"one": part(0.001, 0.2), "two": part(0.01, 0.3)})
    assert p is not None
    assert (p.greater, p.less) == pytest.approx((0.01, 0.4))
    assert AllOf(parts=(("one", Exact()),)).p_values({"one": Enumerated(cases=1)}) is None


# Parts of which some have no evidence yet, and words with several senses.

PART: dict[str, tuple[Rule[Any], Any]] = {
    "holds": (Exact(), Enumerated(cases=3)),
    "fails": (Exact(), Enumerated(cases=3, counterexamples=("2 is even",), nearest_true="all but 2")),
    "narrow": (
        Exact(),
        Enumerated(
            cases=3, counterexamples=("2",), restricted=Restricted(condition="n > 2", cases=2, counterexamples=0)
        ),
    ),
    "open": (Survey(), Counted(having=20, total=40, list_name="list")),
    "awaited": (Given(verdict=Verdict(word="untested", reason="the sweep x")), None),
}


def joined(kind: Callable[..., Rule[Any]], names: Sequence[str]) -> Verdict:
    rule = kind(parts=tuple((name, PART[name][0]) for name in names))
    return verdict_of(rule, {name: PART[name][1] for name in names})


TOGETHER = functools.partial(AllOf, together=True)


@pytest.mark.parametrize(
    ("kind", "names", "word"),
    [
        (AllOf, ("holds", "awaited"), "inconclusive"),
        (AllOf, ("narrow", "awaited"), "inconclusive"),
        (AllOf, ("fails", "awaited"), "refuted"),
        (TOGETHER, ("fails", "awaited"), "inconclusive"),
        (TOGETHER, ("fails", "holds"), "refuted"),
        (AllOf, ("holds", "narrow"), "qualified"),
        (AllOf, ("awaited",), "untested"),
        (Senses, ("holds", "fails"), "qualified"),
        (Senses, ("holds", "fails", "open"), "qualified"),
        (Senses, ("holds", "open"), "inconclusive"),
        (Senses, ("holds", "awaited"), "inconclusive"),
        (Senses, ("fails", "awaited"), "inconclusive"),
        (Senses, ("fails",), "refuted"),
        (Senses, ("holds",), "supported"),
        (Senses, ("awaited",), "untested"),
    ],
)
def test_parts_join_as_their_rule_says(kind: Callable[..., Rule[Any]], names: Sequence[str], word: str) -> None:
    assert joined(kind, names).word == word


def test_what_is_missing_and_what_was_found_are_both_named() -> None:
    reason = joined(AllOf, ("holds", "awaited")).reason
    assert "missing awaited: the sweep x" in reason
    assert "so far holds: supported" in reason


def test_senses_name_where_a_claim_holds_and_where_it_fails() -> None:
    verdict = joined(Senses, ("holds", "fails"))
    assert verdict.condition == "it holds holds, but not fails"
    assert (verdict.nearest_true, verdict.counterexample) == ("all but 2", "2 is even")


def test_the_number_is_that_of_the_part_that_decides() -> None:
    verdict = joined(AllOf, ("holds", "fails"))
    assert verdict.number is not None
    assert (verdict.number.value, verdict.n) == (1, 3)


# R-WITHIN.


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.05, "supported"),  # the interval is [.02, .04]
        (-math.inf, 0.05, "supported"),
        (0.03, 0.05, "inconclusive"),
        (0.05, math.inf, "refuted"),
        (-math.inf, 0.01, "refuted"),
    ],
)
def test_a_quantity_lies_within_bounds_outside_or_across(shown: Shown, low: float, high: float, word: str) -> None:
    evidence = TrainedEvidence(effects=(shown("digits12", "pos"),))
    assert verdict_of(Within(low=low, high=high), evidence).word == word


@pytest.mark.parametrize(("low", "high"), [(0.01, 0.05), (-math.inf, 0.05), (0.05, math.inf), (0.03, math.inf)])
def test_bounds_have_their_sentence(shown: Shown, low: float, high: float) -> None:
    said = verdict_of(Within(low=low, high=high), TrainedEvidence(effects=(shown("digits12", "pos"),))).sentence
    assert said.endswith("gradient decay is 0.03 on digits.")


def test_one_task_outside_the_bounds_refutes_and_few_members_decide_nothing(shown: Shown) -> None:
    rule = Within(low=0.01)
    both = TrainedEvidence(effects=(shown("digits12", "pos"), shown("fashion12", "neg")))
    assert verdict_of(rule, both).word == "refuted"
    few = TrainedEvidence(effects=(shown("digits12", "pos", seeds=(1, 2, 3)),))
    assert verdict_of(rule, few).word == "inconclusive"
    assert verdict_of(rule, TrainedEvidence(missing=("the arm",))).word == "untested"
    capped = TrainedEvidence(effects=(shown("digits12", "pos"),), caps=("rule changed after data",))
    assert verdict_of(rule, capped).word == "inconclusive"


# The difference of two moderator levels.


def test_difference_of_effects_is_tested_by_seed(
    setting: Callable[..., Setting], sample: Callable[..., Sample]
) -> None:
    random = np.random.default_rng(1)
    shared = 0.05 * random.standard_normal(12)  # an effect that varies by seed, alike at both levels
    worse = sample([0.0] * 12)
    high = sample(0.02 + shared + 0.002 * random.standard_normal(12))
    low = sample(shared + 0.002 * random.standard_normal(12))
    levels = [(effect(one, worse, setting()), one, worse) for one in (high, low)]
    assert difference_p(levels[0], levels[1]) < 1e-6
    assert difference_p(levels[1], levels[0]) == pytest.approx(difference_p(levels[0], levels[1]))
    assert difference_p(levels[0], levels[0]) == 1.0
    apart = np.array(high.values) - low.values
    t = apart.mean() / (CALIBRATION * stats.sem(apart))
    assert difference_p(levels[0], levels[1]) == pytest.approx(2 * stats.t.sf(t, 11))


# What n could have shown stands beside every inconclusive verdict that members, rounds or entries left open.


def inconclusive(shown: Shown, name: str) -> Verdict:
    """One verdict of each rule that noise alone leaves open."""
    wide = spanning(shown, "digits12", -0.02, 0.03)
    tried = (Instance(name="k5", first=wide),)
    steps = np.random.default_rng(0).lognormal(0, 0.3, (2, 31)).tolist()
    other = replace(wide, setting=replace(wide.setting, task="fashion12"))
    rule, evidence = {
        "R-DIR": (Directional(), TrainedEvidence(effects=(wide, other))),
        "R-EQ": (Equivalence(rho=0.01, tasks=1), TrainedEvidence(effects=(wide,))),
        "R-WITHIN": (Within(low=0.0), TrainedEvidence(effects=(wide,))),
        "R-EXISTS": (Exists(), Instances(tried=tried)),
        "R-ALWAYS": (Always(), Instances(tried=tried)),
        "R-COST": (Cost(), Timings(dear=tuple(steps[0]), cheap=tuple(steps[1]), what="a over b")),
    }[name]
    found = verdict_of(rule, evidence)
    assert found.word == "inconclusive"
    return found


@pytest.mark.parametrize("name", ["R-DIR", "R-EQ", "R-WITHIN", "R-EXISTS", "R-ALWAYS", "R-COST"])
def test_every_inconclusive_says_what_it_could_have_found(shown: Shown, name: str) -> None:
    assert "found with power .8" in inconclusive(shown, name).reason


def test_an_inconclusive_survey_says_how_many_would_support() -> None:
    reason = verdict_of(Survey(bar=MOSTLY), Counted(having=22, total=40, list_name="classics")).reason
    assert reason.endswith("27 of 40 would support")
    assert verdict_of(Survey(bar=MOSTLY), Counted(having=27, total=40, list_name="classics")).word == "supported"
    assert verdict_of(Survey(bar=MOSTLY), Counted(having=26, total=40, list_name="classics")).word == "inconclusive"


def test_the_smallest_difference_of_equivalence_is_found_four_times_in_five(
    setting: Callable[..., Setting], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal nets to 1 point: a difference as large as the verdict names is called apart with power .8."""
    monkeypatch.setattr(effects, "CALIBRATION", 1.0)  # the spread over members is all the noise there is
    random, rho = np.random.default_rng(3), 0.01
    sample = Sample(
        seeds=tuple(range(12)), values=tuple((0.004 * random.standard_normal(12)).tolist()), diverged=(False,) * 12
    )
    one = effect(sample, Sample.constant(0.0, range(12)), setting())
    spread = float(np.std(sample.values, ddof=1))
    size = Equivalence(rho=rho)._detectable(one)
    draws = size + spread * random.standard_normal((1500, 12))
    apart = [paired_t(row, 0.95).low > rho for row in draws]
    assert np.mean(apart) == pytest.approx(0.8, abs=3.3 * (0.16 / 1500) ** 0.5)
