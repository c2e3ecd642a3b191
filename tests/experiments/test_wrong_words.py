"""Wrong command lines of every door, generated: each one line, exit code 2, within seconds, and nothing is written.

More of `experiments.run` are beside its configuration. What was found wrong once is kept in `wrong_words.json`.
"""

import contextlib
import io
import json
import os
import random
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments import (
    compare,
    cost,
    dashboard,
    faults,
    features,
    judge,
    publish,
    replicate,
    report,
    run,
    show,
    suite,
    tasks,
)
from experiments.bench import main as bench
from experiments.checkerboard import __main__ as checkerboard
from experiments.cli.doors import doors
from experiments.geometry import __main__ as geometry
from experiments.new import __main__ as new
from experiments.paths import ROOT
from experiments.reports import publication
from experiments.simulate import __main__ as simulate

QUICK, SLOW, PROCESSES = 3, 36, 1
"""Command lines of each door: in a quick run, in a slow one, and in a slow one as processes of their own."""
SECONDS = 20.0
CORPUS = json.loads(Path(__file__).with_name("wrong_words.json").read_text(encoding="utf-8"))
DOORS: dict[str, ModuleType] = {
    "bench": bench,
    "checkerboard": checkerboard,
    "compare": compare,
    "cost": cost,
    "dashboard": dashboard,
    "faults": faults,
    "features": features,
    "geometry": geometry,
    "judge": judge,
    "new": new,
    "publish": publish,
    "replicate": replicate,
    "report": report,
    "run": run,
    "show": show,
    "simulate": simulate,
    "suite": suite,
    "tasks": tasks,
}
WORK = {
    "bench": "experiments.bench.main.Benchmark",
    "checkerboard": "experiments.checkerboard.__main__.digit_mosaics",
    "compare": "experiments.analysis.lookup.Store.read",
    "cost": "experiments.cost.apart",
    "dashboard": "experiments.dashboard.write",
    "faults": "experiments.faults.undisturbed",
    "features": "experiments.features.apart",
    "geometry": "experiments.geometry.__main__.answer",
    "judge": "experiments.judge.judge",
    "new": "experiments.new.__main__.write_bytes",
    "publish": "experiments.reports.publication.publish",
    "replicate": "experiments.replicate.best_view",
    "report": "experiments.page.building.document",
    "run": "experiments.run.run",
    "show": "experiments.analysis.lookup.Store.read",
    "simulate": "experiments.simulate.__main__.find",
    "suite": "experiments.suite.prepared",
    "tasks": "experiments.tasks.show",
}
"""What a door does once it has taken a command line for right."""
RIGHT = {
    "bench": ["--quick", "W1"],
    "checkerboard": ["--seeds", "2"],
    "compare": ["model.width=4", "model.width=8"],
    "cost": ["relu-cheap"],
    "dashboard": [],
    "faults": ["--kills", "1"],
    "features": ["data=digits8", "scale=smoke"],
    "geometry": ["model=vgg16"],
    "judge": ["k3-most-used", "--figures"],
    "new": ["statistic", "of_mine"],
    "publish": ["only=relu_at_zero", "scale=smoke"],
    "replicate": ["+sweep=relu_at_zero", "scale=smoke"],
    "report": ["--only", "sampling", "--fast"],
    "run": ["scale=smoke", "tracker=off"],
    "show": ["gradients", "model.width=4"],
    "simulate": ["--replications", "100"],
    "suite": ["only=relu_at_zero", "scale=smoke"],
    "tasks": ["phase"],
}
OPTIONS = {
    "bench": {"--rounds": "NUMBER", "--contenders": "NAME", "--part": "NAME", "--device": "NAME"},
    "checkerboard": {"--seeds": "NUMBER", "--steps": "NUMBER", "--fashion": "PATH"},
    "compare": {},
    "cost": {"--device": "NAME"},
    "dashboard": {},
    "faults": {"--kills": "NUMBER", "--stops": "NUMBER", "--takeovers": "NUMBER", "--folder": "PATH"},
    "features": {"--steps": "NUMBER", "--starts": "NUMBER", "--seeds": "NUMBER", "--parametrisation": "NAME"},
    "geometry": {"--size": "NUMBER", "--channels": "NUMBER", "--graph": "PATH", "--module": "NAME"},
    "judge": {"--family": "NAME", "--kind": "NAME", "--verdict": "NAME"},
    "new": {"--family": "NAME"},
    "publish": {},
    "replicate": {},
    "report": {
        "--only": "NAME",
        "--results": "PATH",
        "--out": "FILE",
        "--net": "NAME",
        "--module": "NAME",
        "--image": "PATH",
        "--size": "NUMBER",
        "--channels": "NUMBER",
    },
    "run": {},
    "show": {},
    "simulate": {"--replications": "NUMBER"},
    "suite": {},
    "tasks": {"--pictures": "FILE"},
}
NUMBERS = ("-1", "", "x", "1.5", "nan", "inf", "1e400", "-" + "9" * 30, "9" * 5000, "0x10", "١" * 40, "[1]")
PATHS = ("/proc/x", "/dev/null/x", f"/{'x' * 5000}", "/proc/\x1b[31m[/x]\n")
"""Of what is there, or is to be written: in neither case is it these."""
UNKNOWN = (
    "no_such",
    "[/x]",
    "[red]y",
    "a\nb",
    "\x1b[31m",
    "💥",
    "../../etc",
    "$(true)",
    "'",
    '"',
    "${x}",
    "x" * 9000,
    "%s",
    "\\",
)
KEYS = (
    "no_such_key=1",
    "model.widht=3",
    "++model.width=3",
    "~model",
    "model.width=[1",
    "model.width=x",
    "model.width=${nothing}",
    "model=no_such",
    "data=no_such",
    "scale=no_such",
    "tracker=no_such",
    "hydra.launcher._target_=os.system",
    "+hydra.callbacks.x._target_=os.system",
    "results=",
    "results=/proc/x",
    f"results=/{'x' * 5000}",
    "results=${oc.env:NO_SUCH_VARIABLE}",
    "=",
    "=1",
    "a=b=c",
    "+sweep=no_such",
    "train.epochs=-1",
    "train.epochs=100000",
    "train.weight_decay=inf",
    "train.init_stream=100000000000000000000",
    "train.watched=2",
    "model.init_scale=1e400",
    "model.width=100000",
    "model.pools=[1.5]",
    "model.widths=[0]",
    "data.dials.noise=1e308",
    "data.dials.nope=1",
    "data.side=100000",
    "scale.members=1000000",
    "scale.tasks=nope",
    "scale.first_seed=4294967296",
    "workers=100000000",
    "force=2",
    "match=macs",
    "arm=nope",
    "check=no_such",
    "sweep.factor=model.nope",
    "hydra.output_subdir=conf",
    "hydra/launcher=no_such",
    "--config-dir=/tmp",
)
SWEEPS = (
    "only=no_such",
    "only=",
    "only=,",
    "only=[x]",
    "only=../x",
    "only=relu_at_zero,no_such",
    "+sweep=relu_at_zero",
)
"""What `suite` and `publish` do not take for a choice."""


def test_every_door_is_tried() -> None:
    assert list(DOORS) == list(doors())


def mistake(door: str, chance: random.Random) -> list[str]:
    """Words that no door takes."""
    options = OPTIONS[door]
    kind = chance.choice(["option", "key", "flag", "word", "value"])
    if kind == "option" and options:
        name = chance.choice(sorted(options))
        choice = {"NUMBER": NUMBERS, "PATH": PATHS, "FILE": PATHS, "NAME": UNKNOWN}[options[name]]
        value = chance.choice(choice)
        return [f"{name}={value}"] if chance.random() < 0.5 else [name, value]
    if kind == "value" and options:
        return [chance.choice(sorted(options))]  # without a value, at the end
    if kind == "flag":
        return [chance.choice(["--no-such", "-x", "--jso", "--help-me", f"--{'x' * 3000}", "--=", "---", "-\n"])]
    if kind == "word":
        letters = "".join(chance.choice(string.ascii_lowercase) for _ in range(9))
        return [chance.choice([*UNKNOWN, f"no_{letters}"])]
    return [chance.choice(KEYS + (SWEEPS if door in ("suite", "publish") else ()))]


def line(door: str, number: int) -> list[str]:
    """The command line of a number: what would be right, and one mistake before or behind it."""
    chance = random.Random(f"{door} {number}")
    right = RIGHT[door] if chance.random() < 0.7 else []
    wrong = mistake(door, chance)
    return [*right, *wrong] if wrong[0] in OPTIONS[door] or chance.random() < 0.7 else [*wrong, *right]


Said = tuple[object, str, str, float]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, list[str]], Said]]:
    """Ask a door in this process, where what it would do once it began raises; nothing may be left behind."""

    def began(*_: object, **__: object) -> Any:
        raise AssertionError("taken for a right command line")

    for name in WORK.values():
        monkeypatch.setattr(name, began)
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def ask(door: str, words: list[str]) -> Said:
        out, err, start = io.StringIO(), io.StringIO(), time.process_time()
        monkeypatch.setattr(sys, "argv", [door, *words])
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code: object = DOORS[door].main()
        except BaseException as escaped:
            code = f"{type(escaped).__name__}: {escaped}"
        return code, out.getvalue(), err.getvalue(), time.process_time() - start

    yield ask
    assert list(tmp_path.iterdir()) == []


def check(answer: Said, words: list[str], patience: float = 1) -> None:
    """Raise unless an answer is one line about a mistake, soon.

    Args:
        patience: how often as long a process may take, which has everything to import.
    """
    code, out, err, seconds = answer
    assert (code, out) == (2, ""), (words, code, err)
    assert err.startswith("error: "), (words, err)
    assert err.count("\n") == 1, (words, err)
    assert err[:-1].isprintable(), (words, err)
    assert len(err) < 2500, words
    assert seconds < patience * SECONDS, words


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_command_line_is_one_line(door: str, said: Callable[[str, list[str]], Said]) -> None:
    for number in range(QUICK):
        words = line(door, number)
        check(said(door, words), words)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("door", DOORS)
def test_many_wrong_command_lines_are(
    door: str, said: Callable[[str, list[str]], Said], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(SLOW):
        words = line(door, number)
        check(said(door, words), words)
    with capsys.disabled():
        print(f"\n{door}: {SLOW} wrong command lines", end="")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("door", DOORS)
def test_wrong_command_lines_are_in_processes_of_their_own(
    door: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a user starts them: with imports, signals and the end of the process."""
    places = {"CNNLAB_RESULTS": str(tmp_path / "results"), "CNNLAB_CACHE": str(tmp_path / "cache")}
    for number in range(SLOW, SLOW + PROCESSES):
        words = [word.replace("\0", "") for word in line(door, number)]
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", f"experiments.{door}", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **places},
        )
        check((done.returncode, done.stdout, done.stderr, time.monotonic() - start), words, patience=5)
    assert list(tmp_path.iterdir()) == []
    with capsys.disabled():
        print(f"\n{door}: {PROCESSES} processes with a wrong command line", end="")


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: f"{case['door']} {' '.join(case['words'])}"[:60])
def test_what_was_found_once_stays_mended(case: dict[str, Any], said: Callable[[str, list[str]], Said]) -> None:
    answer = said(case["door"], case["words"])
    check(answer, case["words"])
    assert case["says"] in answer[2]


@pytest.mark.parametrize("door", DOORS)
def test_a_right_command_line_is_no_mistake(
    door: str, said: Callable[[str, list[str]], Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: what is said of generated lines does not hold of the line that each is made of."""
    monkeypatch.setattr("experiments.analysis.lookup.Store.has", lambda *_: door in ("compare", "show"))
    for name in ("_lacking", "_require_records"):  # there are records, so to speak
        monkeypatch.setattr(publication, name, lambda _: "")
    code, _, _, _ = said(door, RIGHT[door])
    assert code == "AssertionError: taken for a right command line"
