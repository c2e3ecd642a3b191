"""The benchmark's command line: what is asked for, measured in rounds, written as it comes, and shown."""

import argparse
import datetime
import shutil
import sys
import tempfile
from pathlib import Path

from rich.markup import escape

from cnnlab.files import json_text
from cnnlab.spec.invalid import require, require_choice
from cnnlab.training.workers import accelerator
from experiments.bench import report
from experiments.bench.contender import Kind, Machine, contender, names
from experiments.bench.measuring import LIMIT, PARTS, BenchResults, BenchSettings, measure
from experiments.bench.workloads import WORKLOADS, workload
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal

QUICK = ("engine", "torch_eager", "nnx_loop", "naive_scan")
QUICK_WORKLOADS = ("W1", "W2")
"""W3 would take as long as both: a step of the scan lasts half a minute there."""
ROUNDS, QUICK_ROUNDS = 5, 2
DESCRIPTION = """\
Trains the same small nets on the same batches from the same weights with this suite's engine and with what a user
would run instead, side by side, and says who is how fast. In every round each contender is started afresh; then they
take turns, in an order shuffled anew, so that a machine that drifts drifts for all. What matrix products alone would
allow is measured in the same rounds. Numbers are medians over rounds, beside them the 10th and 90th percentile. Quote
ratios, which a busy machine moves less; and leave the machine alone meanwhile.
Everything goes to results/bench/<device>/, after every round: a JSON document with the values of all rounds and, of
speed, a figure, named by the parts (`speed-sweep.json`, `speed.json`, `quick.json`, ...). A run replaces an earlier
one's. All cores are used; `taskset -c 0,1 python -m experiments.bench` restricts it to two.
Exit code: 0 if all was measured and every gate passed, 1 if not, 2 for a mistake on the command line."""
EXAMPLES = """\
examples:
  python -m experiments.bench --quick                W1, W2: the engine, PyTorch eager, a Flax NNX loop, a scan
  python -m experiments.bench                        everything, some two hours on two cores
  python -m experiments.bench W2 --part speed        one workload, no sweeps
  python -m experiments.bench --contenders engine torch_eager --rounds 9
  python -m experiments.bench --json > bench.json    for machines; progress goes to standard error"""


@command
def main() -> int:
    """The command. Returns the exit code."""
    options = command_line().parse_args()
    chosen = [workload(name) for name in options.workloads or (QUICK_WORKLOADS if options.quick else WORKLOADS)]
    wanted = options.contenders or (QUICK if options.quick else names())
    for name in wanted:
        require_choice("--contenders", name, names())
    parts = [part for part in PARTS if part in (options.part or PARTS[: 1 if options.quick else None])]
    rounds = (QUICK_ROUNDS if options.quick else ROUNDS) if options.rounds is None else options.rounds
    require(rounds >= 1, "--rounds", rounds, "must be at least 1")
    machine, progress = Machine(kind=kind(options.device)), terminal(sys.stderr)
    reasons = {name: contender(name).missing(machine) for name in dict.fromkeys([*wanted, LIMIT])}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    for name, reason in skipped.items():
        progress.print(escape(f"{name}: skipped, {reason}"))
    facts = {
        **report.run_facts(machine),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": {"rounds": rounds, "quick": options.quick, "cores": machine.cores, "parts": list(parts)},
        "skipped": skipped,
    }
    results, path = BenchResults(lambda line: progress.print(escape(line))), Path()
    with tempfile.TemporaryDirectory(prefix="cnnlab-bench-") as cache, signals.ending(lambda: shutil.rmtree(cache)):
        settings = BenchSettings(
            workloads=chosen,
            names=[name for name in reasons if name not in skipped],
            parts=parts,
            machine=machine,
            rounds=rounds,
            turns=2 if options.quick else 3,
            warm_up=3 if options.quick else 20,
            cache=Path(cache),
        )
        for _ in measure(settings, results):
            path = report.write(results, facts, "quick" if options.quick else "-".join(parts))
    if options.json:
        print(json_text(report.document(results, facts)))
    else:
        terminal().print(report.table(report.summarize(results.values)))
        print(f"{facts['device']}: written to {path}")
    failures = ["{workload} {contender}: {reason}".format(**failure) for failure in results.failures]
    for problem in (*results.closed_gates, *failures):
        progress.print(escape(f"FAILED {problem}"))
    return ExitCode.FAILED if results.failures or results.closed_gates else ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    nets = [f"  {name:18}{one.description}" for name, one in WORKLOADS.items()]
    peers = [f"  {name:18}{contender(name).description}" for name in names()]
    legend = "\n".join(["workloads:", *nets, "", "contenders:", *peers])
    made = parser("bench", DESCRIPTION, f"{legend}\n\n{EXAMPLES}")
    of = f"of {', '.join(WORKLOADS)} (default: all, quick: {', '.join(QUICK_WORKLOADS)})"
    made.add_argument("workloads", nargs="*", metavar="workload", help=of)
    made.add_argument("--quick", action="store_true", help="two rounds of what counts most, within six minutes")
    made.add_argument("--contenders", nargs="+", metavar="NAME", help="only these (default: all, quick: four)")
    made.add_argument("--part", nargs="+", choices=PARTS, help="only these parts (default: all, quick: speed)")
    made.add_argument("--rounds", type=int, help=f"of fresh processes (default: {ROUNDS}, quick: {QUICK_ROUNDS})")
    made.add_argument("--device", choices=("cpu", "gpu"), help="where (default: the GPU if there is one)")
    made.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return made


def kind(asked: Kind | None) -> Kind:
    """Where to measure. Raises InvalidError if that is a GPU and JAX sees none."""
    require(asked != "gpu" or accelerator() == "gpu", "--device", asked or "", "JAX finds no GPU here; choose cpu")
    return asked or ("gpu" if accelerator() == "gpu" else "cpu")
