"""Put what was run under results/published: `python -m experiments.publish [scale=...] [only=...]`."""

import argparse

from rich.console import Console

from cnnlab.records import require_writable
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.paths import INSTALLED, ROOT, published
from experiments.reports import front_page, publication
from experiments.training.suite_plan import parse_choice

DESCRIPTION = """\
Puts finished sweeps under results/published, which comes with the suite. First every record in compact form: all
numbers that claims, tables and figures read; of the histories accuracies, and the statistics that some metric reads.
Arms that were trained longer, to look again at what decided, are published too. Of a sweep that experiments.replicate
trained again, the comparison is made anew with what is published. Then, from these records alone, every
sweep's tables (CSV) and figure, the verdicts of all claims, the noise floor, the specification curves, the comparison
with the literature, and last the page (see experiments.report). experiments.judge then gives the same verdicts in a
fresh clone. Trains nothing but the one net that the page shows. Without only=, every sweep that is complete at the
scale is published. An arm that is published already stays, so that other sweeps keep their numbers; force=true
replaces it. README's findings, its figure and docs/results.md are written last, from the verdicts."""
PUBLISHED = ROOT / "results" / "published"
"""What README and docs/ speak of."""
EXAMPLES = """\
examples:
  python -m experiments.publish                               all that is complete at scale quick
  python -m experiments.publish only=CONTROL,PLACE,ACT        some banks, as in experiments.suite
  CNNLAB_PUBLISHED=look python -m experiments.publish         into another folder, which no page speaks of
  python -m experiments.publish --replications                finished replications of what is published already
  python -m experiments.publish --docs                        README and docs/results.md alone, of what is published

Keys that change arms (model.width=8) must be given as they were to the suite. Exit code: 0; 2 for a wrong argument, a
sweep that is named and not complete, or a record that cannot be used: then nothing is written."""


@command
def main() -> int:
    """The door. Returns the exit code."""
    console = terminal()
    given = command_line().parse_intermixed_args()
    if given.docs:
        if given.words:
            raise UsageError("--docs takes no key=value: it writes of all that is published")
        if INSTALLED:
            raise UsageError("--docs writes README.md and docs/ of a checkout, and this is an installed package")
        if published() != PUBLISHED:
            raise UsageError(f"CNNLAB_PUBLISHED={published()} is not valid with --docs: it writes of {PUBLISHED} alone")
        return write_docs(console)
    only, overrides = parse_choice(given.words)
    require_writable(published(), "CNNLAB_PUBLISHED")
    if given.replications:
        publication.replicated(only, overrides, console)
        return write_docs(console) if published() == PUBLISHED else ExitCode.DONE
    verdicts, views = publication.publish(publication.chosen(only, overrides, console), console)
    from experiments.page.building import NAME, Asked, write_page  # here, since it brings JAX
    from experiments.page.evidence import Judged

    write_page(published() / NAME, Asked(results=published()), console, Judged(verdicts=verdicts, views=views))
    return write_docs(console) if published() == PUBLISHED else ExitCode.DONE


def write_docs(console: Console) -> int:
    """Write what the front page and docs/ say of the published verdicts; returns the exit code."""
    for path in front_page.write():
        console.print(f"written: {path.relative_to(ROOT)}")
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("publish", DESCRIPTION, EXAMPLES)
    made.add_argument("--docs", action="store_true", help="write README's findings and docs/results.md, and no more")
    made.add_argument(
        "--replications",
        action="store_true",
        help="hold published sweeps against the finished replications in results/, write README and docs/, no more",
    )
    made.add_argument("words", nargs="*", metavar="key=value", help="only=BANK,SWEEP,..., scale=, results=")
    return made


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
