"""R-DIR v2, clause by clause, on hand-made effects; each clause has a rule without it that must fail the same check."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cnnlab.inference.checks import Check
from cnnlab.inference.family import Case, Family, judge, undecided
from cnnlab.inference.rules.contract import Decisions, ModeratorContrast, PValues, TrainedEvidence
from cnnlab.inference.rules.directional import Directional
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import Effect, Verdict

Shown = Callable[..., Effect]
FAMILY = Family(claims=27, moderator_contrasts=40)


def verdict_of(evidence: TrainedEvidence, rule: Any = Directional(), family: Family = FAMILY) -> Verdict:  # noqa: B008
    return judge({"claim": Case(rule=rule, evidence=evidence)}, family)["claim"]


def on(shown: Shown, *calls: str, **changes: Any) -> TrainedEvidence:
    """Evidence with these calls on digits12, fashion14, and then synthetic tasks."""
    names = ("digits12", "fashion14", "vernier", "phase")
    effects = tuple(
        shown(name, call, real=name in names[:2], **changes) for name, call in zip(names, calls, strict=False)
    )
    return TrainedEvidence(effects=effects)


@pytest.mark.parametrize(
    ("calls", "word", "starts"),
    [
        (("pos", "pos"), "supported", "Pos"),
        (("neg", "neg"), "refuted", "reversed"),
        (("null", "null"), "refuted", "negligible"),
        (("null", "null", "neg"), "refuted", "negligible"),
        (("null", "null", "pos"), "inconclusive", ""),
        (("pos", "null"), "inconclusive", ""),
        (("pos", "open"), "inconclusive", ""),
        (("pos", "pos", "neg"), "inconclusive", "tasks disagree"),
        (("neg", "neg", "pos"), "inconclusive", "tasks disagree"),
        (("pos", "open", "pos"), "supported", "Pos"),
        (("pos", "null", "pos"), "supported", "Pos"),
        (("null", "open"), "inconclusive", ""),
        (("open", "open", "pos", "pos"), "inconclusive", ""),
    ],
)
def test_calls_of_tasks_make_the_word(shown: Shown, calls: tuple[str, ...], word: str, starts: str) -> None:
    verdict = verdict_of(on(shown, *calls))
    assert verdict.word == word
    assert verdict.reason.startswith(starts)
    assert "\n" not in verdict.reason


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


def test_one_task_cannot_support_but_one_real_task_can_show_the_effect_negligible(shown: Shown) -> None:
    assert verdict_of(on(shown, "pos")).word == "inconclusive"
    assert verdict_of(on(shown, "null")).word == "refuted"


# Eligibility. The check takes any rule; the twin counts every task.


@dataclass(frozen=True, kw_only=True)
class CountsEveryTask(Directional):
    """Fault: a task without headroom counts."""

    def _counted(self, evidence: TrainedEvidence) -> tuple[Effect, ...]:
        return self._primary(evidence)


def ignores_tasks_without_headroom(shown: Shown, rule: Directional) -> bool:
    flat = shown("fashion14", "pos", headroom=0.02)
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


def test_the_second_smallest_p_decides_and_the_look_is_paid_for(shown: Shown) -> None:
    rule = Directional()
    effects = (shown("digits12", "pos", p_greater=1e-9), shown("fashion14", "pos", p_greater=4e-4))
    assert rule.p_values(TrainedEvidence(effects=effects)).greater == pytest.approx(4e-4)
    first = (effects[0], shown("fashion14", "pos", p_greater=4e-4, look="first"))
    assert rule.p_values(TrainedEvidence(effects=first)).greater == pytest.approx(1e-3)
    assert verdict_of(TrainedEvidence(effects=effects)).word == "supported"
    assert verdict_of(TrainedEvidence(effects=first)).word == "inconclusive"  # .001 > .025 / 27


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
    assert undecided(verdict) == ()


def test_a_check_caps_only_where_its_task_counts_and_only_if_it_failed(shown: Shown) -> None:
    effects = on(shown, "pos", "pos").effects
    elsewhere = Check(name="A/A", task="vernier", passed=False, line="A/A FAILED")
    fine = Check(name="A/A", task="digits12", passed=True, line="A/A passed")
    assert verdict_of(TrainedEvidence(effects=effects, checks=(elsewhere, fine))).word == "supported"


def test_no_evidence_is_untested_with_the_reason() -> None:
    verdict = verdict_of(TrainedEvidence(missing=("digits12-pools24",)))
    assert (verdict.word, verdict.reason) == ("untested", "no record: digits12-pools24")


def test_too_few_members_are_inconclusive_and_say_so(shown: Shown) -> None:
    few = {"seeds": (0, 1), "reason": "too few members: 2 pairs, at least 6 needed", "p_greater": 1.0, "p_less": 1.0}
    verdict = verdict_of(on(shown, "open", "open", **few))
    assert verdict.word == "inconclusive"
    assert "too few members: 2 pairs" in verdict.reason


def test_the_smallest_detectable_effect_stands_beside_every_inconclusive(shown: Shown) -> None:
    verdict = verdict_of(on(shown, "open", "null"))
    assert "smallest effect found with power .8: digits12" in verdict.reason
    alone = verdict_of(on(shown, "open", "null"), family=Family(claims=1, moderator_contrasts=0))
    found, easier = verdict.evidence["smallest_detectable"], alone.evidence["smallest_detectable"]
    assert found["digits12"] > easier["digits12"] > 0.01


# Match, learning rate, moderators.


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


@pytest.mark.parametrize(
    ("own", "common", "word"),
    [
        ("pos", "pos", "supported"),
        ("pos", "open", "supported"),
        ("pos", "null", "qualified"),
        ("pos", "neg", "qualified"),
        ("null", "pos", "qualified"),
        ("neg", "pos", "qualified"),
        ("neg", "null", "refuted"),
        ("null", "neg", "refuted"),
    ],
)
def test_learning_rates_that_disagree_qualify(shown: Shown, own: str, common: str, word: str) -> None:
    names = ("digits12", "fashion14")
    effects = [shown(name, own) for name in names] + [shown(name, common, condition="common") for name in names]
    verdict = verdict_of(TrainedEvidence(effects=tuple(effects)))
    assert verdict.word == word
    if word == "qualified":
        assert "learning rate" in verdict.reason
        assert verdict.condition is not None


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
    assert verdict_of(synthetic).word == "inconclusive"
    dials = TrainedEvidence(
        effects=tuple(shown(f"vernier d={d}", "pos", real=False, construction="vernier") for d in (1, 3))
    )
    assert verdict_of(dials, rule).word == "inconclusive"
    real = verdict_of(on(shown, "pos", "pos"), rule)
    assert (real.word, real.mechanism) == ("supported", False)


def test_a_mechanism_is_negligible_when_null_on_two_constructions(shown: Shown) -> None:
    nulls = TrainedEvidence(effects=(shown("vernier", "null", real=False), shown("phase", "null", real=False)))
    assert verdict_of(nulls, Directional(mechanism=True)).word == "refuted"
    assert verdict_of(nulls).word == "inconclusive"
    assert verdict_of(TrainedEvidence(effects=nulls.effects[:1]), Directional(mechanism=True)).word == "inconclusive"


def test_two_primary_effects_of_one_task_are_refused(shown: Shown) -> None:
    with pytest.raises(InvalidError, match="one primary effect"):
        verdict_of(on(shown, "pos", "pos").__class__(effects=(shown(), shown())))


# Second blocks.


def test_second_blocks_run_only_where_an_inconclusive_claim_is_open(shown: Shown) -> None:
    open_claim = verdict_of(on(shown, "null", "open", "pos", look="first"))
    assert [at.task for at in undecided(open_claim)] == ["fashion14", "vernier"]
    assert undecided(verdict_of(on(shown, "pos", "pos", look="first"))) == ()
    assert undecided(verdict_of(on(shown, "null", "open", look="second"))) == ()


def test_learning_rates_that_disagree_at_the_first_look_get_their_second(shown: Shown) -> None:
    own = on(shown, "pos", "pos", look="first").effects
    common = (shown("digits12", "null", condition="common", look="first"),)
    verdict = verdict_of(TrainedEvidence(effects=own + common))
    assert verdict.word == "qualified"
    assert [(at.task, at.condition) for at in undecided(verdict)] == [("digits12", "own"), ("digits12", "common")]
