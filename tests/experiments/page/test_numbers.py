"""What the board and the claims' pages print in a browser is what `judge --json` says of the same results folder."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cnnlab.files import json_text
from cnnlab.spec.verdict import ERROR_RATIOS
from experiments import judge, report
from experiments.claims.registry import claims, entries
from experiments.page import building, evidence
from experiments.page.view import Context
from experiments.paths import ROOT, published
from experiments.reports.claim import verdict_data

from ..conftest import Door

pytestmark = pytest.mark.slow

Shown = Mapping[str, Any]
NUMBER = re.compile(r"([+−]?)(∞|unknown|\d[\d,]*(?:\.\d+)?(?:e[+−]?\d+)?)")
READ = """() => Object.fromEntries([...document.querySelectorAll("article.claim")].map((article) => {
  const row = [...document.querySelectorAll("table.board tbody tr")]
    .find((one) => one.querySelector("a").hash === `#${article.id}`);
  const texts = (of, what) => [...of.querySelectorAll(what)].map((one) => one.textContent.replace(/\\s+/g, " ").trim());
  return [article.id.replace("claim-", ""), {
    words: [...texts(row, ".word"), ...texts(article, ".word")],
    boardN: row.cells[3].textContent,
    marks: texts(row, "td.effect g.mark title"),
    contrasts: [...article.querySelectorAll(".contrast")].map((one) => texts(one, "p")),
    rows: [...(article.querySelector("details table")?.rows ?? [])].slice(1).map((one) => texts(one, "td")),
    strips: [...article.querySelectorAll(".contrast svg")].map((one) => one.ariaLabel),
  }];
}))"""


CHANGE = "([place, text]) => { document.querySelector(place).textContent = text; }"


def numbers(text: str) -> list[tuple[float, float]]:
    """The numbers of a text, each with half a unit of its last digit; infinite ones are told apart by their sign."""
    found = []
    for sign, digits in NUMBER.findall(text):
        minus = -1 if sign == "−" else 1
        if digits in ("∞", "unknown"):
            found.append((minus * math.inf, 0.0))
            continue
        plain = digits.replace(",", "").replace("−", "-")
        mantissa, _, power = plain.partition("e")
        decimals = len(mantissa.partition(".")[2]) - int(power or 0)
        found.append((minus * float(plain), 0.5 * 10.0**-decimals))
    return found


def effects_of(claim: Shown) -> list[Shown]:
    """Every contrast of a verdict."""
    found: list[Shown] = claim["evidence"]["effects"] if "effects" in claim["evidence"] else []
    return found


def is_ratio(effect: Shown) -> bool:
    """Whether a contrast is the log of a ratio of errors."""
    return effect["setting"]["metric"] in ERROR_RATIOS


def meant(effect: Shown) -> list[float | None]:
    """Estimate and interval as a reader gets them: ratios of errors, and percentage points; None: no end."""
    span = effect["interval95"]
    three = [effect["estimate"], span["low"], span["high"]]
    if not is_ratio(effect):
        return three
    ratios = [None if value is None else math.exp(value) for value in three]
    if effect["points"] is None:
        return ratios
    beside = effect["points95"]
    points = [effect["points"], *([] if beside is None else [beside["low"], beside["high"]])]
    return [*ratios, *(None if value is None else 100 * value for value in points)]


def told(text: str, expected: Sequence[float | None]) -> bool:
    """Whether a text begins with these numbers, each to its last digit. An end that is None is endless."""
    found = numbers(text)[: len(expected)]
    return len(found) == len(expected) and all(
        math.isinf(value) or value == 0.0 if own is None else abs(value - own) <= half * 1.001 + 1e-12 * abs(own)
        for (value, half), own in zip(found, expected, strict=True)
    )


def differing(shown: Mapping[str, Shown], judged: Sequence[Shown]) -> list[str]:
    """Where the page does not say what the judge says: claim, place, and what stands there."""
    wrong = []
    for claim in judged:
        name, there = claim["id"], shown[claim["id"]]
        effects = effects_of(claim)
        wrong += [f"{name}: {word}" for word in there["words"] if word.split(" ", 1)[1] != claim["verdict"]]
        n = "" if claim["n"] is None else f"{claim['n']:,}"
        wrong += [] if there["boardN"] == n else [f"{name}, board: n = {there['boardN']}"]
        counts = {"board": len(there["marks"]), "page": len(there["contrasts"]), "table": len(there["rows"])}
        expected = {"board": min(10, len(effects)), "page": len(effects), "table": len(effects)}
        wrong += [f"{name}: contrasts {counts}"] if counts != expected else []
        for place, effect in enumerate(effects):
            many, own = len(effect["seeds"]), meant(effect)
            wrong += [] if told(there["strips"][place], own) else [f"{name}, page's strip: {there['strips'][place]}"]
            for mark in there["marks"][place : place + 1]:
                where, _, rest = mark.partition(": ")
                fits = told(rest, own) and rest.endswith(f", n = {many}")
                wrong += [] if fits and effect["setting"]["task"] in where else [f"{name}, strip: {mark}"]
            _, _, difference, call = there["contrasts"][place]
            fits = told(difference, own) and call.endswith(f"; n = {many}")
            wrong += [] if fits else [f"{name}, page: {difference}, {call}"]
            _, count, again, *_ = there["rows"][place]
            wrong += [] if count == str(many) and told(again, own) else [f"{name}, table: {again}, n = {count}"]
    return wrong


def read(browser: Any, path: Path) -> Any:
    """A tab that shows a page."""
    tab = browser.new_context(offline=True).new_page()
    tab.goto(path.as_uri())
    tab.wait_for_function("drawn.section")
    return tab


def test_every_number_of_a_trained_claim_is_the_judges(
    browser: Any, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with a part that is computed, too; what the judge computed is kept for the page, as between commands."""
    monkeypatch.setenv("CNNLAB_PUBLISHED", str(ROOT / "results" / "published"))
    trained = {name: entry for name, entry in entries().items() if claims()[name].trained}
    for module in (building, evidence):
        monkeypatch.setattr(module, "entries", lambda: trained)
    cache, path = f"cache={tmp_path}", tmp_path / "report.html"
    judged = json.loads(door(judge.main, *trained, "--json", f"results={published()}", cache).out)
    page = door(report.main, "--only", "board", "--results", str(published()), "--out", str(path), cache)
    assert (page.code, page.err) == (0, "")
    assert differing(read(browser, path).evaluate(READ), judged) == []
    assert len(trained) >= 24
    assert sum(map(evidence.computed, trained)) >= 12
    assert sum(len(effects_of(claim)) for claim in judged) > 100


def test_a_changed_number_is_found(browser: Any, opened: Path, context: Context) -> None:
    """A digit, a count or a word that is changed on the page; and another verdict."""
    assert context.verdicts is not None
    told = [verdict_data(entry, context.verdicts[name]) for name, entry in entries().items()]
    twins(read(browser, opened), json.loads(json_text(told)))


def twins(page: Any, judged: list[dict[str, Any]]) -> None:
    """Change one thing after the other."""
    assert differing(page.evaluate(READ), judged) == []
    ratio = next(claim["id"] for claim in judged if any(map(is_ratio, effects_of(claim))))
    row, claim = f"tr:has(a[href='#claim-{ratio}'])", f"#claim-{ratio}"
    for place, what, becomes in (
        (f"{row} g.mark title", r"\d\.\d", "9.9"),
        (f"{row} td.number", r"\d+", "99999"),
        (f"{row} .word", "$", "!"),
        (f"{claim} .word", "$", "!"),
        (f"{claim} .contrast > :last-child .what", r"\d\.\d", "9.9"),
        (f"{claim} .contrast > :last-child .note", r"n = \d+", "n = 99999"),
        (f"{claim} details td:nth-child(3)", r"\d\.\d", "9.9"),
    ):
        text = page.locator(place).first.text_content()
        page.evaluate(CHANGE, [place, re.sub(what, becomes, text, count=1)])
        assert differing(page.evaluate(READ), judged) != [], place
        page.evaluate(CHANGE, [place, text])
        assert differing(page.evaluate(READ), judged) == [], place
    judged[0]["verdict"] = "another word"
    assert differing(page.evaluate(READ), judged) != []
