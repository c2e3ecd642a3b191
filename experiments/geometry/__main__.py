"""Receptive field, stride, padding, alignment, coverage and cost: `python -m experiments.geometry model=vgg16`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import AlignmentError
from cnnlab.geometry.graph_json import LARGEST, report
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.network import Network, Pair
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.cli.errors import UsageError
from experiments.geometry import table
from experiments.geometry.network import MeasuredNetwork, from_graph, from_model, from_module, number, size_of

MISALIGNED = 3
LONGEST_LINE = 500
MOST_NUMBERS = 1 << 28
"""Weights, and activations, of a net that is measured: a gigabyte each."""

DESCRIPTION = "What every layer of a network sees of the image, and what it costs: exact, and without training."
EXAMPLES = """\
examples:
  python -m experiments.geometry model=vgg16                    a net of the zoo, on its customary images
  python -m experiments.geometry model=resnet50 model.variant=v1 size=320
  python -m experiments.geometry model.kernel=5 data=cifar10    the parametric net, on a dataset's images
  python -m experiments.geometry --graph net.json --json        a graph file, for machines
  python -m experiments.geometry --module my.nets:make --size 192,256 --channels 3
                                                                your own Flax module, traced; nothing is computed
  ... --window conv5:0,0 --window conv5:3,4                     what these units see of the image
  ... --coverage                                                how many paths lead from each pixel to the last map
  ... --measure                                                 a second opinion: the gradients of the net that runs, of
                                                                your own module with --module

A graph file is {"nodes": [...], "output": NAME, "input_size": [height, width] or null}; each node has a name, an op
(input, conv, transposed_conv, resize, depth_to_space, pool, global_avg_pool, batchnorm, elementwise, pad, add, concat,
flatten, dense), its inputs, and the op's keys. What a file may hold is said in cnnlab/geometry/graph_json.py.

exit code: 0; 1 where --measure disagrees; 2 for a mistake, told in one line; 3 where paths that meet are misaligned,
that is where they look at different places of the image or move over it at different strides (with --json told as an
object).
"""


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_intermixed_args()
    try:
        return answer(asked, subject(asked))
    except AlignmentError as problem:
        if asked.json:
            print(json.dumps(misalignment(problem)))
        _tell(f"misaligned at {problem}")
        return MISALIGNED


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("geometry", DESCRIPTION, EXAMPLES)
    made.add_argument(
        "overrides", nargs="*", metavar="key=value", help="model=, model.*=, data= as for experiments.run"
    )
    made.add_argument("--graph", metavar="FILE", help="a network as JSON")
    made.add_argument("--module", metavar="PACKAGE.MODULE:MAKE", help="a function that makes a Flax module")
    made.add_argument("--size", metavar="SIDE or HEIGHT,WIDTH", help="the image in pixels; size=224 does the same")
    made.add_argument("--channels", metavar="N", help="channels of the image (default: the data's, else 3)")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    made.add_argument("--window", action="append", default=[], metavar="NODE:ROW,COLUMN", help="what one unit sees")
    made.add_argument(
        "--coverage",
        nargs="?",
        const="",
        metavar="NODE",
        help="paths from each pixel to a layer (default: the last map)",
    )
    made.add_argument(
        "--measure",
        nargs="?",
        const="",
        metavar="NODE",
        help="hold a layer's field, stride and padding against gradients (default: every merge and the last map)",
    )
    return made


def subject(asked: argparse.Namespace) -> MeasuredNetwork:
    """The one network that a command line names. Raises UsageError if it names none or several."""
    sizes = [word.removeprefix("size=") for word in asked.overrides if word.startswith("size=")]
    words = [word for word in asked.overrides if not word.startswith("size=")]
    sizes += [] if asked.size is None else [asked.size]
    named = [name for name, value in (("--graph", asked.graph), ("--module", asked.module)) if value is not None]
    if len(named) + bool(words) != 1:
        got = " and ".join([*named, *words[:1]]) or "nothing"
        raise UsageError(f"name one network, by --graph FILE, --module PACKAGE.MODULE:MAKE or model=NAME; got {got}")
    for word in words:
        if not word.lstrip("+~").startswith(("model", "data")):
            raise UsageError(
                f"{word} is not valid here: a net is named by model= and model.*=, its images by data= or size="
            )
    if len(sizes) > 1:
        raise UsageError(f"size is given {len(sizes)} times: {', '.join(sizes)}")
    size = size_of(sizes[0]) if sizes else None
    channels = None if asked.channels is None else size_of(asked.channels)[0]
    if asked.graph is not None:
        if channels is not None:
            raise UsageError("--channels is not for --graph: the file's input node has them")
        return from_graph(Path(asked.graph), size)
    return from_module(asked.module, size, channels) if asked.module is not None else from_model(words, size, channels)


def answer(asked: argparse.Namespace, found: MeasuredNetwork) -> int:
    """Print what was asked; the exit code."""
    network, size = found.network, found.size
    units = [_unit(text) for text in asked.window]
    if asked.json:
        if units or asked.coverage is not None or asked.measure is not None:
            raise UsageError("--json prints the report alone: leave out --window, --coverage and --measure")
        print(json.dumps(report(network, size), indent=1, allow_nan=False))
        return ExitCode.DONE
    console = terminal()
    lines = [table.windows(network, size, *unit) for unit in units]
    lines += _coverage(network, size, asked.coverage)
    for line in lines:
        console.print(line, soft_wrap=True)
    if asked.measure is not None:
        return ExitCode.DONE if _measured(found, asked.measure, console) else ExitCode.FAILED
    if not lines:
        table.show(found, console)
    return ExitCode.DONE


def _measured(found: MeasuredNetwork, name: str, console: Console) -> bool:
    """Print formula and measurement side by side; whether they agree on every layer."""
    network, size = found.network, found.size
    if size is None:
        raise UsageError("--measure needs the image's size: add --size")
    _require_memory(network, size)
    if found.measure is not None:
        opinions = found.measure([name] if name else [])
        table.own_opinions(opinions, console)
        return all(opinion.agree for opinion in opinions)
    from cnnlab.probes.agreement import agreement, telling  # JAX, which the rest of this door does without

    rows = agreement(network, size, [name] if name else telling(network, size))
    table.opinions(rows, console)
    return all(row.agree for row in rows)


def _require_memory(network: Network, size: Pair) -> None:
    """Raise InvalidError if the net that is measured would have too many weights, or maps too large."""
    priced = cost(network, size)
    for what, count in (("weights", priced.params), ("activations", priced.activation_elements)):
        valid = f"must be at most {MOST_NUMBERS} to be measured: choose a smaller image, or a layer before"
        require(count <= MOST_NUMBERS, "--measure", f"{count} {what}", valid)


def _coverage(network: Network, size: Pair | None, name: str | None) -> list[str]:
    """The lines of a coverage map, none if it was not asked for."""
    if name is None:
        return []
    if size is None:
        raise UsageError("--coverage needs the image's size: add --size")
    return list(table.coverage(network, size, name or network.features))


def _unit(text: str) -> tuple[str, Pair]:
    """Read `conv5:0,0`."""
    name, _, place = text.rpartition(":")
    parts = [number(part, LARGEST) for part in place.split(",")]
    row, column = parts[0], parts[-1]
    if not name or len(parts) != 2 or row is None or column is None:
        raise InvalidError("--window", text, f"must be NODE:ROW,COLUMN, such as conv5:0,0, each at most {LARGEST}")
    return name, (row, column)


def misalignment(problem: AlignmentError) -> dict[str, Any]:
    """The object that `--json` prints where paths do not meet.

    `centres` and `rf_per_path` (and `strides`) go along one `axis`, in the order of the merge's inputs.
    """
    return {
        "error": "misaligned",
        "merge": problem.merge,
        "centres": [_number(value) for value in problem.centres],
        "rf_per_path": list(problem.rf_per_path),
        "strides": [_number(value) for value in problem.strides],
        "axis": ("height", "width")[problem.axis],
    }


def _number(value: Any) -> int | float:
    return value if isinstance(value, int) else float(value)


def _tell(problem: str) -> None:
    """Print a mistake on one line."""
    line = " ".join(table.printable(" ".join(problem.split())).split())
    print(f"error: {line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + ' ...'}", file=sys.stderr)


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
