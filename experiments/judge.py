"""Judge claims from computation and from records: `python -m experiments.judge [claims, families or all]`."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from cnnlab.files import json_text
from cnnlab.records import require_writable
from cnnlab.spec.verdict import WORDS, Verdict
from experiments.analysis import kept, served
from experiments.analysis.results import SweepResults
from experiments.analysis.selection import best_views, fed_by, fullest_views, sources, trusted_folders
from experiments.analysis.verdicts import judge_claims
from experiments.claims.base import KINDS
from experiments.claims.registry import Entry, choose_claims, families
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import each, hung, terminal
from experiments.cli.errors import UsageError
from experiments.config.grid import grid
from experiments.config.resolve import Settings
from experiments.reports import claim as claim_page
from experiments.reports import literature, noise_floor, specification_curve

DESCRIPTION = """\
Two lines a claim: its verdict and what was found in a sentence, then the number that decides with its interval, and the
statistics. What each claim says stands on its own page.
Of a single claim the whole page: its place in the notes, its rule, the evidence, a counterexample, what is true
instead, and its figure. Trains nothing: it computes, and reads the records and timings in results/, and where those
hold no complete sweep, the ones that come with the suite, in results/published/.
Three pages beside: `noise`, the noise floor that every sweep's A/A check measured; `curve`, the specification curve of
claims (five headlines if none is named); `literature`, the same contrasts as published elsewhere. They write to
results/claims/; exit code 1 where there is no record."""
PAGES = ("noise", "curve", "literature")
MOST_SECONDS = 15
"""That one claim's computing takes, on one core."""
EXAMPLES = """\
examples:
  python -m experiments.judge                                all 57 claims
  python -m experiments.judge st2-coverage-counts            one claim's page, with its figure
  python -m experiments.judge strides --verdict refuted      what is refuted in a family
  python -m experiments.judge --kind survey --json           for machines
  python -m experiments.judge mp-after-two-convs scale=full  from the records of another scale
  python -m experiments.judge noise                          how far two copies of the same net lie apart
  python -m experiments.judge curve mp-after-two-convs       a claim's contrast under every choice with records
  python -m experiments.judge literature                     the same contrasts in the literature: do they agree?"""


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    names = [word for word in asked.words if "=" not in word]
    overrides = [word for word in asked.words if "=" in word]
    for word in overrides:
        if word.lstrip("+").startswith("sweep="):
            raise UsageError(f"{word} is not valid: name claims; the sweeps that they rest on are found by themselves")
    page = names[0] if names[:1] in ([one] for one in PAGES) else ""
    if page and (asked.family or asked.kind or asked.verdict or asked.figures):
        raise UsageError(f"{page} is a page of its own: it takes no --family, --kind, --verdict or --figures")
    if page in ("noise", "literature") and len(names) > 1:
        raise UsageError(f"{page} is a page of its own: it takes no claim, such as {names[1]}")
    ignored = [word for word in overrides if not word.startswith(("results=", "cache="))]
    if page == "noise" and ignored:
        raise UsageError(f"{ignored[0]} is not valid here: all records that check A against A count, of results=DIR")
    if asked.verbose and page != "noise":
        raise UsageError("--verbose is for the page noise: name that")
    settings = grid(["tracker=off", *overrides]).settings
    folder, console = settings.results / "claims", terminal()
    if page or asked.figures:
        require_writable(settings.results, "results", "claims")
    if page == "noise":
        runs = noise_floor.fullest([one / "runs" for one in trusted_folders(settings.results)])
        return noise_floor.page(runs, folder, console, asked.json, verbose=asked.verbose)
    if page == "literature":
        there = best_views(literature.sweeps(), overrides, settings.results, settings.cache)
        return literature.page(there, folder, console, asked.json)
    if page == "curve":
        wanted = [entry.id for entry in choose_claims(names[1:] or specification_curve.HEADLINES)]
        there = fullest_views(wanted, overrides, settings.results, settings.cache)
        return specification_curve.page(wanted, there, folder, console, asked.json)
    chosen = choose_claims(names or ["all"], asked.family, asked.kind)
    served.check((entry.id for entry in chosen), overrides, settings.cache)
    if names and len(chosen) == 1 and not asked.json:
        require_writable(settings.results, "results", "claims")  # for the figure
    views = best_views(fed_by(entry.id for entry in chosen), overrides, settings.results, settings.cache)
    found = judge(chosen, views, settings)
    chosen = tuple(entry for entry in chosen if asked.verdict in (None, found[entry.id].word))
    one = bool(names) and len(chosen) == 1 and not asked.json
    drawn = claim_page.draw_figures(chosen, settings.results) if asked.figures or one else {}
    if asked.json:
        print(json_text([claim_page.verdict_data(entry, found[entry.id]) for entry in chosen], sort_keys=True))
    elif one:
        entry = chosen[0]
        claim_page.claim(entry, found[entry.id], drawn[entry.id] if entry.id in drawn else None, console)
    else:
        claim_page.overview([(entry, found[entry.id]) for entry in chosen], console)
        for path in drawn.values():
            print(f"figure: {path}")
    for line in () if asked.json else sources(views):
        console.print(*hung(line, console.width), sep="\n", soft_wrap=True, markup=False)
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("judge", DESCRIPTION, EXAMPLES)
    made.add_argument(
        "words", nargs="*", metavar="claim", help="ids or families, or all (default); key=value as for experiments.run"
    )
    for option, choices, only in (
        ("family", sorted(families()), "only this family"),
        ("kind", KINDS, "only claims with a part of this kind"),
        ("verdict", WORDS, "only claims with this verdict"),
    ):
        made.add_argument(f"--{option}", choices=choices, metavar=option.upper(), help=f"{only}: {', '.join(choices)}")
    made.add_argument("--json", action="store_true", help="print a list of verdicts for machines")
    made.add_argument("--verbose", action="store_true", help="noise: every net, too, and McNemar's test of its pairs")
    made.add_argument("--figures", action="store_true", help="draw every figure into results/claims/")
    return made


def judge(chosen: Sequence[Entry], views: Mapping[str, SweepResults], settings: Settings) -> dict[str, Verdict]:
    """Verdicts by id; `untested` where a claim has no record yet. Says on standard error what has to be computed."""
    names, log = [entry.id for entry in chosen], terminal(sys.stderr)
    if anew := kept.to_compute(names, settings.cache):
        some = f"{len(anew)} claims" if len(anew) > 1 else anew[0]
        log.print(f"computing {some}: up to {MOST_SECONDS} s each; kept for the next time", style="dim")
    return judge_claims(each(names, "judging", "claims", log), views, settings.results, settings.cache)


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
