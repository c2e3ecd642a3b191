"""One page that opens without a network: `python -m experiments.report`."""

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from cnnlab.files import is_folder, is_special
from cnnlab.records import require_writable
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError, format_error
from experiments.config.grid import grid
from experiments.geometry.network import size_of
from experiments.page.building import BOARD, NAME, Asked, write_page
from experiments.page.view import View, choose_views, views
from experiments.paths import published

DESCRIPTION = """\
One HTML file that shows what the suite computes: the claims with their evidence, one number of a net step by step, what
its channels respond to, how layers fare in training, what a shift of the image changes, what every unit sees of it, how
often pixels are read, where the checkerboard comes from, what nets cost, and how a verdict comes about. It opens by a
double click: nothing is fetched, neither while it is built nor while it is read. The same command gives the same bytes.
Claims are judged anew, from computation and from the records of a results folder; where that holds no complete sweep,
from those that come with the suite. A trained net is shown where there is a record of it: it is trained again from the
record's seed and learning rate, and the page says whether it equals the record."""
EXAMPLES = """\
examples:
  python -m experiments.report                               some two minutes on two cores; --fast half a minute
  python -m experiments.report --only field --net vgg16 --net resnet50@225
                                                             the receptive fields of these nets, at these sizes
  python -m experiments.report --only field --module my.nets:make --size 192,256
                                                             your own Flax module, traced; nothing is trained
  python -m experiments.report --net net.json                a graph file, as python -m experiments.geometry reads it
  python -m experiments.report --images cat.jpg dog.png       your pictures, stepped through beside the digits
  python -m experiments.report --seed 2003                   another member of the record, trained again
  python -m experiments.report --weights mine.npz            your own weights of the same net, nothing is trained
  python -m experiments.report scale=smoke --results DIR     records that were made with these words

exit code: 0; 2 for a mistake, told in one line."""


@command
def main() -> int:
    """The door. Returns the exit code."""
    words = command_line().parse_intermixed_args()
    chosen = choose_views(words.only)
    for word in words.overrides:
        if "=" not in word or word.lstrip("+").startswith("sweep="):
            raise UsageError(f"{word} is not valid: words say with what records were made, such as scale=smoke")
    results = published() if words.results is None else Path(words.results)
    if words.results is not None and not is_folder(results):
        raise UsageError(f"--results {results} is not valid: must be a folder")
    path = results / NAME if words.out is None else Path(words.out)
    if is_folder(path):
        raise UsageError(f"--out {path} is not valid: it is a folder")
    if is_special(path):  # it would be replaced, not written to
        raise UsageError(f"--out {path} is not valid: it is a device or a pipe")
    require_writable(path.parent, "--out" if words.out is not None else "--results")
    asked = Asked(
        results=results,
        only=words.only,
        nets=words.net,
        modules=words.module,
        size=None if words.size is None else size_of(words.size),
        channels=None if words.channels is None else size_of(words.channels)[0],
        images=words.image,
        seed=words.seed,
        weights=None if words.weights is None else Path(words.weights),
        fast=words.fast,
        overrides=words.overrides,
        cache=grid(["tracker=off", *words.overrides]).settings.cache if BOARD in chosen else None,
    )
    require_used(asked, chosen.values())
    try:
        write_page(path, asked, terminal())
    except BrokenProcessPool as problem:
        print(format_error(problem), file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.DONE


def require_used(asked: Asked, chosen: Iterable[View]) -> None:
    """Raise UsageError for an option that would change nothing on the page."""
    chosen = tuple(chosen)
    members, nets = any(view.reads_members for view in chosen), any(view.reads_networks for view in chosen)
    records = members or any(view.reads_records for view in chosen)
    for option, given, used, by in (
        ("--image", asked.images, members, "a view of trained and untrained nets"),
        ("--seed", asked.seed is not None, members, "a view of trained nets"),
        ("--weights", asked.weights, members, "a view of trained nets"),
        ("--net", asked.nets, nets, "a view of nets"),
        ("--module", asked.modules, nets, "a view of nets"),
        ("--size", asked.size, asked.modules or any(net.endswith(".json") for net in asked.nets), "--module or a file"),
        ("--channels", asked.channels is not None, asked.modules, "--module"),
        (" ".join(asked.overrides), asked.overrides, records, "a view of records"),
    ):
        if given and not used:
            raise UsageError(f"{option} is not valid here: only {by} reads it")


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("report", DESCRIPTION, EXAMPLES)
    made.add_argument(
        "overrides", nargs="*", metavar="key=value", help="with which the records were made, as for experiments.judge"
    )
    made.add_argument("--results", metavar="DIR", help="results folder, default results/published")
    made.add_argument("--out", metavar="FILE", help="the page (default: report.html in the results folder)")
    made.add_argument(
        "--only", type=lambda text: text.split(","), default=[], metavar="VIEW,...", help=f"of {', '.join(views())}"
    )
    made.add_argument(
        "--fast",
        action="store_true",
        help="leave out what takes longer: computed claims, the trained net and its pictures, large and random nets",
    )
    made.add_argument(
        "--net", action="append", default=[], metavar="NAME", help="a classic, such as resnet50:v1@225, or a graph file"
    )
    made.add_argument(
        "--module",
        action="append",
        default=[],
        metavar="PACKAGE.MODULE:MAKE",
        help="a function that makes a Flax module",
    )
    made.add_argument("--size", metavar="SIDE or HEIGHT,WIDTH", help="the image of --module and of a graph file")
    made.add_argument("--channels", metavar="N", help="channels of the image of --module (default 3)")
    made.add_argument(
        "--image", "--images", action="extend", nargs="+", default=[], metavar="FILE", help="your pictures, made grey"
    )
    made.add_argument("--seed", type=int, metavar="N", help="the member that is shown (default: the record's first)")
    made.add_argument(
        "--weights",
        metavar="PATH",
        help="weights of the shown net: a file of NumPy's savez, an array for each layer/kernel and layer/bias, "
        "or the folder of a checkpoint that experiments.run left",
    )
    return made


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
