"""What README.md and docs/results.md say was found, written from the published verdicts and never by hand."""

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnnlab.files import write_bytes
from cnnlab.inference.sentences import without_tail
from cnnlab.inference.wording import times
from cnnlab.report import canvas
from cnnlab.spec.verdict import ERROR_RATIOS, WORDS, Number
from experiments.analysis.selection import MADE
from experiments.claims.registry import claims_fed_by, register
from experiments.cli.errors import UsageError
from experiments.paths import ROOT
from experiments.reports import front_figure, replication
from experiments.reports.claim import printed
from experiments.reports.sweep import related

DECIDED = ("supported", "refuted", "qualified")
FINDINGS, MOST_TRAINED = 6, 4
"""How many findings README shows, and how many of them training has decided."""
TRAINED = (
    "mp-after-two-convs",
    "st-info-loss",
    "sig-vanishes",
    "lin-depth-useless",
    "k3-symmetry-finer",
    "pad-keeps-size",
    "tanh-same",
    "st-bad-when-detail-needed",
    "depth-learn-slowly",
    "lin-no-backprop",
    "mp-after-features",
    "mp-not-near-output",
)
COMPUTED = ("st2-coverage-counts", "in-224-all", "k3-most-used", "final-7x7", "lin-collapse", "rf-plus-two")
"""Claims that README would show, in order: the first four decided by training, then the first computed ones to six."""
REPLICATIONS = f"sweeps/*/*/{replication.NAME}.json"
FAMILIES = {"max_pooling": "Max pooling", "pointwise": "1x1 convolutions", "remember": "Few things to remember"}
SPECIAL = re.compile(r"([\\`*_<>\[\]|~])")
HEAD = """# Results

Each of the {claims} claims, its verdict and the number that decides it. This page is written by
`python -m experiments.publish` from [the published verdicts](../results/published/claims/verdicts.json); a test holds
it equal to them. What the words mean, and how a verdict comes about: [method](method.md). The same with every
member, net and step: [the offline page](../results/published/report.html), to be saved and opened by double click.
"""


def verdicts(evidence: Path) -> list[dict[str, Any]]:
    """The published verdicts, in the order of the notes. Raises UsageError where there are none that can be read."""
    path = evidence / "claims" / "verdicts.json"
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UsageError(f"{path} cannot be read ({problem}): write it anew by experiments.publish") from None
    return found


def write(checkout: Path = ROOT) -> list[Path]:
    """Write README's findings and its figure, and docs/results.md, from results/published; returns their paths."""
    evidence, readme = checkout / "results" / "published", checkout / "README.md"
    found = verdicts(evidence)
    picture = checkout / "docs" / "figures" / "first_pool.png"
    paths = [
        write_bytes(readme, with_block(readme.read_text(), "findings", findings(found) + again(evidence)).encode()),
        write_bytes(checkout / "docs" / "results.md", results_page(found, evidence).encode()),
    ]
    return [*paths, canvas.save(front_figure.figure(evidence), picture)]


def block(text: str, name: str) -> str:
    """What stands between `<!-- name -->` and `<!-- end: name -->`. Raises UsageError where they are not there."""
    return text[slice(*_span(text, name))]


def with_block(text: str, name: str, content: str) -> str:
    """The text with other content between the markers. Raises UsageError where they are not there."""
    start, stop = _span(text, name)
    return f"{text[:start]}{content}{text[stop:]}"


def _span(text: str, name: str) -> tuple[int, int]:
    match = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end: {name} -->", text, re.DOTALL)
    if match is None:
        raise UsageError(f"README.md has no <!-- {name} --> ... <!-- end: {name} -->, between which it is written")
    return match.span(1)


def chosen(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The verdicts that README shows: the first decided ones of `TRAINED`, then of `COMPUTED`."""
    decided = {one["id"]: one for one in found if one["verdict"] in DECIDED}
    trained = [decided[name] for name in TRAINED if name in decided][:MOST_TRAINED]
    computed = [decided[name] for name in COMPUTED if name in decided]
    return [*trained, *computed][:FINDINGS]


def findings(found: Iterable[Mapping[str, Any]]) -> str:
    """README's list: what people say, the verdict, and the number behind it."""
    return "\n".join(
        f"- *{escape(one['statement'])}* "
        f"**[{one['verdict'].capitalize()}](docs/results.md#{one['id']})**: {escape(finding(one))}"
        for one in chosen(found)
    )


def again(evidence: Path) -> str:
    """README's sentence on what came back with other seeds, over all published replications; empty for none."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(evidence.glob(REPLICATIONS))]
    if not found:
        return ""
    *others, last = (f"[{said['sweep']}](docs/results.md#sweep-{said['sweep']})" for said in found)
    names = " and ".join(filter(None, (", ".join(others), last)))
    effects, apart, changed = (sum(said[key] for said in found) for key in ("effects", "apart", "changed_side"))
    return (
        f"\n\nTrained again with other seeds, {names}: {apart} of {effects} effects lie more than two standard errors "
        f"apart (5 % are expected), and {changed} changed side."
    )


def finding(one: Mapping[str, Any]) -> str:
    """What was found, with the interval and n: of training on every task, else the nearest true statement."""
    if effects := deciding_effects(one):
        return f"with {effects[0]['setting']['worse']}, {sizes(effects)}."
    true = one["nearest_true"] or one["sentence"] or one["reason"]
    number = deciding_number(one)
    beside = f"{number.name} {printed(number)}, " if number is not None and number.low is not None else "exact, "
    shown = true.split(";")[0].rstrip(".").replace("in the frozen list", "published architectures")
    return f"{shown} ({beside}n = {one['n']})."


def errors(effects: Sequence[Mapping[str, Any]]) -> str:
    """How many times as many errors the worse side makes, and which sides are meant."""
    at = effects[0]["setting"]
    return f"{without_tail(at['worse'], at['better'])} instead of {at['better']}: {sizes(effects)}"


def sizes(effects: Sequence[Mapping[str, Any]]) -> str:
    """How many times as many errors the worse side makes on every task, and n."""
    first, *others = (f"on {plain_task(effect)}" for effect in effects)
    found = ", ".join(
        [f"{ratio(effects[0])} times as many errors {first}"]
        + [f"{ratio(effect)} {where}" for effect, where in zip(effects[1:], others, strict=True)]
    )
    members = sorted({len(effect["seeds"]) for effect in effects})
    n = str(members[0]) if len(members) == 1 else f"{members[0]} to {members[-1]}"
    return f"{found} (n = {n})"


def deciding_effects(one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The effects on errors behind the reason, one a task; none if the claim rests on something else.

    A verdict's first effect is of the contrast, and at the match, that decide. Parts may share a contrast: those
    behind another metric are left out.
    """
    there = [effect["setting"] | {"effect": effect} for effect in one["evidence"].get("effects", [])]
    if not there or there[0]["metric"] not in ERROR_RATIOS or not there[0]["worse"]:
        return []
    first = itertools.takewhile(lambda at: at["metric"] == there[0]["metric"], there)
    same = [at for at in first if all(at[key] == there[0][key] for key in ("contrast", "match"))]
    return list({at["task"]: at["effect"] for at in same}.values())


def deciding_number(one: Mapping[str, Any]) -> Number | None:
    """The number that decides, as the verdict has it."""
    return None if one["effect"] is None else Number(**one["effect"])


def ratio(effect: Mapping[str, Any]) -> str:
    """`1.55 [1.44, 1.67]`: the worse side's errors, as a multiple of the better side's."""
    low, high = (effect["interval95"][end] for end in ("low", "high"))
    known = all(end is not None and math.isfinite(end) for end in (low, high))
    return f"{times(effect['estimate'])}{f' [{times(low)}, {times(high)}]' if known else ''}"


def plain_task(effect: Mapping[str, Any]) -> str:
    """A task without its dials."""
    return str(effect["setting"]["task"]).partition(" (")[0]


def results_page(found: Sequence[Mapping[str, Any]], evidence: Path) -> str:
    """docs/results.md: counts, every claim by family, and every published sweep."""
    families = list(dict.fromkeys(one["family"] for one in found))
    parts = [HEAD.format(claims=len(found)), counts(found, families)]
    for family in families:
        parts.append(f"## {family_name(family)}\n")
        parts += [claim(one, evidence) for one in found if one["family"] == family]
    return "\n".join([*parts, sweeps(evidence)])


def family_name(family: str) -> str:
    """A family as a heading."""
    return FAMILIES[family] if family in FAMILIES else family.capitalize()


def counts(found: Sequence[Mapping[str, Any]], families: Sequence[str]) -> str:
    """How many claims of each family have which verdict."""
    rows = [
        [f"[{family_name(family)}](#{slug(family_name(family))})"]
        + [str(sum((one["family"], word_of(one)) == (family, word) for one in found)) for word in WORDS]
        for family in families
    ]
    rows.append(["all", *(str(sum(word_of(one) == word for one in found)) for word in WORDS)])
    lines = [["family", *WORDS], ["---"] * (len(WORDS) + 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def word_of(one: Mapping[str, Any]) -> str:
    """The verdict's word, without what stands behind it."""
    return str(one["verdict"]).partition(" ")[0]


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and mkdocs make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def claim(one: Mapping[str, Any], evidence: Path) -> str:
    """One claim: what it says, the verdict, the number, what is true instead, and its figure."""
    name, number = one["id"], deciding_number(one)
    lines = [f"### {name}", "", f"> {escape(one['statement'])}", ""]
    lines += [
        f"**{one['verdict'].capitalize()}.** {escape(begun(first_sentence(one['sentence'] or one['reason'])))}",
        "",
    ]
    if one["sentence"] and one["verdict"] not in ("untested", "untestable"):
        lines.append(f"- Statistics: {escape(one['reason'])}")
    if effects := deciding_effects(one):
        lines.append(f"- Errors: {escape(errors(effects))}")
    elif number is not None and not one["evidence"].get("effects"):
        n = "" if one["n"] is None else f" (n = {one['n']})"
        lines.append(f"- Number: {escape(f'{number.name}: {printed(number)}')}{n}")
    if one["nearest_true"]:
        lines.append(f"- Nearest true statement: {escape(begun(one['nearest_true']))}")
    path = f"experiments/claims/{one['family']}/{name.replace('-', '_')}.py"
    lines.append(f"- Rule: {escape(one['rule'])}, written in [{path.rpartition('/')[2]}](../{path})")
    if fed := [sweep for sweep, claims in fed_by(evidence).items() if name in claims]:
        lines.append(f"- Trained evidence: {', '.join(f'[{sweep}](#sweep-{sweep})' for sweep in fed)}")
    lines.append("")
    for suffix, what in (("", "figure"), ("-curve", "the same question, asked in every way")):
        picture = evidence / "claims" / f"{name}{suffix}.png"
        if picture.is_file():
            lines += [f"![{name}: {what}](../results/published/claims/{picture.name})", ""]
    return "\n".join(lines)


def sweeps(evidence: Path) -> str:
    """Every published sweep: its figures, its tables, and the claims that rest on it."""
    lines = ["## Sweeps", ""]
    for sweep, claims in fed_by(evidence).items():
        folder = next(iter(sorted(evidence.glob(f"sweeps/{sweep}/*/"))))
        place = f"../results/published/sweeps/{sweep}/{folder.name}"
        lines += [f"### Sweep {sweep}", "", f"[{sweep}.yaml](../conf/sweep/{sweep}.yaml), scale {folder.name}:"]
        lines += [", ".join(f"[{table}]({place}/{table}.csv)" for table in ("arms", "curves", "effects")) + ".", ""]
        lines += [f"Read by {', '.join(f'[{one}](#{one})' for one in claims)}.", ""] if claims else []
        if (again := folder / f"{replication.NAME}.json").is_file():
            sentence = json.loads(again.read_text(encoding="utf-8"))["sentence"]
            lines += [f"With other seeds ([table]({place}/{replication.NAME}.csv)): {escape(sentence)}.", ""]
        for picture in (f"{sweep}.png", f"{sweep}_picture.png", f"{replication.NAME}.png"):
            if (folder / picture).is_file():
                lines += [f"![{sweep}]({place}/{picture})", ""]
    return "\n".join(lines)


def fed_by(evidence: Path) -> dict[str, list[str]]:
    """The claims that each published sweep is about, by sweep: those that rest on it, and those it asks beside."""
    names = sorted({path.parent.parent.name for path in evidence.glob(f"sweeps/*/*/{MADE}")})
    return {name: sorted({*related(name), *claims_fed_by(name)} & {*register()}) for name in names}


def first_sentence(text: str) -> str:
    """A text up to the first full stop that another sentence follows."""
    return re.split(r"(?<=\.) (?=[A-Z])", text, maxsplit=1)[0]


def begun(text: str) -> str:
    """A text with a capital letter."""
    return text[:1].upper() + text[1:]


def escape(text: str) -> str:
    """A text as Markdown shows it as it is."""
    return SPECIAL.sub(r"\\\1", text)
