"""One page that opens without a network: `python -m experiments.report`."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnnlab.files import write_bytes
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.geometry.network import size_of
from experiments.paths import published
from experiments.report.document import PageError, document
from experiments.report.member import Image, reader_image
from experiments.report.networks import networks
from experiments.report.untrained import digit_images, members
from experiments.report.view import Context, View, choose_views, views

DESCRIPTION = """\
One HTML file that shows what the suite computes: the claims with their evidence, one number of a net step by step, what
every unit sees of the image, how often pixels are read, and where the checkerboard comes from. It opens by a double
click: nothing is fetched, neither while it is built nor while it is read. The same command gives the same bytes."""
EXAMPLES = """\
examples:
  python -m experiments.report                               some minute and a half; --fast some fifteen seconds
  python -m experiments.report --only field --net vgg16 --net resnet50@225
                                                             the receptive fields of these nets, at these sizes
  python -m experiments.report --only field --module my.nets:make --size 192,256
                                                             your own Flax module, traced; nothing is trained
  python -m experiments.report --net net.json                a graph file, as python -m experiments.geometry reads it
  python -m experiments.report --image cat.jpg               your picture, stepped through beside the digits

exit code: 0; 2 for a mistake, told in one line."""
NEED_NETS = ("field", "checkerboard")


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_args()
    chosen = choose_views(asked.only)
    results = published() if asked.results is None else Path(asked.results)
    if asked.results is not None and not results.is_dir():
        raise UsageError(f"--results {results} is not valid: must be a folder")
    path = results / "report.html" if asked.out is None else Path(asked.out)
    if path.is_dir():
        raise UsageError(f"--out {path} is not valid: it is a folder")
    try:
        page = document(chosen, context(asked, chosen))
    except PageError as problem:
        raise UsageError(str(problem)) from None
    write_bytes(path, page)
    terminal().print(f"{path}: {len(page):,} bytes, {page.count(b'<section ')} views", soft_wrap=True)
    return ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("report", DESCRIPTION, EXAMPLES)
    made.add_argument("--results", metavar="DIR", help="results folder, default results/published")
    made.add_argument("--out", metavar="FILE", help="the page (default: report.html in the results folder)")
    made.add_argument(
        "--only", type=lambda text: text.split(","), default=[], metavar="VIEW,...", help=f"of {', '.join(views())}"
    )
    made.add_argument(
        "--fast", action="store_true", help="leave out what takes longer: large nets, random nets, gradients"
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
    made.add_argument("--image", action="append", default=[], metavar="FILE", help="a picture of your own, made grey")
    return made


def context(asked: argparse.Namespace, chosen: Mapping[str, View]) -> Context:
    """What the chosen views are made from. Raises UsageError or InvalidError for a wrong net, module or image."""
    size = None if asked.size is None else size_of(asked.size)
    channels = None if asked.channels is None else size_of(asked.channels)[0]
    found = Context(fast=asked.fast)
    if asked.net or asked.module or set(NEED_NETS) & set(chosen):
        nets = networks(asked.net, asked.module, size, channels, fast=asked.fast)
        found = dataclasses.replace(found, networks=nets)
    images = (*own_images(asked.image), *digit_images())
    return (
        dataclasses.replace(found, members=members(images))
        if any(view.reads_members for view in chosen.values())
        else found
    )


def own_images(paths: Sequence[str]) -> tuple[Image, ...]:
    """The reader's pictures, at the size of the digits. Raises UsageError where one is none."""
    side = digit_images()[0].pixels.shape[0]
    return tuple(Image(title=Path(path).name, pixels=reader_image(Path(path), side)) for path in paths)


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
