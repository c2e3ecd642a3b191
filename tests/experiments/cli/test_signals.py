"""Signals: the process is gone in time, says how to go on, and what it was writing is whole."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.cli import signals
from experiments.faults import heed, waited

# what is done between fork and exec touches no JAX
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")

HEAD = """
import multiprocessing, signal, sys, threading, time
from pathlib import Path
from experiments.cli import signals

def work():
    time.sleep(600)

if __name__ == "__main__":
    here = Path(sys.argv[1])
    with signals.in_order():
"""
BODIES = {
    "in Python": "print('ready', flush=True); time.sleep(600)",
    # compiled code that returns after many seconds: Python's own handlers would run only then
    "in native code": "import numpy as np; a = np.ones((2000, 2000)); print('ready', flush=True)\n"
    "        while True: np.linalg.svd(a)",
    "beside a worker": "p = multiprocessing.get_context('spawn').Process(target=work, daemon=True); p.start()\n"
    "        (here / 'pid').write_text(str(p.pid)); print('ready', flush=True); p.join(); print('went on')",
    "in the middle of writing": "\n"
    "        with signals.undisturbed():\n"
    "            print('ready', flush=True); time.sleep(0.6); (here / 'whole').write_text('whole')\n"
    "        print('went on', flush=True); time.sleep(600)",
    "in writing without end": "\n        with signals.undisturbed(): print('ready', flush=True); time.sleep(600)",
}


def stopped(body: str, folder: Path, sent: signal.Signals, after: float = 0.0) -> tuple[int, float, str, str]:
    """Exit code, seconds, and what was printed after `ready`, of a script that gets a signal so many seconds later."""
    script = folder / "script.py"
    script.write_text(HEAD + f"        {body}\n")
    with subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(after)
        process.send_signal(sent)
        seconds = waited(lambda: process.poll() is not None)
        return process.wait(), seconds, process.stdout.read(), process.stderr.read()


LONG = "in native code"


@pytest.mark.parametrize("where", [pytest.param(one, marks=[pytest.mark.slow] * (one == LONG)) for one in BODIES])
def test_gone_within_two_seconds_with_a_line(where: str, tmp_path: Path) -> None:
    sent = signal.SIGTERM if where == "in Python" else signal.SIGINT
    code, seconds, out, err = stopped(BODIES[where], tmp_path, sent)
    assert code == 128 + sent
    assert seconds < 2.0
    assert out == "", "nothing went on after the signal"
    if where == "in writing without end":
        assert seconds > signals.LATEST - 0.1, "it was given its time"
    else:
        assert err.strip() == signals.GO_ON
    if where == "in the middle of writing":
        assert (tmp_path / "whole").read_text() == "whole"
    if where == "beside a worker":
        assert gone(int((tmp_path / "pid").read_text()))


def gone(pid: int) -> bool:
    import psutil

    deadline = time.monotonic() + 2
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.slow
def test_a_handler_of_pythons_own_comes_too_late_in_native_code(tmp_path: Path) -> None:
    """The twin: the same script with a handler that would end the process, but is run only between two bytecodes."""
    own = BODIES[LONG].replace(
        "import numpy as np;",
        "import os, numpy as np; signal.set_wakeup_fd(-1)\n"
        "        signal.signal(signal.SIGINT, lambda *_: os._exit(130));",
    )
    code, seconds, _, err = stopped(own, tmp_path, signal.SIGINT, after=0.5)
    assert code == 130
    assert signals.GO_ON not in err
    assert seconds > 0.5


AGAIN = """
import os, signal, sys, threading, time
from experiments.cli import signals

def disturbed(line):
    seen = []

    def trace(frame, event, argument):
        seen.extend([event] * (event == "line"))
        if len(seen) == line and event == "line":
            signal.raise_signal(signal.SIGTERM)
        return trace

    with signals.in_order():
        sys.settrace(trace)
        signal.raise_signal(signal.SIGTERM)

stopping = threading.Event()

def park(number, frame):
    stopping.set()
    signals._wait_for_the_end()

def held(number, frame):
    with threading._active_limbo_lock:
        signals._wait_for_the_end()

{planted}
children = {{}}
for line in range(1, 13):
    children[line] = os.fork()
    if not children[line]:
        disturbed(line)
        os._exit(0)
ended, deadline = {{}}, time.monotonic() + 3
while len(ended) < len(children) and time.monotonic() < deadline:
    time.sleep(0.01)
    for line, child in children.items():
        if line not in ended:
            pid, status = os.waitpid(child, os.WNOHANG)
            ended |= {{line: os.waitstatus_to_exitcode(status)}} if pid else {{}}
for line in set(children) - set(ended):
    os.kill(children[line], signal.SIGKILL)
print(sorted(set(ended.values())), len(children) - len(ended), "hung")
"""
TAKES_A_LOCK = "signals._park, signals._end, signals._limit = park, lambda code, line: stopping.set(), lambda _: None"


@pytest.mark.parametrize("planted", ["", "signals._park = held", TAKES_A_LOCK])
def test_a_signal_that_interrupts_the_handler_of_another_holds_nothing_up(planted: str, tmp_path: Path) -> None:
    """At any of its lines: `timeout` and batch systems send two at once.

    Nor does a main thread that was parked while it started another thread. The twin takes a lock in the handler.
    """
    script = tmp_path / "script.py"
    script.write_text(AGAIN.format(planted=planted))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, preexec_fn=heed)
    assert (done.stdout == f"[{128 + signal.SIGTERM}] 0 hung\n") == (planted != TAKES_A_LOCK), done


LAST = """
import atexit, sys, time
from experiments.cli import signals

def late():
    print("ready", flush=True)
    time.sleep(600)

atexit.register(late)
{end}
"""


@pytest.mark.parametrize("end", ["signals.door(lambda: 7)", "sys.exit(7)"])
def test_a_signal_after_the_work_is_done_does_not_change_how_it_ended(end: str, tmp_path: Path) -> None:
    """And its twin: Python's own way out is interrupted."""
    script = tmp_path / "script.py"
    script.write_text(LAST.format(end=end))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert waited(lambda: process.poll() is not None) < 2.0
        clean = process.returncode == 7 and process.stderr.read() == ""
        assert clean == end.startswith("signals")


LATEST_OF_ALL = """
import os, signal, sys, time
from experiments.cli import signals

class Late:
    # goes when Python takes its modules down, after its signal handlers

    def __del__(self, os=os, number=signal.SIGTERM, sleep=time.sleep):
        os.kill(os.getpid(), number)
        sleep(0.2)

late = Late()
{end}
"""


@pytest.mark.parametrize("end", ["signals.door(lambda: 7)", "sys.exit(7)"])
def test_a_signal_while_python_takes_itself_down_does_not_change_it_either(end: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(LATEST_OF_ALL.format(end=end))
    process = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, preexec_fn=heed)
    assert (process.returncode == 7) == end.startswith("signals")
    assert process.stderr == ""


def test_what_was_ignored_stays_ignored_and_all_is_put_back() -> None:
    before = {one: signal.getsignal(one) for one in signals.SIGNALS}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.in_order():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signals._park
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
    assert {one: signal.getsignal(one) for one in signals.SIGNALS} == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("raised", ["SystemExit(0)", "SystemExit('enough')", "KeyboardInterrupt"])
def test_code_of_the_users_that_ends_the_command_is_one_line(raised: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"from experiments.cli import signals\ndef main():\n    raise {raised}\nsignals.door(main)\n")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    said = raised.replace("('", ": ").replace("(", ": ").rstrip("')")
    assert (done.returncode, done.stderr) == (2, f"error: script.py:3 ends the command: {said}\n")


def test_what_help_ends_with_is_no_mistake(tmp_path: Path) -> None:
    """The twin."""
    script = tmp_path / "script.py"
    script.write_text(
        "from experiments.cli import signals\nfrom experiments.cli.command import parser\n"
        "def main():\n    return parser('x', 'Says what it does.').parse_args(['--help']) is None\nsignals.door(main)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Says what it does." in done.stdout
