"""Put what was run under results/published: `python -m experiments.publish [scale=...] [only=...]`."""

import argparse
import sys

from cnnlab.records import BadRecord
from cnnlab.spec.invalid import Invalid
from experiments import publishing, stopping
from experiments.config.mistakes import UserMistake
from experiments.suite import understood
from experiments.terminal import terminal

MISTAKE = 2
DESCRIPTION = """\
Puts finished sweeps under results/published, which comes with the suite. First every record in compact form: all
numbers that claims, tables and figures read; of the histories losses, accuracies, and the statistics that some metric
reads. Then, from these compact records alone, every sweep's tables (CSV, parquet), verdicts and figure, the verdicts of
all claims, the noise floor, the specification curves and the comparison with the literature. experiments.judge then
gives the same verdicts in a fresh clone. Trains nothing. Without only=, every sweep that is complete at the scale is
published; what the suite has cut counts as complete as the suite left it. An arm that is published already stays, so
that other sweeps keep their numbers; force=true replaces it. All that is published has convolutions of one kind: what
is to stand beside published records is trained with theirs, which provenance.json names, such as convolutions=xla."""
EXAMPLES = """\
examples:
  python -m experiments.publish                               all that is complete at scale quick
  python -m experiments.publish only=CONTROL,PLACE,ACT        some banks, as in experiments.suite
  CNNLAB_PUBLISHED=look python -m experiments.publish         into another folder

Keys that change arms (model.width=8) must be given as they were to the suite. Exit code: 0; 2 for a wrong argument, a
sweep that is named and not complete, records of both kinds of convolutions, or one that cannot be used: then nothing
is written."""


def main() -> int:
    """The door. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.publish",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="key=value", help="only=BANK,SWEEP,..., scale=, results=")
    words, console = parser.parse_intermixed_args().words, terminal()
    try:
        only, overrides = understood(words)
        publishing.publish(publishing.chosen(only, overrides, console), console)
    except (UserMistake, Invalid, BadRecord) as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return MISTAKE
    return 0


if __name__ == "__main__":
    stopping.door(main, stopping.STOPPED)
