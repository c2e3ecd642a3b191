"""The judge judged: planted effects are found and planted nulls kept at the rates the protocol states.

Bands are binomial: a stated rate must lie in Wilson's 99.9 % interval of the simulated one (rates in `protocol.md`
are themselves rounded to a percent, hence half a percent more on each side).
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from cnnlab.inference.effects import Sample, effect
from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.rules.directional import Directional
from cnnlab.inference.simulation import batch, verdicts
from cnnlab.inference.simulation.by_rules import Effector, Judge, by_rules, outcome
from cnnlab.inference.simulation.planting import Drawn, Planted, Scenario, draw
from cnnlab.inference.simulation.rates import Rates, disagreements, simulate
from cnnlab.inference.simulation.tuning import LearningRates, choices, divergences, losses
from cnnlab.spec.verdict import Call, Effect, Setting, Verdict

REPEATS = 1000
FAMILY = Family(claims=27, moderator_contrasts=40)
ROUNDING = 0.005
TUNED = LearningRates()


def planted(
    true_effect: float, sds: tuple[float, float] = (0.014, 0.007), looks: int = 1, **changes: object
) -> Scenario:
    blocks = {1: ((24,), (12,)), 2: ((12, 24), (8, 12))}[looks]
    tasks = tuple(
        Planted(task=name, effect=true_effect, sd=sd, blocks=members, **changes)  # type: ignore[arg-type]
        for name, sd, members in zip(("digits12", "fashion14"), sds, blocks, strict=True)
    )
    return Scenario(tasks=tasks, family=FAMILY)


def dirty(true_effect: float = 0.0, **changes: object) -> Scenario:
    """Everything at once: two looks, both learning rates, tuning by the rule, and members that diverge."""
    changes = {"looks": 2, "common_effect": true_effect, "tuning": TUNED, "divergence": 0.02, **changes}
    return planted(true_effect, **changes)  # type: ignore[arg-type]


def agrees(rates: Rates, outcome: str, stated: float) -> bool:
    found = rates.interval(outcome, 0.999)
    return found.low - ROUNDING <= stated <= found.high + ROUNDING


@pytest.mark.parametrize(
    ("true_effect", "outcome", "stated"),
    [
        (0.0, "negligible", 0.92),
        (0.005, "negligible", 0.39),
        (0.01, "supported", 0.21),
        (0.015, "supported", 0.92),
        (0.02, "supported", 0.999),
        (-0.015, "reversed", 0.92),
    ],
)
def test_rates_are_those_of_the_protocol(true_effect: float, outcome: str, stated: float) -> None:
    assert agrees(simulate(planted(true_effect), repeats=REPEATS, seed=1), outcome, stated)


@pytest.mark.parametrize(("true_effect", "outcome", "stated"), [(0.0, "negligible", 0.72), (0.015, "supported", 0.78)])
def test_rates_with_learning_rate_noise_are_those_of_the_protocol(
    true_effect: float, outcome: str, stated: float
) -> None:
    assert agrees(simulate(planted(true_effect, selection_sd=0.003), repeats=REPEATS, seed=2), outcome, stated)


def test_a_rate_that_is_not_stated_is_found() -> None:
    assert not agrees(simulate(planted(0.015), repeats=REPEATS, seed=1), "supported", 0.80)


# Arrays against the very rule code, verdict by verdict. The twins break one part of the arrays.

KINDS = {
    "plain": planted(0.01),
    "two looks": planted(0.012, looks=2, common_effect=0.008),
    "tuned, diverging": dirty(0.01),
    "both sides diverge": dirty(0.015, divergence=0.08, divergence_worse=0.08),
    "another match": replace(dirty(0.02), matched=dirty(-0.01).tasks[:1]),
    "moderators": replace(dirty(0.01), moderators=((0.02, 0.0), (0.0, 0.0), (0.01, -0.01))),
    "a mechanism": replace(planted(0.012, looks=2, real=False), rule=Directional(mechanism=True)),
    "primary match macs": replace(dirty(0.02), rule=Directional(match="macs"), matched=dirty(0.0).tasks),
    "too few members": Scenario(
        tasks=tuple(Planted(task=name, effect=0.05, sd=0.01, blocks=(4, 8)) for name in "ab"), family=FAMILY
    ),
}


def alike(kind: str, checked: int = 60) -> bool:
    return disagreements(KINDS[kind], repeats=checked, checked=checked, seed=3) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_judge_as_the_rule_code_does(kind: str) -> None:
    assert alike(kind)


def test_twin_with_other_degrees_of_freedom_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = batch.students
    monkeypatch.setattr(batch, "students", lambda differences, level: right(differences, 1 - (1 - level) * 2))
    assert not alike("plain", 400)


def test_twin_that_ignores_divergence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "any_lost", lambda lost: np.zeros(len(lost), bool))
    assert not alike("both sides diverge")


def test_twin_without_second_looks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "_undecided", lambda contrasts, now, words: {})
    assert not alike("two looks")


def test_twin_that_reads_no_other_match_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = KINDS["another match"]
    blind = replace(scenario, matched=())
    drawn = draw(scenario, 60, 3)
    assert (verdicts.outcomes(scenario, drawn) != verdicts.outcomes(blind, without_matched(drawn))).any()


def without_matched(drawn: Drawn) -> Drawn:
    return replace(drawn, contrasts=tuple(one for one in drawn.contrasts if one.match == "none"))


# Mirrors.


@pytest.mark.parametrize("kind", ["plain", "both sides diverge", "a mechanism"])
def test_swapped_arms_mirror_every_verdict(kind: str) -> None:
    """The same draws with better and worse exchanged; own learning rates alone, where every word has its mirror."""
    scenario = replace(
        KINDS[kind], tasks=tuple(replace(task, common_effect=None) for task in KINDS[kind].tasks), matched=()
    )
    drawn = draw(scenario, 500, 4)
    swapped = replace(drawn, contrasts=tuple(replace(one, arms=exchanged(one.arms)) for one in drawn.contrasts))
    mirror = {"supported": "reversed", "reversed": "supported"}
    words = verdicts.outcomes(scenario, drawn).tolist()
    mirrored = [mirror[word] if word in mirror else word for word in words]
    assert mirrored == verdicts.outcomes(scenario, swapped).tolist()
    assert {"supported", "inconclusive"} <= set(words)


def exchanged(arms: object) -> object:
    found = arms.__class__(  # type: ignore[call-arg]
        better=arms.worse,
        worse=arms.better,
        lost_better=arms.lost_worse,
        lost_worse=arms.lost_better,  # type: ignore[attr-defined]
    )
    return found


def test_swapped_scenarios_are_mirrored_in_distribution() -> None:
    scenario = planted(0.012, divergence=0.02)
    one = simulate(scenario, repeats=REPEATS, seed=3)
    other = simulate(scenario.swapped(), repeats=REPEATS, seed=4)
    assert abs(one.rate("supported") - other.rate("reversed")) < 4.7 * (0.25 / REPEATS) ** 0.5
    assert one.rate("reversed") == other.rate("supported") == 0


# Safety under nulls with tuning and divergence inside.


def is_safe(rates: Rates) -> bool:
    """No sign that more than 2.5 % are supported, or reversed, where nothing is."""
    return all(rates.interval(outcome, 0.99).low <= 0.025 for outcome in ("supported", "reversed"))


def calls_any_sign(better: Sample, worse: Sample, setting: Setting) -> Effect:
    """Fault: the sign of the point estimate is the call, and its p is 0."""
    found = effect(better, worse, setting)
    call: Call = "pos" if found.estimate > 0 else "neg"
    return replace(found, call=call, p_greater=float(call == "neg"), p_less=float(call == "pos"))


def simulate_by_rules(
    scenario: Scenario, *, repeats: int, seed: int, effector: Effector = effect, judging: Judge = judge
) -> Rates:
    """Do as `simulate` by the rule code itself. `effector` and `judging` may be faulty, to see the fault found."""
    drawn = draw(scenario, repeats, seed)
    words = [outcome(by_rules(scenario, drawn, row, effector, judging)) for row in range(repeats)]
    return Rates(counts=dict(Counter(words)), repeats=repeats)


def dirty_by_rules(effector: Effector) -> Rates:
    return simulate_by_rules(dirty(), repeats=150, seed=5, effector=effector)


def test_nulls_stay_unsupported_with_tuning_and_divergence_inside() -> None:
    assert is_safe(simulate(dirty(), repeats=REPEATS, seed=5))
    assert is_safe(dirty_by_rules(effect))


def test_twin_that_calls_the_sign_is_found() -> None:
    assert not is_safe(dirty_by_rules(calls_any_sign))


def falsely_supported_families() -> float:
    """Lower bound of how often one of 27 claims without any effect is supported: six noisy tasks, hardly a margin."""
    tasks = tuple(Planted(task=name, effect=0.0, sd=0.02, blocks=(12,), margin=1e-6) for name in "abcdef")
    rates = simulate.__wrapped__(Scenario(tasks=tasks, family=FAMILY), repeats=4000, seed=6)
    return 1 - (1 - rates.interval("supported", 0.99).low) ** FAMILY.claims


def test_a_family_of_nulls_is_rarely_supported() -> None:
    assert falsely_supported_families() <= 0.025


def test_twin_without_holm_supports_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "ONE_SIDED", 1e9)
    assert falsely_supported_families() > 0.05


# Moderators: a complete null with many contrasts, judged over the registered family and, as a fault, singly.


def moderated() -> Scenario:
    return replace(planted(0.0, sds=(0.006, 0.006)), moderators=((0.0085, 0.0085),) * 20)


def without_family(cases: dict[str, Case], family: Family) -> dict[str, Verdict]:
    """Fault: every moderator contrast is tested as if it were the only one."""
    evidence = cases["planted"].evidence
    for contrast in evidence.moderators:
        single = replace(evidence, moderators=(contrast,))
        verdict = judge(
            {"planted": replace(cases["planted"], evidence=single)}, Family(claims=27, moderator_contrasts=1)
        )
        if verdict["planted"].word == "qualified":
            return verdict
    return judge({"planted": replace(cases["planted"], evidence=replace(evidence, moderators=()))}, family)


def test_moderators_rarely_qualify_where_levels_do_not_differ() -> None:
    assert simulate(moderated(), repeats=1000, seed=6).interval("qualified", 0.99).low <= 0.05


def test_twin_without_the_moderator_family_is_found() -> None:
    rates = simulate_by_rules(moderated(), repeats=100, seed=6, judging=without_family)
    assert rates.interval("qualified", 0.99).low > 0.05


def test_a_real_moderator_is_found() -> None:
    scenario = replace(planted(0.0), moderators=((0.03, 0.0),))
    assert simulate(scenario, repeats=400, seed=7).rate("qualified by moderator") > 0.8


def test_a_true_dependence_on_the_learning_rate_is_found() -> None:
    found = simulate(planted(0.02, common_effect=0.0), repeats=400, seed=8)
    assert found.rate("qualified by learning rate") > 0.8


def test_a_true_dependence_on_the_match_is_found() -> None:
    found = simulate(replace(planted(0.02), matched=planted(-0.02).tasks), repeats=400, seed=8)
    assert found.rate("qualified by match") > 0.8
    assert found.rate("qualified") == found.rate("qualified by match")


def test_same_seed_same_counts_and_other_seed_other_counts() -> None:
    plain = simulate.__wrapped__
    one, again, other = (plain(planted(0.01), repeats=200, seed=seed).counts for seed in (1, 1, 2))
    assert one == again
    assert one != other


# Tuning inside the simulation.


def selection_noise(rates: LearningRates, *, repeats: int) -> float:
    """Standard deviation that tuning both arms adds to a contrast of two equal ones."""
    found = choices(rates, repeats)
    gaps = losses(rates, found.worse) - losses(rates, found.better)
    return float(np.std(gaps, ddof=1))


def test_more_tuning_seeds_leave_less_noise_in_a_contrast() -> None:
    noise = {seeds: selection_noise(replace(TUNED, tuning_seeds=seeds), repeats=400) for seeds in (2, 8)}
    assert noise[8] < noise[2] < 0.02


def test_tuning_without_noise_ends_within_an_octave_of_the_best() -> None:
    sure = replace(TUNED, seed_sd=0.0, validation_images=10**9, edge=9.0)
    found = choices(sure, 200)
    assert np.abs(found.better).max() <= 0.5 + 1e-9
    assert (found.better == found.worse).all()
    assert selection_noise(sure, repeats=200) == 0


def test_members_diverge_beyond_the_edge_and_hardly_at_the_best() -> None:
    rates = divergences(TUNED, np.array([0.0, TUNED.edge, 4.0]))
    assert rates[0] < 0.02
    assert rates[1] == pytest.approx(0.5)
    assert rates[2] > 0.98


def test_what_is_drawn_has_the_spread_correlation_and_divergence_that_is_planted() -> None:
    task = Planted(task="a", effect=0.02, sd=0.014, blocks=(50,), correlation=0.4, divergence=0.1)
    arms = draw(Scenario(tasks=(task,), family=FAMILY), 400, 9).contrasts[0].arms
    kept = ~arms.lost
    assert arms.differences[kept].mean() == pytest.approx(0.02, abs=5e-4)
    assert arms.differences[kept].std() == pytest.approx(0.014, rel=0.03)
    assert np.corrcoef(arms.better[kept], arms.worse[kept])[0, 1] == pytest.approx(0.4, abs=0.03)
    assert arms.lost_better.mean() == pytest.approx(0.1, abs=0.01)
    assert not arms.lost_worse.any()
    assert (arms.better[arms.lost_better] == task.chance).all()
