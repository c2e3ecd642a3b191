"""R-DIR v3, clause by clause, on hand-made effects; each clause has a rule without it that must fail the same check."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cnnlab.inference.checks import Check
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.rules.contract import Decisions, Longer, ModeratorContrast, PValues, TrainedEvidence
from cnnlab.inference.rules.directional import Directional
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import Effect, Interval, Verdict

Shown = Callable[..., Effect]
FAMILY = Family(claims=27, moderator_contrasts=40)


def verdict_of(evidence: TrainedEvidence, rule: Any = Directional(), family: Family = FAMILY) -> Verdict:  # noqa: B008
    return judge({"claim": Case(rule=rule, evidence=evidence)}, family)["claim"]


TASKS = ("digits12", "textures12", "fashion12")


def on(shown: Shown, *calls: str, **changes: Any) -> TrainedEvidence:
    """Evidence with these calls on three real tasks."""
    return TrainedEvidence(
        effects=tuple(shown(name, call, **changes) for name, call in zip(TASKS, calls, strict=False))
    )


@pytest.mark.parametrize(
    ("calls", "word", "starts"),
    [
        (("pos", "pos", "pos"), "supported", "Pos"),
        (("pos", "pos", "open"), "supported", "Pos"),
        (("pos", "pos", "null"), "supported", "Pos"),
        (("pos", "pos", "neg"), "inconclusive", "tasks disagree"),
        (("pos", "null", "null"), "inconclusive", ""),
        (("pos", "open", "open"), "inconclusive", ""),
        (("neg", "neg", "neg"), "refuted", "reversed"),
        (("neg", "neg", "null"), "refuted", "reversed"),
        (("neg", "neg", "pos"), "inconclusive", "tasks disagree"),
        (("null", "null", "null"), "refuted", "negligible"),
        (("null", "null", "open"), "refuted", "negligible"),
        (("null", "null", "neg"), "inconclusive", ""),
        (("null", "null", "pos"), "inconclusive", ""),
        (("null", "open", "open"), "inconclusive", ""),
        (("open", "open", "open"), "inconclusive", ""),
    ],
)
def test_calls_of_tasks_make_the_word(shown: Shown, calls: tuple[str, ...], word: str, starts: str) -> None:
    verdict = verdict_of(on(shown, *calls))
    assert verdict.word == word
    assert verdict.reason.startswith(starts)
    assert "\n" not in verdict.reason
    assert verdict.sentence.endswith(".")


@pytest.mark.parametrize("calls", [("pos", "pos"), ("pos", "pos", "neg"), ("null", "null"), ("open", "pos", "pos")])
def test_swapped_arms_give_the_mirrored_verdict(shown: Shown, calls: tuple[str, ...]) -> None:
    flipped = tuple({"pos": "neg", "neg": "pos"}.get(call, call) for call in calls)
    one, other = verdict_of(on(shown, *calls)), verdict_of(on(shown, *flipped))
    mirror = {"supported": "refuted", "refuted": "refuted", "inconclusive": "inconclusive"}
    assert other.word == mirror[one.word]
    assert (one.evidence["p_greater"], one.evidence["p_less"]) == (
        other.evidence["p_less"],
        other.evidence["p_greater"],
    )


@pytest.mark.parametrize("call", ["pos", "neg", "null"])
def test_one_task_decides_nothing_and_neither_do_two_dials_of_one(shown: Shown, call: str) -> None:
    assert verdict_of(on(shown, call)).word == "inconclusive"
    dials = tuple(shown(f"digits12 (noise {noise})", call, construction="digits12") for noise in (0.4, 0.6))
    assert verdict_of(TrainedEvidence(effects=dials)).word == "inconclusive"
    other = shown("textures12", call)
    assert verdict_of(TrainedEvidence(effects=(*dials, other))).word != "inconclusive"


def test_generated_tasks_say_nothing_of_a_claim_that_is_no_mechanism(shown: Shown) -> None:
    built = tuple(shown(name, "pos", real=False) for name in ("vernier", "phase"))
    assert verdict_of(TrainedEvidence(effects=built)).word == "untested"
    against = shown("vernier", "neg", real=False)
    real = on(shown, "pos", "pos").effects
    assert verdict_of(TrainedEvidence(effects=(*real, against))).word == "supported"
    assert verdict_of(TrainedEvidence(effects=(*real, against)), Directional(mechanism=True)).word == "inconclusive"


# Eligibility. The check takes any rule; the twin counts every task.


@dataclass(frozen=True, kw_only=True)
class CountsEveryTask(Directional):
    """Fault: a task without headroom counts."""

    def _counted(self, evidence: TrainedEvidence) -> tuple[Effect, ...]:
        return self._primary(evidence)


def ignores_tasks_without_headroom(shown: Shown, rule: Directional) -> bool:
    flat = shown("textures12", "pos", headroom=0.02)
    evidence = TrainedEvidence(effects=(shown("digits12", "pos"), flat))
    return verdict_of(evidence, rule).word == "inconclusive"


def test_tasks_without_headroom_do_not_count(shown: Shown) -> None:
    assert ignores_tasks_without_headroom(shown, Directional())
    assert not ignores_tasks_without_headroom(shown, CountsEveryTask())
    none = verdict_of(on(shown, "pos", "pos", headroom=0.01))
    assert none.word == "inconclusive"
    assert "no task counts" in none.reason
    assert "+1.0 pp" in none.reason


# Holm over the registered family. The twin's family is what ran.


def needs_the_registered_family(shown: Shown, family: Family) -> bool:
    """Judge a claim with p = .002 on both tasks: it passes alone (.025) and fails among 27 (.00093)."""
    return verdict_of(on(shown, "pos", "pos", p_greater=0.002), family=family).word == "inconclusive"


def test_a_claim_pays_for_the_whole_registered_family(shown: Shown) -> None:
    assert needs_the_registered_family(shown, FAMILY)
    assert not needs_the_registered_family(shown, Family(claims=1, moderator_contrasts=0))
    assert "fails Holm over 27 claims" in verdict_of(on(shown, "pos", "pos", p_greater=0.002)).reason


def test_the_second_smallest_p_decides_times_one_less_than_the_tasks(shown: Shown) -> None:
    rule = Directional()
    effects = tuple(shown(task, "pos", p_greater=p) for task, p in zip(TASKS, (1e-9, 4e-4, 0.2), strict=True))
    assert rule.p_values(TrainedEvidence(effects=effects[:2])).greater == pytest.approx(4e-4)
    assert rule.p_values(TrainedEvidence(effects=effects)).greater == pytest.approx(8e-4)
    assert verdict_of(TrainedEvidence(effects=effects)).word == "supported"  # .0008 <= .025 / 27
    weaker = (effects[0], shown("textures12", "pos", p_greater=5e-4), effects[2])
    assert verdict_of(TrainedEvidence(effects=weaker)).word == "inconclusive"


def test_other_claims_of_the_family_help_only_by_being_rejected(shown: Shown) -> None:
    weak = Case(rule=Directional(), evidence=on(shown, "pos", "pos", p_greater=0.00095))
    strong = Case(rule=Directional(), evidence=on(shown, "pos", "pos", p_greater=1e-8))
    assert judge({"weak": weak}, FAMILY)["weak"].word == "inconclusive"
    assert judge({"weak": weak, "strong": strong}, FAMILY)["weak"].word == "supported"


# Caps come first, before everything else.


def caps_hold(shown: Shown, rule: Any) -> bool:
    """Say whether a failed check, a missing arm and any other cap each stop a claim that would be supported."""
    effects = on(shown, "pos", "pos").effects
    failed = Check(name="A/A", task="digits12", passed=False, line="A/A FAILED on digits12")
    capped = (
        TrainedEvidence(effects=effects, checks=(failed,)),
        TrainedEvidence(effects=effects, missing=("digits12 w8",)),
        TrainedEvidence(effects=effects, caps=("rule changed after data",)),
    )
    return all(verdict_of(evidence, rule).word == "inconclusive" for evidence in capped)


class IgnoresCaps:
    """Fault: reads effects alone."""

    def p_values(self, evidence: TrainedEvidence) -> PValues:
        return Directional().p_values(TrainedEvidence(effects=evidence.effects))

    def conclude(self, evidence: TrainedEvidence, decisions: Decisions) -> Verdict:
        return Directional().conclude(TrainedEvidence(effects=evidence.effects), decisions)


def test_caps_stop_every_claim(shown: Shown) -> None:
    assert caps_hold(shown, Directional())
    assert not caps_hold(shown, IgnoresCaps())


def test_capped_claims_bring_no_p_to_the_family(shown: Shown) -> None:
    evidence = TrainedEvidence(effects=on(shown, "pos", "pos").effects, caps=("smoke",))
    assert Directional().p_values(evidence).greater == 1.0
    verdict = verdict_of(evidence)
    assert verdict.capped == ("smoke",)


def test_a_check_caps_only_where_its_task_counts_and_only_if_it_failed(shown: Shown) -> None:
    effects = on(shown, "pos", "pos").effects
    elsewhere = Check(name="A/A", task="vernier", passed=False, line="A/A FAILED")
    fine = Check(name="A/A", task="digits12", passed=True, line="A/A passed")
    assert verdict_of(TrainedEvidence(effects=effects, checks=(elsewhere, fine))).word == "supported"


def test_no_evidence_is_untested_with_the_reason() -> None:
    verdict = verdict_of(TrainedEvidence(missing=("digits12-pools24",)))
    assert (verdict.word, verdict.reason) == ("untested", "no record: digits12-pools24")


def test_too_few_members_are_inconclusive_and_say_so(shown: Shown) -> None:
    few = {"seeds": (0, 1), "reason": "too few members: 2 pairs, at least 4 needed", "p_greater": 1.0, "p_less": 1.0}
    verdict = verdict_of(on(shown, "open", "open", **few))
    assert verdict.word == "inconclusive"
    assert "too few members: 2 pairs" in verdict.reason


def test_the_smallest_detectable_effect_stands_beside_every_inconclusive(shown: Shown) -> None:
    verdict = verdict_of(on(shown, "open", "null"))
    assert "smallest effect found with power .8: digits12" in verdict.reason
    alone = verdict_of(on(shown, "open", "null"), family=Family(claims=1, moderator_contrasts=0))
    found, easier = verdict.evidence["smallest_detectable"], alone.evidence["smallest_detectable"]
    assert found["digits12"] > easier["digits12"] > 0.01


# Match and moderators.


def test_another_match_overturns_only_when_neg_on_a_real_task(shown: Shown) -> None:
    effects = on(shown, "pos", "pos").effects

    def with_other(call: str, **changes: Any) -> Verdict:
        return verdict_of(TrainedEvidence(effects=(*effects, shown("digits12", call, match="macs", **changes))))

    overturned = with_other("neg")
    assert overturned.word == "qualified"
    assert overturned.condition == "at match none; reversed at match macs"
    assert with_other("null").word == with_other("open").word == "supported"
    assert with_other("neg", real=False).word == "supported"
    assert with_other("neg", headroom=0.0).word == "supported"
    undecided_claim = TrainedEvidence(effects=(*on(shown, "pos", "open").effects, shown(call="neg", match="macs")))
    assert verdict_of(undecided_claim).word == "inconclusive"


def test_the_primary_match_is_the_claims_own(shown: Shown) -> None:
    evidence = on(shown, "pos", "pos", match="macs")
    assert verdict_of(evidence, Directional(match="macs")).word == "supported"
    assert verdict_of(evidence, Directional(match="none")).word == "untested"


def moderator(shown: Shown, one: str, other: str, p: float, **changes: Any) -> ModeratorContrast:
    return ModeratorContrast(
        moderator="head",
        level_a="gap",
        level_b="flatten",
        p=p,
        effect_a=shown(call=one, **changes),
        effect_b=shown(call=other),
    )


@pytest.mark.parametrize(
    ("one", "other", "p", "word"),
    [
        ("pos", "null", 1e-4, "qualified"),
        ("neg", "pos", 1e-4, "qualified"),
        ("pos", "neg", 1e-4, "qualified"),
        ("pos", "null", 2e-3, "supported"),  # .002 > .05 / 40
        ("pos", "open", 1e-4, "supported"),
        ("neg", "null", 1e-4, "supported"),
    ],
)
def test_moderators_qualify_when_levels_differ_and_survive_holm(
    shown: Shown, one: str, other: str, p: float, word: str
) -> None:
    evidence = TrainedEvidence(effects=on(shown, "pos", "pos").effects, moderators=(moderator(shown, one, other, p),))
    verdict = verdict_of(evidence)
    assert verdict.word == word
    if word == "qualified":
        holds, fails = ("gap", "flatten") if one == "pos" else ("flatten", "gap")
        assert verdict.condition == f"head={holds}, not head={fails}"
        assert f"head={holds}" in verdict.reason
        assert f"head={fails}" in verdict.reason


def test_a_moderator_level_without_headroom_says_nothing(shown: Shown) -> None:
    weak = moderator(shown, "pos", "null", 1e-6, headroom=0.0)
    assert verdict_of(TrainedEvidence(effects=on(shown, "pos", "pos").effects, moderators=(weak,))).word == "supported"


# Mechanism claims.


def test_two_constructions_may_carry_a_mechanism(shown: Shown) -> None:
    rule = Directional(mechanism=True)
    synthetic = TrainedEvidence(effects=(shown("vernier", "pos", real=False), shown("phase", "pos", real=False)))
    verdict = verdict_of(synthetic, rule)
    assert (verdict.word, verdict.printed) == ("supported", "supported (mechanism)")
    dials = TrainedEvidence(
        effects=tuple(shown(f"vernier d={d}", "pos", real=False, construction="vernier") for d in (1, 3))
    )
    assert verdict_of(dials, rule).word == "inconclusive"
    real = verdict_of(on(shown, "pos", "pos"), rule)
    assert (real.word, real.mechanism) == ("supported", False)
    mixed = TrainedEvidence(effects=(*on(shown, "pos").effects, shown("vernier", "pos", real=False)))
    assert verdict_of(mixed, rule).printed == "supported (mechanism)"


def test_a_mechanism_is_negligible_when_null_on_two_constructions(shown: Shown) -> None:
    nulls = TrainedEvidence(effects=(shown("vernier", "null", real=False), shown("phase", "null", real=False)))
    assert verdict_of(nulls, Directional(mechanism=True)).word == "refuted"
    assert verdict_of(nulls).word == "untested"
    assert verdict_of(TrainedEvidence(effects=nulls.effects[:1]), Directional(mechanism=True)).word == "inconclusive"


def test_two_primary_effects_of_one_task_are_refused(shown: Shown) -> None:
    with pytest.raises(InvalidError, match="one primary effect"):
        verdict_of(on(shown, "pos", "pos").__class__(effects=(shown(), shown())))


# Qualified by task: the calls differ, and so do the effects, surely.


def between(shown: Shown, one: str, other: str, p: float, **changes: Any) -> TrainedEvidence:
    """One call on digits and another on textures, an open fashion, and the p of the difference of the first two."""
    effects = (shown("digits12", one), shown("textures12", other, **changes), shown("fashion12", "open"))
    pair = ModeratorContrast(
        moderator="task", level_a="digits12", level_b="textures12", effect_a=effects[0], effect_b=effects[1], p=p
    )
    return TrainedEvidence(effects=effects, tasks=(pair,))


SURE = 0.05 / 40


@pytest.mark.parametrize(
    ("one", "other", "condition"),
    [
        ("pos", "null", "on digits12, not on textures12"),
        ("null", "pos", "on textures12, not on digits12"),
        ("pos", "neg", "on digits12, not on textures12"),
        ("neg", "null", "reversed on digits12, not on textures12"),
        ("null", "neg", "reversed on textures12, not on digits12"),
        ("pos", "pos", None),
        ("pos", "open", None),
        ("null", "null", None),
    ],
)
def test_tasks_that_surely_differ_qualify(shown: Shown, one: str, other: str, condition: str | None) -> None:
    verdict = verdict_of(between(shown, one, other, SURE))
    assert (verdict.word == "qualified") is (condition is not None)
    assert verdict.condition == condition
    if condition:
        assert verdict.reason.startswith("by task")
        assert verdict_of(between(shown, one, other, 1.01 * SURE)).word != "qualified"


def test_tasks_that_bear_nothing_qualify_nothing(shown: Shown) -> None:
    assert verdict_of(between(shown, "pos", "null", 1e-9, headroom=0.0)).word == "inconclusive"
    assert verdict_of(between(shown, "pos", "null", 1e-9, real=False)).word == "inconclusive"
    built = between(shown, "pos", "null", 1e-9, real=False)
    assert verdict_of(built, Directional(mechanism=True)).word == "qualified"


def test_a_task_that_differs_comes_before_two_that_agree(shown: Shown) -> None:
    effects = on(shown, "pos", "pos", "null").effects
    pair = ModeratorContrast(
        moderator="task", level_a="digits12", level_b="fashion12", effect_a=effects[0], effect_b=effects[2], p=1e-6
    )
    assert verdict_of(TrainedEvidence(effects=effects)).word == "supported"
    assert verdict_of(TrainedEvidence(effects=effects, tasks=(pair,))).condition == "on digits12, not on fashion12"


def test_the_condition_names_every_task_that_surely_differs(shown: Shown) -> None:
    effects = on(shown, "pos", "null", "neg").effects
    pairs = tuple(
        ModeratorContrast(
            moderator="task",
            level_a=effects[a].setting.task,
            level_b=effects[b].setting.task,
            effect_a=effects[a],
            effect_b=effects[b],
            p=1e-6,
        )
        for a, b in ((0, 1), (0, 2), (1, 2))
    )
    verdict = verdict_of(TrainedEvidence(effects=effects, tasks=pairs))
    assert verdict.condition == "on digits12, not on textures12 and fashion12"


# Within N steps. The twin asks the estimate alone.


def trained_on(shown: Shown, call: str, low: float, high: float, **changes: Any) -> Longer:
    """The contrast on digits after three times the training: its 90 % interval."""
    span = Interval(low=low, high=high, level=0.9, kind="paired t")
    return Longer(effect=shown("digits12", call, interval90=span, **changes), steps=360)


@pytest.mark.parametrize(
    ("calls", "call", "low", "high", "word", "condition"),
    [
        (("pos", "pos"), "null", -0.004, 0.004, "qualified", "within 360 steps"),
        (("pos", "pos"), "neg", -0.040, -0.020, "qualified", "within 360 steps"),
        (("pos", "pos"), "open", -0.004, 0.0099, "qualified", "within 360 steps"),
        (("pos", "pos"), "open", -0.004, 0.0101, "supported", None),  # it may still be there
        (("pos", "pos"), "pos", 0.02, 0.04, "supported", None),
        (("neg", "neg"), "null", -0.004, 0.004, "qualified", "reversed within 360 steps"),
        (("neg", "neg"), "open", -0.0101, 0.004, "refuted", None),
        (("null", "null"), "null", -0.004, 0.004, "refuted", None),
        (("open", "pos", "pos"), "null", -0.004, 0.004, "supported", None),  # it does not rest on digits
        (("pos", "open", "open"), "null", -0.004, 0.004, "inconclusive", None),
    ],
)
def test_what_fades_with_training_is_qualified(
    shown: Shown, calls: tuple[str, ...], call: str, low: float, high: float, word: str, condition: str | None
) -> None:
    longer = trained_on(shown, call, low, high)
    verdict = verdict_of(TrainedEvidence(effects=on(shown, *calls).effects, longer=(longer,)))
    assert (verdict.word, verdict.condition) == (word, condition)
    assert ("three times the training" in verdict.sentence) is (word == "qualified")


def test_training_of_another_contrast_says_nothing(shown: Shown) -> None:
    longer = trained_on(shown, "null", -0.004, 0.004, contrast="another")
    evidence = TrainedEvidence(effects=on(shown, "pos", "pos").effects, longer=(longer,))
    assert verdict_of(evidence).word == "supported"


def test_what_is_qualified_by_task_may_also_fade(shown: Shown) -> None:
    longer = trained_on(shown, "null", -0.004, 0.004)
    verdict = verdict_of(replace(between(shown, "pos", "null", 1e-6), longer=(longer,)))
    assert verdict.condition == "on digits12, not on textures12; within 360 steps"


# Sentences.


def worded(shown: Shown, task: str, call: str, times: float, **changes: Any) -> Effect:
    """An effect in ratios of errors: so many times as many errors on the worse side."""
    sides = {"better": "two convolutions", "worse": "one", "metric": "test_accuracy", "margin": math.log(1.15)}
    size = math.log(times)
    span = {
        name: Interval(low=size - 0.1, high=size + 0.1, level=level, kind="paired t")
        for name, level in (("interval95", 0.95), ("interval90", 0.9))
    }
    return shown(task, call, estimate=size, points=0.031, **span, **{**sides, **changes})


def test_a_supported_claim_reads_as_one_plain_sentence(shown: Shown) -> None:
    effects = (
        worded(shown, "digits12 (noise 0.5)", "pos", 1.4),
        worded(shown, "textures12", "pos", 1.8),
        worded(shown, "fashion12", "null", 1.02),
    )
    verdict = verdict_of(TrainedEvidence(effects=effects))
    assert verdict.sentence == (
        "Holds on digits and textures: 1.4 to 1.8 times as many errors with one as with two convolutions; "
        "on fashion no difference that matters."
    )
    assert "digits12 (noise 0.5) x1.40 [1.27, 1.55] times the errors (+3.1 pp), n=12" in verdict.reason
    assert len(verdict.reason) < 240


@pytest.mark.parametrize(
    ("calls", "sizes", "said"),
    [
        (
            ("neg", "neg", "open"),
            (0.5, 0.5, 1.1),
            "The other way round on digits and textures: 2.0 times as many errors with two convolutions as with one; "
            "on fashion undecided.",
        ),
        (
            ("null", "null", "null"),
            (1.0, 1.0, 1.0),
            "No difference that matters on digits, textures and fashion between two convolutions and one.",
        ),
        (
            ("pos", "open", "null"),
            (1.4, 1.1, 1.0),
            "Not decided: on digits 1.4 times as many errors with one as with two convolutions; "
            "on fashion no difference that matters; on textures undecided.",
        ),
    ],
)
def test_every_word_has_its_sentence(shown: Shown, calls: tuple[str, ...], sizes: tuple[float, ...], said: str) -> None:
    effects = tuple(worded(shown, *one) for one in zip(TASKS, calls, sizes, strict=True))
    assert verdict_of(TrainedEvidence(effects=effects)).sentence == said


def test_sides_without_words_take_the_contrasts_name(shown: Shown) -> None:
    effects = tuple(worded(shown, task, "pos", 1.4, better="", worse="", contrast="k5 over k3") for task in TASKS[:2])
    said = verdict_of(TrainedEvidence(effects=effects)).sentence
    assert said == "Holds on digits and textures: k5 over k3: 1.4 times as many errors on the worse side."


def test_other_metrics_name_their_quantity(shown: Shown) -> None:
    effects = tuple(shown(task, "pos", better="ReLU", worse="tanh", metric="gradient_decay") for task in TASKS[:2])
    said = verdict_of(TrainedEvidence(effects=effects)).sentence
    assert said == "Holds on digits and textures: gradient decay higher by 0.03 with ReLU than with tanh."


def test_tasks_that_would_read_the_same_keep_their_names(shown: Shown) -> None:
    effects = tuple(shown(task, "pos") for task in ("digits8", "digits12"))
    assert "on digits8 and digits12:" in verdict_of(TrainedEvidence(effects=effects)).sentence


def test_a_quantity_that_is_a_difference_is_not_called_higher(shown: Shown) -> None:
    words = {
        "better": "before",
        "worse": "behind",
        "metric": "probe:x/drop",
        "measures": "accuracy before minus behind",
    }
    effects = tuple(shown(task, "neg", **words) for task in TASKS[:2])
    said = verdict_of(TrainedEvidence(effects=effects)).sentence
    assert said == "The other way round on digits and textures: accuracy before minus behind is -0.03."


@pytest.mark.parametrize(
    ("better", "worse", "said"),
    [
        ("two convolutions before the pool", "one convolution before the pool", "one convolution as with two convo"),
        ("two layers before the head", "a pool just before the head", "a pool just before the head as with two layers"),
        ("three between the pool and the head", "a pool and the head", "a pool and the head as with three between"),
        ("before the pool", "before the pool", "before the pool as with before the pool"),
    ],
)
def test_a_place_that_both_sides_end_with_is_said_once(shown: Shown, better: str, worse: str, said: str) -> None:
    effects = tuple(worded(shown, task, "pos", 1.4, better=better, worse=worse) for task in TASKS[:2])
    assert f"as many errors with {said}" in verdict_of(TrainedEvidence(effects=effects)).sentence


def test_sides_with_a_comma_do_not_run_into_one_another(shown: Shown) -> None:
    sides = {"better": "the first pool late, the last early", "worse": "the last pool last"}
    effects = tuple(worded(shown, task, "null", 1.0, **sides) for task in TASKS)
    said = verdict_of(TrainedEvidence(effects=effects)).sentence
    assert said.endswith(" fashion, be it the first pool late, the last early, or the last pool last.")


CAPS = {
    "rule changed after data (record x)": "rule changed after data",
    "the best learning rate ends the 8 that were tried in phase-d2w16-max0-relu-d58e3f751c": (
        "the best of the 8 learning rates that were tried is the first or the last, so another may be better"
    ),
    "gradient decay has no value for 1 of 8 members of digits12-d6w16-max2-relu-7aa0f8d280": (
        "1 of 8 nets of an arm lack a value of: gradient decay"
    ),
}


def test_what_may_not_be_read_says_so_plainly(shown: Shown) -> None:
    for cap, said in CAPS.items():
        verdict = verdict_of(TrainedEvidence(effects=on(shown, "pos").effects, caps=(cap,)))
        assert (verdict.reason, verdict.sentence) == (cap, f"Not judged: {said}.")
    assert verdict_of(TrainedEvidence()).sentence == "Not tested yet."
