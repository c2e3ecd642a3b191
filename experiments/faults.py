"""Do to a small sweep what machines do, and see whether it ends as if nothing had been: `experiments.faults --help`."""

import argparse
import contextlib
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from cnnlab.files import is_folder
from cnnlab.records import Store, require_writable
from experiments.cli import signals
from experiments.cli.command import ExitCode, command, parser
from experiments.cli.console import terminal

DESCRIPTION = """\
Runs a small sweep once undisturbed. Then runs it again and again in folders of their own and, at instants drawn at
random over its whole course, does to it what machines do:

  group     kill -9 of the whole process group
  parent    kill -9 of the parent alone: its workers must notice
  SIGINT    Ctrl-C; it must be gone within two seconds, with a line on how to go on
  SIGTERM   the same, as a scheduler sends it
  takeover  two copies over one folder, one of them killed with kill -9: the other must take over what it held
  copies    two and four copies over one folder, undisturbed: none may train what another has

After each the same command is run once more where something is left to do. What counts: every record.json and every
table are the same bytes as undisturbed, no process is left, no draft or lease lies about."""
EXAMPLES = """\
examples:
  python -m experiments.faults                       50 kills, 10 stops, 4 takeovers, copies: half an hour on two cores
  python -m experiments.faults --kills 4 --stops 2 --takeovers 1 --copies 2
  python -m experiments.faults --folder /mnt/shared/try      does this file system keep what is promised?

Exit code: 0 if nothing was found, else 1."""

ROOT = Path(__file__).parents[1]
SWEEP = (
    "+sweep=relu_at_zero",
    "scale=smoke",
    "data=digits8",
    "model.depth=2",
    "model.pools=[1]",
    "model.width=2",
    "scale.max_train_images=64",
    "scale.max_epochs=1",
    "tracker=off",
)
DOOR = (sys.executable, "-m", "experiments.run")
MARK = "CNNLAB_FAULTS"
"""Environment variable by which a run's processes are found, whoever their parent has become."""
PROMPT = 2.0
"""Seconds within which a run must be gone after SIGINT or SIGTERM."""
PATIENCE = 10.0
"""Seconds after which a process that outlived its run counts as left behind."""
LONGEST = 0.25
"""Seconds that one look may take; a longer one was a halt of everything here, as of a machine that sleeps."""
MOST = 100_000
"""Of any count on the command line."""
KILLED = ("group", "parent")
STOPPED = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}

Files = Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """Where a sweep is run again and again, and how.

    Attributes:
        folder: every run has its results in a folder of its own in it; they share a cache.
        door: the command that the sweep's words are given to.
    """

    folder: Path
    door: tuple[str, ...] = DOOR

    def start(self, results: Path) -> "Running":
        """Start the sweep in a process group of its own."""
        mark, log = uuid.uuid4().hex, self.folder / f"{uuid.uuid4().hex}.log"
        environment = {
            **os.environ,
            "CNNLAB_RESULTS": str(results),
            "CNNLAB_CACHE": str(self.folder / "cache"),
            MARK: mark,
        }
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*self.door, *SWEEP],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=heed,
            )
        return Running(process=process, results=results, mark=mark, log=log, began=time.monotonic())

    def results(self) -> Path:
        """A folder that is not there yet."""
        return self.folder / uuid.uuid4().hex[:8]


def heed() -> None:
    """Have a new process heed SIGINT: one that is started in the background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True, kw_only=True)
class Running:
    """A run of the sweep, under way or ended."""

    process: "subprocess.Popen[bytes]"
    results: Path
    mark: str
    log: Path
    began: float

    @property
    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")

    @property
    def trained(self) -> int:
        """How many arms it says it has trained."""
        found = re.search(r"trained (\d+) arms", self.said)
        return int(found[1]) if found else 0

    def reached(self, seconds: float, word: str = "") -> bool:
        """Wait until that long after its start, and until it has printed a word; whether it still runs then."""
        while self.process.poll() is None:
            if time.monotonic() - self.began >= seconds and word in self.said:
                return True
            time.sleep(0.01)
        return False

    def left(self) -> list[psutil.Process]:
        """Processes of this run that are still there."""
        there = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):  # it has ended, or belongs to somebody else
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark:
                    there.append(process)
        return there

    def ended(self) -> float:
        """Seconds until it has ended."""
        return waited(lambda: self.process.poll() is not None)

    def gone(self) -> float:
        """Seconds until none of its processes is there; infinity (and they are killed) after `PATIENCE`."""
        seconds = waited(lambda: not self.left(), PATIENCE)
        there = self.left()
        for process in there:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return math.inf if there else seconds


def waited(until: Callable[[], bool], limit: float = math.inf) -> float:
    """Seconds until something holds, `limit` at most. Where all that runs here was halted, that time does not count."""
    total, last = 0.0, time.monotonic()
    while not until() and total < limit:
        time.sleep(0.01)
        total, last = total + min(time.monotonic() - last, LONGEST), time.monotonic()
    return total


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The sweep undisturbed: its records, its tables and verdicts, and how long it took."""

    records: Files
    tables: Files
    seconds: float


@dataclass(kw_only=True)
class Try:
    """One fault, and what came of it.

    Attributes:
        seconds: until the last process was gone; infinite if one had to be killed.
        kept: records that were there after the fault.
        wrong: what is not as it should be, a phrase each.
    """

    fault: str
    seconds: float = 0.0
    kept: int = 0
    wrong: list[str] = field(default_factory=list)

    def require(self, holds: bool, otherwise: str) -> None:
        """Note what is wrong unless something holds."""
        if not holds:
            self.wrong.append(otherwise)


class FaultError(RuntimeError):
    """The sweep does not even run undisturbed."""


def records(results: Path) -> Files:
    """Bytes of every record, by arm."""
    found = Store(results / "runs")
    return {arm: found.record(arm).read_bytes() for arm in found.arms()}


def tables(results: Path) -> Files:
    """Bytes of the sweep's tables and verdicts."""
    paths = (path for path in results.glob("sweeps/**/*") if path.suffix in (".csv", ".json"))
    return {str(path.relative_to(results)): path.read_bytes() for path in paths}


def litter(results: Path) -> list[str]:
    """Drafts, leases and checkpoints that lie about; the folders of Hydra and of launchers' jobs are none."""
    return sorted({path.name for path in results.glob("runs/.*")} - {".hydra", ".jobs"})


def undisturbed(lab: Lab) -> Whole:
    """Run the sweep once. Raises FaultError if it fails."""
    run = lab.start(lab.results())
    if run.process.wait() != 0:
        raise FaultError(f"the undisturbed sweep fails: {run.said[-2000:]}")
    took = time.monotonic() - run.began
    return Whole(records=records(run.results), tables=tables(run.results), seconds=took)


def kill(lab: Lab, whole: Whole, fault: str, after: float) -> Try | None:
    """Kill the sweep, group or parent, so many seconds after its start; None if it had ended before."""
    run = lab.start(lab.results())
    if not run.reached(after):
        return None
    if fault == "group":
        os.killpg(run.process.pid, signal.SIGKILL)
    else:
        run.process.kill()
    run.process.wait()
    found = Try(fault=fault, seconds=run.gone())
    return _resumed(lab, whole, run, found)


def stop(lab: Lab, whole: Whole, fault: str, after: float) -> Try | None:
    """Send the parent a signal that it may answer, once it has said what it is about to do; else as `kill`."""
    run = lab.start(lab.results())
    if not run.reached(after, "records in"):
        return None
    done = tables(run.results) == whole.tables
    run.process.send_signal(STOPPED[fault])
    found = Try(fault=fault, seconds=run.ended() + run.gone())
    code = run.process.wait()
    if done and code == 0:  # there was nothing left to stop
        return None
    found.require(code == 128 + STOPPED[fault], f"exit code {code}")
    found.require(signals.GO_ON in run.said, "no line on how to go on")
    found.require("Traceback" not in run.said, "a stack trace")
    found.require(found.seconds <= PROMPT, f"took {found.seconds:.1f} s")
    return _resumed(lab, whole, run, found)


def takeover(lab: Lab, whole: Whole, fault: str, after: float) -> Try | None:
    """Two copies over one folder, the first killed; the other must end with everything."""
    results = lab.results()
    first, second = lab.start(results), lab.start(results)
    in_time = first.reached(after)
    if in_time:
        os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    found = Try(fault=fault, kept=len(records(results)), seconds=first.gone())
    found.require(second.process.wait() == 0, f"the other copy fails: {second.said[-300:]}")
    _compare(whole, results, found)
    return found if in_time else None


def copies(lab: Lab, whole: Whole, count: int) -> Try:
    """Run so many copies over one folder: every arm is trained by one of them, and all end with the same."""
    results = lab.results()
    runs = [lab.start(results) for _ in range(count)]
    codes = [run.process.wait() for run in runs]
    found = Try(fault=f"{count} copies", seconds=max(run.gone() for run in runs), kept=len(records(results)))
    found.require(not any(codes), f"exit codes {codes}")
    shares = [run.trained for run in runs]
    found.require(sum(shares) == len(whole.records), f"{shares} arms trained, together not {len(whole.records)}")
    found.require(sum(share > 0 for share in shares) > 1, f"one copy did all the work: {shares}")
    _compare(whole, results, found)
    return found


def _resumed(lab: Lab, whole: Whole, run: Running, found: Try) -> Try:
    """Run the command once more in the same folder, and compare what is there then."""
    survived = records(run.results)
    found.kept = len(survived)
    found.require(survived.items() <= whole.records.items(), "another record than undisturbed before it was resumed")
    again = lab.start(run.results)
    found.require(again.process.wait() == 0, f"resumed, it fails: {again.said[-300:]}")
    missing = len(whole.records) - len(survived)
    found.require(again.trained == missing, f"resumed, it trained {again.trained} arms, and {missing} were missing")
    _compare(whole, run.results, found)
    return found


def _compare(whole: Whole, results: Path, found: Try) -> None:
    found.require(math.isfinite(found.seconds), "a process was left behind")
    found.require(records(results) == whole.records, "other records than undisturbed")
    found.require(tables(results) == whole.tables, "another table than undisturbed")
    found.require(not litter(results), f"left lying about: {', '.join(litter(results))}")


Fault = Callable[[Lab, Whole, str, float], Try | None]


def hit(fault: Fault, lab: Lab, whole: Whole, name: str, chance: random.Random) -> Try:
    """Do a fault at a random instant of the sweep; where it came too late, the sweep is that much shorter: again."""
    while True:
        after = chance.uniform(0.0, whole.seconds)
        found = fault(lab, whole, name, after)
        if found is not None:
            return found
        whole = replace(whole, seconds=after)


def show(tries: Sequence[Try], console: Console) -> None:
    """Print the counts, a row a fault, then what was wrong."""
    table = Table(title="Faults", title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in ("fault", "tries", "records kept, mean", "slowest end, s", "as undisturbed"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    for name in dict.fromkeys(one.fault for one in tries):
        own = [one for one in tries if one.fault == name]
        kept, good = sum(one.kept for one in own) / len(own), sum(not one.wrong for one in own)
        table.add_row(name, str(len(own)), f"{kept:.1f}", f"{max(one.seconds for one in own):.2f}", str(good))
    console.print(table)
    for one in tries:
        for line in one.wrong:
            console.print(f"wrong: {one.fault}: {line}")


def planned(kills: int, stops: int, takeovers: int) -> list[tuple[Fault, str]]:
    """The faults in their order: kills alternate between the group and the parent, stops between the signals."""
    return [
        *((kill, KILLED[place % 2]) for place in range(kills)),
        *((stop, tuple(STOPPED)[place % 2]) for place in range(stops)),
        *((takeover, "takeover") for _ in range(takeovers)),
    ]


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_args()
    if asked.folder is not None:
        require_writable(asked.folder, "--folder")
    console, chance = terminal(), random.Random(asked.seed)
    with tempfile.TemporaryDirectory(prefix="faults-", dir=asked.folder, ignore_cleanup_errors=True) as folder:
        lab = Lab(folder=Path(folder))
        whole, tries = undisturbed(lab), list[Try]()
        console.print(f"undisturbed: {len(whole.records)} arms in {whole.seconds:.0f} s (from a cold cache)")
        for place, (fault, name) in enumerate(planned(asked.kills, asked.stops, asked.takeovers), start=1):
            tries.append(hit(fault, lab, whole, name, chance))
            _tell(place, tries[-1], console)
        for count in asked.copies:
            tries.append(copies(lab, whole, count))
            _tell(len(tries), tries[-1], console)
    show(tries, console)
    return ExitCode.FAILED if any(one.wrong for one in tries) else ExitCode.DONE


def _tell(place: int, one: Try, console: Console) -> None:
    wrong = "; ".join(one.wrong) or "as undisturbed"
    console.print(f"{place} {one.fault}: {one.kept} records kept, gone after {one.seconds:.2f} s, {wrong}")


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("faults", DESCRIPTION, EXAMPLES)
    made.add_argument("--kills", type=_count, default=50, help="kill -9, of the group and of the parent in turn (50)")
    made.add_argument("--stops", type=_count, default=10, help="SIGINT and SIGTERM in turn (10)")
    made.add_argument("--takeovers", type=_count, default=4, help="kill -9 of one of two copies (4)")
    made.add_argument(
        "--copies", type=_counts, default=(2, 4), help="how many copies at once, a list (2,4); 0 for none"
    )
    made.add_argument("--seed", type=int, default=0, help="of the instants (0)")
    made.add_argument("--folder", type=_folder, help="where the results lie meanwhile (the system's temporary folder)")
    return made


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) and int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text} must be 0 to {MOST}")
    return int(text)


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(count for word in text.split(",") if (count := _count(word)))
    if 1 in counts:
        raise argparse.ArgumentTypeError(f"{text} is no list of copies that share work: each must be 2 or more, or 0")
    return counts


def _folder(text: str) -> Path:
    if not is_folder(Path(text)):
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return Path(text).expanduser().absolute()  # the sweep runs in the folder of the checkout


if __name__ == "__main__":
    sys.exit(main())
