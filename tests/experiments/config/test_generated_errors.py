"""Hundreds of wrong command lines and sweep files: each one line, exit code 2, nothing written."""

import contextlib
import io
import os
import shutil
import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from experiments import paths as places
from experiments import run
from experiments.cli.command import ExitCode
from experiments.config import errors

LINES, FILES = (40, 300), (15, 60)
"""How many: in a quick run, which are the first of these, and in a slow one."""
WORD = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12)
NOT_A_NUMBER = st.text(string.ascii_letters, min_size=1, max_size=8).filter(
    lambda text: (
        text.lower() not in ("nan", "inf", "infinity", "null", "true", "false", "on", "off", "y", "n", "yes", "no")
    )
)
WHOLE = (
    "model.depth",
    "model.width",
    "model.kernel",
    "train.epochs",
    "train.batch_size",
    "workers",
    "scale.members",
    "scale.first_seed",
)
NUMBERS = ("train.learning_rate",)
TEXTS = ("model.activation", "model.down", "model.padding", "match", "tracker.mode", "check.name")
GROUPS = ("model", "data", "train", "scale", "tracker", "check", "+sweep")
ANY = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
VALID = st.sampled_from(["scale=smoke", "model.width=4", "data=digits8", "tracker=off", "train=sgd", "model.kernel=5"])
EVIL = ("os.system", "builtins.eval", "subprocess.call", "experiments.run.main")


def keys() -> frozenset[str]:
    return frozenset(errors.keys())


unknown_key = st.tuples(st.sampled_from(["", "model.", "data.", "train.", "scale."]), WORD, WORD).map(
    lambda parts: f"{parts[0]}{parts[1]}={parts[2]}"
)
wrong_type = st.one_of(
    st.tuples(st.sampled_from(WHOLE), st.one_of(NOT_A_NUMBER, st.just("1.5"), st.just("[1]"), st.just("{a:1}"))),
    st.tuples(st.sampled_from(NUMBERS), st.one_of(NOT_A_NUMBER, st.just("[1]"))),
    st.tuples(st.just("force"), NOT_A_NUMBER),
).map("=".join)
out_of_range = st.one_of(
    st.tuples(st.sampled_from(WHOLE[:5]), st.integers(-(10**12), 0)),
    st.tuples(st.just("model.kernel"), st.integers(8, 10**9)),
    st.tuples(st.just("workers"), st.integers(-(10**9), -1)),
    st.tuples(st.just("scale.first_seed"), st.integers(-(10**9), -1)),
    st.tuples(st.just("scale.members"), st.one_of(st.integers(-(10**9), 0), st.integers(1001, 10**9))),
    st.tuples(st.just("train.rates"), st.one_of(st.integers(-(10**9), 0), st.integers(9, 10**9))),
    st.tuples(st.just("train.learning_rate"), st.sampled_from(["0", "-1", "nan", "inf", "-inf", "-1e-300"])),
    st.tuples(st.just("model.pools"), st.sampled_from(["[-1]", "[9]", "[1,1]", "[3,2]", "7", "[[1]]", "[1.5]"])),
).map(lambda pair: f"{pair[0]}={pair[1]}")
unknown_choice = st.tuples(st.sampled_from((*GROUPS, *TEXTS)), WORD.map("no_such_".__add__)).map("=".join)
no_syntax = st.one_of(
    st.sampled_from(
        [
            "model.pools=[1",
            "model.pools=]",
            "=3",
            "model.width==4",
            "'",
            '"',
            "model.width='4",
            "{",
            "a b=c",
            "model.width",
            "model.width=4 5",
            "[]",
            "=",
            "+",
            "~",
            "++",
            "+=",
            "\\",
            "model.width=${",
            "model.width=$x",
            "a=b=c",
            "@=1",
            "💥=1",
            "model.width=💥",
            "model@x=convnet",
            "model.width=1,2",
            "model.width=range(1",
            "model.width=glob(*)",
            "#",
        ]
    ),
    ANY.map(lambda text: f"model.width={text}x"),
    ANY.map(lambda text: f"{text}x"),
)
added = st.tuples(st.sampled_from(["+", "++", "~"]), WORD, WORD).map(lambda parts: f"{parts[0]}{parts[1]}={parts[2]}")
interpolated = st.sampled_from(
    [
        "model.width=${nothing}",
        "model.width=${model.width}",
        "model.width=${oc.env:NO_SUCH_VARIABLE}",
        "model.width=${no:x}",
        "model.width=${oc.decode:'['}",
        "results=${oc.env:NO_SUCH_VARIABLE}",
        "model.activation=${model.padding}",
        "results=???",
        "model.pools=${model.width}",
        "cache=${results",
        "data.name=${data}",
    ]
)
paths = st.sampled_from(
    [
        "data.name=../../../etc",
        "data.name=/etc/passwd",
        "data.name=''",
        "data.name=a/b",
        f"data.name={'x' * 300}",
        "+sweep=../config",
        "+sweep=/etc/passwd",
        "model=../data/digits12",
        "data=../../pyproject",
        f"results=/{'x' * 5000}",
        "results=/dev/null",
        "cache=/dev/null/x",
        f"model={'m' * 400}",
        "data=tfds data.name=..",
        "results=",
    ]
)
hydra = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "+hydra.callbacks.x._target_",
                "hydra.launcher._target_",
                "hydra.sweeper._target_",
                "++hydra.callbacks={x:{_target_: os.system}} ",
                "+hydra.launcher.x._target_",
                "+hydra.job_logging.handlers.x.class",
                "+hydra.hydra_logging.handlers.console.class",
                "+hydra.job_logging.formatters.plain.()",
                "+hydra.job.env_set.PYTHONSTARTUP",
                "hydra.searchpath",
                "model._target_",
                "+model._target_",
                "+data._target_",
                "train._target_",
            ]
        ),
        st.sampled_from(EVIL),
    ).map("=".join),
    st.sampled_from(
        [
            "--config-dir=/tmp",
            "--config-path=x",
            "--config-name=x",
            "--experimental-rerun=x.pickle",
            "--nonsense",
            "-x",
            "hydra/launcher=no_such",
            "hydra/callbacks=no_such",
            "hydra.mode=SOMETIMES",
            "--multirunn",
        ]
    ),
)

MISTAKES = st.one_of(
    unknown_key.filter(lambda word: word.partition("=")[0] not in keys()),
    wrong_type,
    out_of_range,
    unknown_choice,
    no_syntax,
    added.filter(lambda word: not word.startswith("+sweep=")),
    interpolated,
    paths,
    hydra,
)
LINE = st.tuples(st.lists(VALID, max_size=2, unique=True), MISTAKES, st.booleans()).map(
    lambda parts: [*parts[0], parts[1]] if parts[2] else [parts[1], *parts[0]]
)
# of a key that is given twice the last value counts, so that it may well put the mistake right
LINE = LINE.filter(lambda words: len({word.partition("=")[0] for word in words}) == len(words))

Said = tuple[object, str, str]


def said(words: list[str]) -> Said:
    """What the door answers to a command line: exit code, standard output and error. It never gets to run anything."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["run", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: object = run.main()
    except BaseException as escaped:
        code = f"{type(escaped).__name__}: {escaped}"
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def one_line(answer: Said) -> bool:
    code, out, err = answer
    single = err.startswith("error: ") and len(err.rstrip("\n").split("\n")) == 1
    return code == ExitCode.USAGE and out == "" and single


@pytest.fixture
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folders that must stay away; a command line that is taken for a right one raises."""

    def accepted(*_: object, verbose: bool) -> int:
        raise AssertionError("taken for a right command line")

    monkeypatch.setattr(run, "run", accepted)
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CNNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "cache").exists()


QUICKLY = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check_line(words: list[str]) -> None:
    answer = said(words)
    assert one_line(answer), (words, answer)


@pytest.mark.slow
@settings(QUICKLY, max_examples=LINES[0])
@given(words=LINE)
@example(words=["train=sgd", "model.pools=${model.width}"])  # found so: an interpolated number in a list's place
def test_a_wrong_command_line_is_one_line(nothing_runs: Path, words: list[str]) -> None:
    check_line(words)


@pytest.mark.slow
@settings(QUICKLY, max_examples=LINES[1])
@given(words=LINE)
def test_three_hundred_wrong_command_lines_are_one_line_each(nothing_runs: Path, words: list[str]) -> None:
    check_line(words)


def test_a_right_command_line_is_no_mistake(nothing_runs: Path) -> None:
    """The twin: what is said of three hundred lines does not hold of this one."""
    assert said(["scale=smoke", "model.width=4"])[0] == "AssertionError: taken for a right command line"


# Files.

PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), WORD, st.lists(WORD, max_size=2))


def sweep_file() -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load((places.CONF / "sweep" / "relu_at_zero.yaml").read_text())
    return content


def _without(content: dict[str, object], path: tuple[str, ...]) -> dict[str, object]:
    return _with(content, path, None, remove=True)


def _with(
    content: dict[str, object], path: tuple[str, ...], value: object, *, remove: bool = False
) -> dict[str, object]:
    changed = dict(content)
    if len(path) > 1:
        inner = changed[path[0]] if path[0] in changed else {}
        changed[path[0]] = _with(inner if isinstance(inner, dict) else {}, path[1:], value, remove=remove)
    elif remove:
        del changed[path[0]]
    else:
        changed[path[0]] = value
    return changed


Change = Callable[[dict[str, object]], str]


def dumped(change: Callable[[dict[str, object]], dict[str, object]]) -> Change:
    return lambda content: "# @package _global_\n" + yaml.safe_dump(change(content), sort_keys=False)


def _broken(cut: int) -> Change:
    return lambda content: ("# @package _global_\n" + yaml.safe_dump(content, sort_keys=False))[:cut] + "\n  : ]{ *x"


CHANGES = st.one_of(
    st.sampled_from(["bank", "question", "held", "factor", "reference", "levels"]).map(
        lambda key: dumped(lambda content: _without(content, ("sweep", key)))
    ),
    st.tuples(WORD, PLAIN).map(lambda kv: dumped(lambda content: _with(content, ("sweep", f"no_{kv[0]}"), kv[1]))),
    st.tuples(WORD, PLAIN).map(lambda kv: dumped(lambda content: _with(content, (f"no_{kv[0]}",), kv[1]))),
    st.tuples(WORD, WORD).map(
        lambda kv: dumped(lambda content: _with(content, ("sweep", "arms", "half", "model", f"no_{kv[0]}"), kv[1]))
    ),
    WORD.map(lambda value: dumped(lambda content: _with(content, ("sweep", "reference"), f"no_{value}"))),
    WORD.map(lambda value: dumped(lambda content: _with(content, ("sweep", "levels", "smoke"), f"zero,no_{value}"))),
    WORD.map(lambda value: dumped(lambda content: _with(content, ("sweep", "tasks", "smoke"), f"no_{value}"))),
    WORD.map(lambda value: dumped(lambda content: _with(content, ("defaults",), [{"override /model": f"no_{value}"}]))),
    st.sampled_from(EVIL).map(
        lambda name: dumped(lambda content: _with(content, ("hydra", "callbacks", "x"), {"_target_": name}))
    ),
    st.sampled_from(EVIL).map(
        lambda name: dumped(lambda content: _with(content, ("hydra", "launcher"), {"_target_": name}))
    ),
    st.sampled_from(EVIL).map(
        lambda name: dumped(lambda content: _with(content, ("hydra", "job_logging", "handlers"), {"x": {"()": name}}))
    ),
    st.sampled_from(EVIL).map(lambda name: dumped(lambda content: _with(content, ("model", "_target_"), name))),
    st.sampled_from(EVIL).map(
        lambda name: dumped(lambda content: _with(content, ("sweep", "arms", "half", "model", "_target_"), name))
    ),
    st.sampled_from(EVIL).map(lambda name: lambda content: f"# @package _global_\nsweep: !!python/name:{name} ''\n"),
    st.sampled_from(EVIL).map(
        lambda name: lambda content: f"# @package _global_\nsweep: !!python/object/apply:{name} [ls]\n"
    ),
    st.integers(30, 300).map(_broken),
    st.sampled_from(["", "[]", "3", "sweep: 3", "\t", "a: &x [*x]", "sweep: {factor: {}}", "\x01", "é" * 9]).map(
        lambda text: lambda content: f"# @package _global_\n{text}\n"
    ),
)


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `conf/` to which a file may be added."""
    copy = tmp_path / "conf"
    shutil.copytree(places.CONF, copy)
    monkeypatch.setattr(places, "CONF", copy)
    return copy


def check_file(conf: Path, change: Change) -> None:
    text = change(sweep_file())
    (conf / "sweep" / "wrong.yaml").write_text(text)
    answer = said(["+sweep=wrong", "scale=smoke"])
    assert one_line(answer), (text, answer)


@pytest.mark.slow
@settings(QUICKLY, max_examples=FILES[0])
@given(change=CHANGES)
def test_a_wrong_sweep_file_is_one_line(conf: Path, nothing_runs: Path, change: Change) -> None:
    check_file(conf, change)


@pytest.mark.slow
@settings(QUICKLY, max_examples=FILES[1])
@given(change=CHANGES)
def test_sixty_wrong_sweep_files_are_one_line_each(conf: Path, nothing_runs: Path, change: Change) -> None:
    check_file(conf, change)


def test_the_file_that_is_changed_is_right(conf: Path, nothing_runs: Path) -> None:
    """The twin."""
    (conf / "sweep" / "wrong.yaml").write_text("# @package _global_\n" + yaml.safe_dump(sweep_file(), sort_keys=False))
    assert said(["+sweep=wrong", "scale=smoke"])[0] == "AssertionError: taken for a right command line"


def test_no_config_file_runs_code(conf: Path, nothing_runs: Path) -> None:
    """By doing: what each way in would leave behind is not there."""
    proof = nothing_runs / "proof"
    command = f"touch {proof}"
    ways = (
        {"hydra": {"callbacks": {"x": {"_target_": "os.system", "command": command}}}},
        {"hydra": {"job_logging": {"handlers": {"x": {"()": "os.system", "command": command}}}}},
        {"hydra": {"hydra_logging": {"handlers": {"x": {"()": "os.system", "command": command}}}}},
    )
    for way in ways:
        content = sweep_file()
        content["hydra"] = {**content["hydra"], **way["hydra"]}  # type: ignore[dict-item]
        (conf / "sweep" / "wrong.yaml").write_text("# @package _global_\n" + yaml.safe_dump(content, sort_keys=False))
        for words in (["+sweep=wrong", "scale=smoke"], ["+sweep=wrong", "--cfg", "job"]):
            assert one_line(said(words)), words
    assert not proof.exists()
    os.system(command)
    assert proof.exists(), "the twin: the command would have left it"
