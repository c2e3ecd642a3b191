"""The benchmark's command line: what is asked for, measured in rounds, kept as it comes, and shown."""

import argparse
import datetime
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cnnlab.spec.invalid import InvalidError, require, require_choice
from cnnlab.training.workers import accelerator
from experiments.bench import keeping, report
from experiments.bench.contract import Kind, Machine, contender, names
from experiments.bench.measuring import ENGINE, RATE, Found, Plan, Sample, steady
from experiments.bench.sweeps import growth, sweeps
from experiments.bench.workloads import WORKLOADS, Workload, workload
from experiments.cli.console import terminal

MISTAKE, FAILED, INTERRUPTED = 2, 1, 130
PARTS = ("speed", "sweep", "growth")
QUICK = ("engine", "torch_eager", "nnx_loop", "naive_scan")
ONCE = ("naive_scan",)
"""Takes half of a round; a ratio of fifty needs no spread."""
QUICK_WORKLOADS = ("W1", "W2")
"""W3 would take as long as both: a step of the scan lasts half a minute there."""
ROUNDS = 5
SWEEPS = 3
"""Rounds of whole sweeps and of growth at most: each takes minutes."""
DESCRIPTION = """\
Trains the same small nets on the same batches from the same weights with this suite's engine and with what a user
would run instead, side by side, and says who is how fast. In every round each contender is started afresh; then they
take turns, in an order shuffled anew, so that a machine that drifts drifts for all. What a core can do at best (matrix
products, copies) is measured in the same rounds. Numbers are medians over rounds; beside them their 10th and 90th
percentile. Quote ratios, which a busy machine moves less; and leave the machine alone meanwhile.
Everything goes to results/bench/<device>/: JSON, every sample as CSV and, of speed, a figure; `bench.*` from a run of
all parts, else `speed.*`, `sweep.*`, `sweep-growth.*` and so on, and `quick.*`. A run replaces an earlier one's.
All cores are used; `taskset -c 0,1 python -m experiments.bench` restricts it to two.
Exit code: 0 if all was measured and every gate passed, 1 if not, 2 for a mistake on the command line."""
EXAMPLES = """\
examples:
  python -m experiments.bench --quick                W1, W2: the engine, PyTorch eager, a Flax NNX loop, a scan
  python -m experiments.bench                        everything, some two hours on two cores
  python -m experiments.bench W2 --part speed        one workload, no sweeps
  python -m experiments.bench --contenders engine torch_eager --rounds 9
  python -m experiments.bench --json > bench.json    for machines; progress goes to standard error"""


def main() -> int:
    """The door. Returns the exit code."""
    asked = _parser().parse_args()
    try:
        chosen = [workload(name) for name in asked.workloads or (QUICK_WORKLOADS if asked.quick else WORKLOADS)]
        wanted = asked.contenders or (QUICK if asked.quick else names())
        for name in wanted:
            require_choice("--contenders", name, names())
        parts = asked.part or (PARTS[:1] if asked.quick else PARTS)
        rounds = (2 if asked.quick else ROUNDS) if asked.rounds is None else asked.rounds
        require(rounds >= 1, "--rounds", rounds, "must be at least 1")
        machine = Machine(kind=kind(asked.device))
    except InvalidError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        return MISTAKE
    progress, skipped = terminal(sys.stderr), {}
    for name in wanted:
        if reason := contender(name).missing(machine):
            skipped[name] = reason
            progress.print(f"{name}: skipped, {reason}")
    present = [name for name in wanted if name not in skipped]
    outcome = keeping.Outcome(
        device=keeping.device(machine),
        skipped=skipped,
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        settings={"rounds": rounds, "quick": asked.quick, "cores": machine.cores, "parts": list(parts)},
    )
    name = kept_as(parts, asked.quick)
    try:
        with tempfile.TemporaryDirectory(prefix="cnnlab-bench-") as compiled:
            plan = Plan(
                machine=machine,
                rounds=rounds,
                turns=2 if asked.quick else 3,
                warm_up=3 if asked.quick else 20,
                compiled=Path(compiled),
                once=ONCE,
            )
            for found in measured(chosen, present, parts, plan):
                outcome.add(found)
                if line := told(found):
                    progress.print(line)
                    keeping.write(outcome, name)
    except KeyboardInterrupt:
        if outcome.samples or outcome.failures:
            keep(outcome, name)
        print("\nstopped; what was measured so far is kept", file=sys.stderr)
        return INTERRUPTED
    return close(outcome, name, asked.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.bench",
        description=DESCRIPTION,
        epilog=f"{_legend()}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    of = f"of {', '.join(WORKLOADS)} (default: all, quick: {', '.join(QUICK_WORKLOADS)})"
    parser.add_argument("workloads", nargs="*", metavar="workload", help=of)
    parser.add_argument("--quick", action="store_true", help="two rounds of what counts most, within six minutes")
    parser.add_argument("--contenders", nargs="+", metavar="NAME", help="only these (default: all, quick: four)")
    parser.add_argument("--part", nargs="+", choices=PARTS, help="only these parts (default: all, quick: speed)")
    parser.add_argument("--rounds", type=int, help=f"of fresh processes (default: {ROUNDS}, quick: 2)")
    parser.add_argument("--device", choices=("cpu", "gpu"), help="where (default: the GPU if there is one)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    return parser


def _legend() -> str:
    """The workloads and contenders in words."""
    nets = [f"  {name:18}{one.says}" for name, one in WORKLOADS.items()]
    peers = [f"  {name:18}{contender(name).SAYS}" for name in names()]
    return "\n".join(["workloads:", *nets, "", "contenders:", *peers])


def kind(asked: Kind | None) -> Kind:
    """Where to measure. Raises InvalidError if that is a GPU and JAX sees none."""
    require(asked != "gpu" or accelerator() == "gpu", "--device", asked or "", "JAX finds no GPU here; choose cpu")
    return asked or ("gpu" if accelerator() == "gpu" else "cpu")


def measured(chosen: Sequence[Workload], present: Sequence[str], parts: Sequence[str], plan: Plan) -> Iterator[Found]:
    """Everything that was asked for; rounds are outermost, so that a run cut short has something of everything."""
    for number in range(plan.rounds):
        racing = [name for name in present if number == 0 or name not in plan.once]
        for one in chosen if "speed" in parts else ():
            yield from steady(one, racing, plan, number)
    for number in range(min(plan.rounds, SWEEPS)):
        for one in chosen if "sweep" in parts else ():
            yield from sweeps(one, present, plan, number)
        if "growth" in parts and ENGINE in present:
            yield from growth(plan, number)


def told(found: Found) -> str:
    """A line that says what was found, where somebody may be waiting for it; else empty."""
    if not isinstance(found, Sample) or not (found.metric == RATE or "seconds" in found.metric):
        return ""
    what = found.metric.replace("_", " ")
    return f"  round {found.round + 1}  {found.workload:4} {found.contender:18} {what} {found.value:,.1f}"


def kept_as(parts: Sequence[str], quick: bool) -> str:
    """Name of the files that a run leaves: one of some parts lets those of the others be."""
    joined = "-".join(part for part in PARTS if part in parts)
    if quick:
        return "quick" if joined == "speed" else f"quick-{joined}"
    return "bench" if set(parts) == set(PARTS) else joined


def keep(outcome: keeping.Outcome, name: str) -> Path:
    """Write what was found, and draw it if there are rates; an older figure does not stay beside it. The folder."""
    folder = keeping.write(outcome, name)
    if any(cell.metric == RATE for cell in outcome.cells):
        keeping.draw(outcome, name)
    else:
        (folder / f"{name}.png").unlink(missing_ok=True)
    return folder


def close(outcome: keeping.Outcome, name: str, as_json: bool) -> int:
    """Keep, print and judge what was found. Returns the exit code."""
    folder = keep(outcome, name)
    document = outcome.document()
    if as_json:
        print(json.dumps(document, indent=1, allow_nan=False))
    else:
        console = terminal()
        console.print(outcome.device)
        report.show(outcome.cells, document["ratios"], outcome.gates, console)
        console.print(f"kept in {folder}")
    report.failures(outcome.failures, terminal(sys.stderr))
    passed = all(fine for gates in outcome.gates.values() for fine in gates.values())
    return 0 if passed and not outcome.failures else FAILED
