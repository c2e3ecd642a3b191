"""The benchmark's command line: what is asked for, measured in rounds, written as it comes, and shown."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from cnnlab.files import json_text
from cnnlab.records import require_writable
from cnnlab.spec.invalid import require, require_choice
from cnnlab.training.workers import accelerator
from experiments.bench import report
from experiments.bench.contender import Machine, contender, names
from experiments.bench.measuring import LIMIT, PARTS, Benchmark
from experiments.bench.workloads import WORKLOADS
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal
from experiments.timing.timings import folder

QUICK = ("engine", "torch_eager", "nnx_loop", "naive_scan")
QUICK_WORKLOADS = ("W1", "W2")  # a step of the scan lasts half a minute on W3
ROUNDS, QUICK_ROUNDS, MOST_ROUNDS = 5, 2, 1000
DESCRIPTION = """\
Trains the same small nets on the same batches from the same weights with this suite's engine and with what a user
would run instead, side by side, and says who is how fast. In every round each contender is started afresh; then they
take turns, in an order shuffled anew, so that a machine that drifts drifts for all. What matrix products alone would
allow is measured in the same rounds. Numbers are medians over rounds, with the 10th and 90th percentile. Quote ratios,
which a busy machine moves less, and leave the machine alone meanwhile. Everything goes to results/bench/<device>/ after
every round, a JSON document and a figure named by the parts (`speed.json`, `speed-sweep.json`, `quick.json`), in place
of an earlier run's. All cores are used; `taskset -c 0,1 python -m experiments.bench` restricts it to two.
Exit code: 0 if all was measured and every gate passed, 1 if not, 2 for a mistake on the command line."""
EXAMPLES = """\
examples:
  python -m experiments.bench --quick                W1, W2: the engine, PyTorch eager, a Flax NNX loop, a scan
  python -m experiments.bench                        everything, some two hours on two cores
  python -m experiments.bench W2 --part speed        one workload, no sweeps
  python -m experiments.bench --json > bench.json    for machines; progress goes to standard error"""


@command
def main() -> int:
    """The command. Returns the exit code."""
    options = command_line().parse_intermixed_args()
    workloads = options.workloads or (QUICK_WORKLOADS if options.quick else WORKLOADS)
    wanted = options.contenders or (QUICK if options.quick else names())
    for key, words, choices in (("workload", workloads, WORKLOADS), ("--contenders", wanted, names())):
        for name in words:
            require_choice(key, name, choices)
    parts = [part for part in PARTS if part in (options.part or PARTS[: 1 if options.quick else None])]
    rounds = (QUICK_ROUNDS if options.quick else ROUNDS) if options.rounds is None else options.rounds
    require(1 <= rounds <= MOST_ROUNDS, "--rounds", rounds, f"must be 1 to {MOST_ROUNDS}")
    on, log = accelerator(), terminal(sys.stderr)
    require(options.device != "gpu" or on == "gpu", "--device", options.device, "JAX finds no GPU here; choose cpu")
    require_writable(folder(), "results", "bench")
    machine = Machine(kind=options.device or on)
    reasons = {name: contender(name).missing(machine) for name in dict.fromkeys([*wanted, LIMIT])}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    for name, reason in skipped.items():
        log.print(f"{name}: skipped, {reason}")
    asked = {"rounds": rounds, "quick": options.quick, "cores": machine.cores, "parts": parts}
    facts = {**report.run_facts(machine), "settings": asked, "skipped": skipped}
    present, path = [name for name in reasons if name not in skipped], None
    turns, warm_up = (2, 3) if options.quick else (3, 20)
    with tempfile.TemporaryDirectory(prefix="cnnlab-bench-") as cache, signals.ending(lambda: shutil.rmtree(cache)):
        chosen = [WORKLOADS[name] for name in workloads]
        benchmark = Benchmark(chosen, present, parts, machine, rounds, turns, warm_up, Path(cache), log.print)
        for _ in benchmark.measure():
            path = report.write(benchmark, facts, "quick" if options.quick else "-".join(parts))
    if options.json:
        print(json_text(report.document(benchmark, facts)))
    else:
        terminal().print(report.table(report.summarize(benchmark.values)))
        print(f"{facts['device']}: written to {path}")
    problems = [name for name, fine in benchmark.gates.items() if not fine]
    problems += ["{workload} {contender}: {reason}".format(**failure) for failure in benchmark.failures]
    for problem in problems:
        log.print(f"FAILED {problem}")
    return ExitCode.FAILED if problems else ExitCode.DONE


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    nets = {name: one.description for name, one in WORKLOADS.items()}
    described = {**nets, **{name: contender(name).description for name in names()}}
    legend = "\n".join(f"  {name:18}{words}" for name, words in described.items())
    made = parser("bench", DESCRIPTION, f"workloads and contenders:\n{legend}\n\n{EXAMPLES}")
    of = f"of {', '.join(WORKLOADS)} (default: all, quick: {', '.join(QUICK_WORKLOADS)})"
    made.add_argument("workloads", nargs="*", metavar="workload", help=of)
    made.add_argument("--quick", action="store_true", help="two rounds of what counts most, within six minutes")
    made.add_argument("--contenders", nargs="+", metavar="NAME", help="only these (default: all, quick: four)")
    made.add_argument("--part", nargs="+", choices=PARTS, help="only these parts (default: all, quick: speed)")
    made.add_argument("--rounds", type=int, help=f"of fresh processes (default: {ROUNDS}, quick: {QUICK_ROUNDS})")
    made.add_argument("--device", choices=("cpu", "gpu"), help="where (default: the GPU if there is one)")
    made.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return made
