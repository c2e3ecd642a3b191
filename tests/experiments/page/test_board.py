"""The board prints what was judged: places on strips, numbers in words, every claim once."""

import math
from dataclasses import replace

import pytest

from cnnlab.spec.verdict import WORDS, Effect, Interval, Setting, Verdict
from experiments.page.document import document
from experiments.page.statement import Statement
from experiments.page.view import Context, choose_views
from experiments.page.views.board import CLAUSE, board, clause, difference, make, mark, place, points

pytestmark = pytest.mark.slow

SETTING = Setting(task="digits12", real=True, construction="digits", margin=0.34, headroom=0.2, metric="over_linear")


def effect(estimate: float, low: float, high: float, setting: Setting = SETTING) -> Effect:
    """An effect with this interval."""
    span = Interval(low=low, high=high, level=0.95, kind="paired t")
    ratio = setting.ratio
    return Effect(
        setting=setting,
        seeds=(1, 2, 3),
        note="",
        mean=estimate,
        sd=0.1,
        estimate=estimate,
        interval95=span,
        interval90=span,
        p_greater=0.5,
        p_less=0.5,
        call="pos",
        reason="",
        diverged_better=0,
        diverged_worse=0,
        diverged_p=1.0,
        smallest_detectable=0.3,
        points=0.021 if ratio else None,
        points95=Interval(low=-0.004, high=0.05, level=0.95, kind="paired t") if ratio else None,
    )


def test_a_strip_is_even_about_nothing_and_ascends() -> None:
    places = [place(value) for value in (-math.inf, -20, -3, -1, 0, 1, 3, 20, math.inf)]
    assert places[4] == 0.5
    assert places == sorted(places)
    assert [round(1 - value, 4) for value in reversed(places)] == places
    assert (places[0], places[-1]) == (0, 1)


def test_an_effect_stands_in_multiples_of_its_own_margin() -> None:
    found = mark(effect(0.34, 0.0, 0.68))
    assert (found["low"], found["middle"], found["high"]) == (place(0), place(1), place(2))
    twice = mark(effect(0.34, 0.0, 0.68, replace(SETTING, margin=0.17)))
    assert twice["middle"] == place(2)


def test_an_interval_without_an_end_has_an_arrow_there() -> None:
    assert mark(effect(0.0, -math.inf, 0.1))["beyond"] == (True, False)
    assert mark(effect(0.0, -0.1, 0.1))["beyond"] == (False, False)


def test_an_effect_without_a_margin_is_not_called_a_multiple_of_it() -> None:
    assert mark(effect(0.02, 0.01, 0.03, replace(SETTING, margin=0.0)))["margin"] is False


def test_a_log_ratio_of_errors_reads_as_a_ratio_with_points_beside() -> None:
    told = difference(effect(math.log(1.4), math.log(1.1), math.log(1.8)))
    assert told == "the other side makes 1.40 [1.10, 1.80] times the errors, +2.1 [−0.4, +5.0] points"


def test_another_metric_reads_as_it_is() -> None:
    plain = replace(SETTING, metric="dead_share")
    assert difference(effect(-0.02, -0.04, math.inf, plain)) == "−0.02 [−0.04, ∞] dead share"


def test_points_are_percentages() -> None:
    assert points(-0.031, None) == "−3.1 points"


def test_the_sentence_stands_on_the_board_else_the_first_clause() -> None:
    verdict = Verdict(word="supported", reason="first; second", sentence="Plain words.")
    assert clause(verdict) == "Plain words."
    assert clause(replace(verdict, sentence="")) == "first"
    long = clause(replace(verdict, sentence="word " * 100))
    assert len(long) <= CLAUSE
    assert long.endswith("word …")


def test_every_claim_has_one_row_in_the_order_of_the_notes(context: Context) -> None:
    assert context.verdicts is not None
    rows = board(context.verdicts, context.statements, {})
    assert [row["id"] for row in rows] == list(context.statements)
    assert len(rows) == 57
    assert [row["word"] for row in rows] == [context.verdicts[row["id"]].word for row in rows]
    assert {row["word"] for row in rows} == set(WORDS)


def test_a_claim_that_was_not_judged_is_untested() -> None:
    statements = {"a": Statement(family="strides", kind="exact", says="A claim.")}
    (row,) = board({}, statements, {})
    assert (row["word"], row["clause"]) == ("untested", "not judged for this page")


def test_numbers_and_intervals_stand_on_the_page(context: Context, page: bytes) -> None:
    assert context.verdicts is not None
    text = page.decode()
    for verdict in context.verdicts.values():
        for one in verdict.effects:
            assert difference(one) in text
        assert verdict.reason in text


def test_the_finding_counts_the_words(context: Context) -> None:
    content = make(context)
    assert content is not None
    assert content.finding.startswith("57 claims about convolutional networks: 10 supported, 10 refuted")


def test_own_claims_stand_in_a_register_of_their_own(context: Context) -> None:
    """The twin: without them there is one register, and nothing is said of another."""
    own = Statement(family="mine", kind="empirical", says="A claim of mine.", source="CNNLAB_EXTRA")
    more = replace(
        context,
        statements={**context.statements, "my-claim": own},
        verdicts={**(context.verdicts or {}), "my-claim": Verdict(word="refuted", reason="a reason of mine")},
    )
    content, alone = make(more), make(context)
    assert content is not None
    assert alone is not None
    assert content.finding == f"{alone.finding} 1 own claim of CNNLAB_EXTRA, apart from these: 1 refuted."
    assert [(source, len(rows)) for source, rows in content.static["registers"]] == [("", 57), ("CNNLAB_EXTRA", 1)]
    page, without = (document(choose_views(["board"]), one).decode() for one in (more, context))
    tables = page.split('<table class="board">')
    assert 'href="#claim-my-claim"' not in tables[1].partition("</table>")[0]
    assert 'href="#claim-my-claim"' in tables[2]
    assert "Own claims of CNNLAB_EXTRA" in page
    assert "Own claims" not in without


def test_a_changed_verdict_changes_the_page(context: Context) -> None:
    assert context.verdicts is not None
    changed = {**context.verdicts, "cov-table": Verdict(word="refuted", reason="another reason")}
    page = document(choose_views(["board"]), replace(context, verdicts=changed)).decode()
    assert "another reason" in page


@pytest.mark.parametrize("word", WORDS)
def test_a_verdict_is_told_by_word_and_sign_not_by_colour_alone(word: str, page: bytes) -> None:
    assert f'<span class="word {word}"><span aria-hidden="true">' in page.decode()


def test_the_page_says_that_members_of_some_contrasts_alone_are_drawn(context: Context) -> None:
    """The twin: nothing is said where all are drawn."""
    name = "mp-after-two-convs"
    verdict = (context.verdicts or {})[name]
    two = replace(verdict, effects=(effect(0.3, 0.1, 0.5), effect(0.2, 0.1, 0.3)))
    for effects, told in ((two.effects, True), (two.effects[:1], False)):
        given = {**(context.verdicts or {}), name: replace(two, effects=effects)}
        shown = document(choose_views(["board"]), replace(context, verdicts=given)).decode()
        assert ("The members of 1 of these 2 contrasts" in shown) is told
