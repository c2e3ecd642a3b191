"""Wrong command lines: one line that names the key, the value and what is valid; exit code 2; nothing written."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnnlab.spec.invalid import InvalidError
from experiments import run
from experiments.cli.errors import UsageError
from experiments.config.grid import grid

SWEEP = "+sweep=pool_position"
Door = Callable[..., Any]

WRONG = {
    # command line: what the line must name
    ("model.kernel=three",): ("model.kernel", "three", "whole number"),
    ("train.learning_rate=fast",): ("train.learning_rate", "fast", "a number"),
    ("force=perhaps",): ("force", "perhaps", "true or false"),
    ("model.pools=[1,x]",): ("model.pools", "x", "whole number"),
    ("model.widht=8",): ("model.widht", "model.width"),
    ("+model.widht=8",): ("model.widht", "only set"),
    ("++model.width=8",): ("model.width", "only set"),
    ("~model",): ("model", "only set"),
    ("nonsense=1",): ("nonsense", "valid keys"),
    ("model=lennet5",): ("model=lennet5", "lenet5", "convnet"),
    ("scale=quik",): ("scale=quik", "quick", "smoke", "full"),
    ("data=digit",): ("data=digit", "digits12", "vernier"),
    ("+sweep=pool_positon",): ("sweep=pool_positon", "pool_position"),
    ("sweep=pool_position",): ("+sweep",),
    ("model.activation=rleu",): ("model.activation", "rleu", "relu", "sigmoid"),
    ("model.down=maximum",): ("model.down", "maximum", "max", "average"),
    ("model.kernel=0",): ("model.kernel", "0", "between 1 and 7"),
    ("model.depth=0", "model.pools=[]"): ("model.depth", "0", "between 1"),
    ("model.kernel=4", "model.padding=reflect"): ("model.padding", "reflect", "even", "alternating"),
    ("model.padding=symmetric",): ("model.padding", "symmetric", "even"),
    ("model.pools=[2,2]",): ("model.pools", "[2, 2]", "one place"),
    ("model.pools=[2,7]",): ("model.pools", "[2, 7]", "model.depth=6"),
    ("model.pools=[-1,2]",): ("model.pools", "[-1, 2]", "between 0"),
    ("model.padding=valid",): ("1x1",),
    ("model.pools=[1,2,3,4]",): ("1x1",),
    ("train.learning_rate=0",): ("train.learning_rate", "0", "above 0"),
    ("train.learning_rate=-1",): ("train.learning_rate", "-1", "above 0"),
    ("train.learning_rate=nan",): ("train.learning_rate", "nan", "above 0"),
    ("train.epochs=0",): ("train.epochs", "0", "between 1"),
    ("match=macs",): ("match", "macs", "+sweep"),
    ("match=weight",): ("match", "weight", "none", "params", "macs"),
    ("model.kernel=3,4",): ("model.kernel=3,4", "--multirun"),
    ("model.pools=[2,4",): ("[2,4",),
    ("convolutions=blas",): ("convolutions", "blas", "xla", "native"),
    ("workers=-1",): ("workers", "-1", "between 0 and 1024"),
    ("scale.members=0",): ("scale.members", "0", "between 1"),
    ("scale.first_seed=-1",): ("scale.first_seed", "-1", "between 0"),
    ("train.rates=9",): ("train.rates", "9", "between 1 and 8"),
    ("data=tfds",): ("data.", "missing"),
    ("sweep.factor=match",): ("sweep.factor=match", "+sweep=NAME"),
    ("model=lenet5", "model.depth=3"): ("model.depth",),
    (SWEEP, "model.pools=[2,4],[2,9]"): ("model.pools", "[2, 9]"),
    (SWEEP, "data=digits12,digit13"): ("data=digit13", "digits12"),
    (SWEEP, "model.kernel=3,12"): ("model.kernel", "12"),
    (SWEEP, "scale.members=1001"): ("scale.members", "1001", "between 1 and 1000"),
    ("force=2",): ("force", "2", "true or false"),
    ("train.watched=-1",): ("train.watched", "-1", "true or false"),
    ("scale.tasks=nope",): ("scale.tasks", "nope", "digits12"),
    ("scale.tasks=digits8",): ("scale.tasks", "sweep"),
    ("scale.matches=none,nope",): ("scale.matches", "nope", "macs"),
    ("+sweep=relu_at_zero", "scale.tasks=digits8"): ("scale.tasks", "data=digits8"),
    ("+sweep=relu_at_zero", "scale.matches=macs"): ("scale.matches", "match="),
    ("train.weight_decay=inf",): ("train.weight_decay", "inf", "between 0 and 1000"),
    ("train.init_stream=100000000000000000000",): ("train.init_stream", "between 0 and"),
    ("model.init_scale=1e400",): ("model.init_scale", "at most 1000"),
    ("data.dials.noise=1e308",): ("data.dials.noise", "1000"),
    ("data.side=100000",): ("data.side", "between 1 and 4096"),
    ("data.epochs=0",): ("data.epochs", "between 1 and"),
    ("workers=100000000",): ("workers", "between 0 and 1024"),
    ("model.widths=[0,1,1,1,1,1]",): ("model.widths", "between 1 and 65536"),
    ("hydra.output_subdir=conf",): ("hydra.output_subdir", "hydra/launcher"),
    ("hydra.run.dir=x",): ("hydra.run.dir", "hydra/launcher"),
    ("hydra.verbose=true",): ("hydra.verbose", "hydra/launcher"),
    ("hydra.job.chdir=true",): ("hydra.job.chdir", "hydra/launcher"),
    ("hydra/job_logging=disabled",): ("hydra/job_logging", "hydra/launcher"),
    ("hydra/launcher=slurm", "hydra.launcher.cores=0"): ("hydra.launcher.cores", "between 1 and"),
    ("hydra/launcher=slurm", "hydra.launcher.minutes=-3"): ("hydra.launcher.minutes", "between 1 and"),
    ("hydra/launcher=slurm", "hydra.launcher.memory_gb=nan"): ("hydra.launcher.memory_gb", "above 0"),
    ("model.make=nets:Net",): ("model.make is a key of model=module: add model=module",),
    ("model=module", "model.make=nets:Net", "model.width=8"): ("model=module has no model.width", "model.args.NAME"),
    ("model=lenet5", "model.depth=2"): ("a classic net has no model.depth", "model.variant"),
    (SWEEP, "model=module", "model.make=math:sqrt"): ("this sweep varies model.pools", "model=module has not"),
    ("data.path=pics",): ("data=folder", "add"),
    ("hydra.launcher.minutes=3",): ("add hydra/launcher=slurm",),
    ("train.lr=0.1",): ("did you mean train.learning_rate?",),
    ("model.Width=8",): ("did you mean model.width",),
    ("model=VGG16",): ("did you mean vgg16?",),
    ("model.kernel=null",): ("model.kernel=null is not valid: it needs a value",),
    ("model=module", "model.args=8"): ("model.args.NAME=VALUE",),
    ("data=folder", "data.path=~/pics"): (""" 'data.path="~/pics"'""", "$HOME"),
    ("data=folder", "data.path=with space/größe"): (""" 'data.path="with space/größe"'""",),
    ("model=module", "model.make=größe:Net"): (""" 'model.make="größe:Net"'""",),
    ("pool_position",): ("give +sweep=pool_position",),
    ("digits8",): ("give data=digits8",),
    ("nothing_such",): ("give KEY=VALUE",),
    ("+sweep=pool_position,relu_at_zero",): ("experiments.suite only=pool_position,relu_at_zero",),
    ("+sweep=pool_position,relu_at_zero", "hydra.mode=MULTIRUN"): ("one after the other",),
}
NOISE = ("Lexer", "raised while", "Error parsing", "EQUAL")
"""What Hydra says to those who write it."""


@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_mistake_is_one_line_that_says_what_would_be_valid(arguments: tuple[str, ...]) -> None:
    with pytest.raises((UsageError, InvalidError)) as caught:
        grid(list(arguments))
    line = str(caught.value)
    assert "\n" not in line
    for word in WRONG[arguments]:
        assert word in line
    assert "_schema" not in line
    assert not [word for word in NOISE if word in line]


@pytest.mark.parametrize("word", ["data.path=~/pics", "data.path=with space/größe", "data.path=a'b", 'data.path=a"b'])
def test_what_is_to_be_typed_instead_is_read_as_it_was_meant(word: str) -> None:
    with pytest.raises(UsageError, match="quote the value twice") as caught:
        grid(["data=folder", word])
    typed = shlex.split(str(caught.value).partition("twice, ")[2].removesuffix(", or write $HOME for ~"))
    with pytest.raises(InvalidError, match="there is no such folder") as caught_again:
        grid(["data=folder", *typed])
    named = str(Path(word.partition("=")[2]).expanduser())
    assert named in str(caught_again.value)


def _with_mark(text: str) -> str:
    return f"\N{ZERO WIDTH NO-BREAK SPACE}{text}"


FILES: dict[str, tuple[Callable[[str], str], str]] = {
    "an unknown key": (
        lambda text: text.replace("  held:", "  colour: red\n  held:"),
        ": sweep.colour is not a key: did you mean",
    ),
    "an empty one": (lambda text: text.replace("bank: OWN", "bank:"), ": sweep.bank is empty"),
    "levels that are no list": (lambda text: text.replace("3,5", "3;5"), ": sweep.levels.smoke=3;5 is not valid"),
    "no levels": (lambda text: re.sub("  levels:.*\n", "", text), " lacks sweep.levels: add it"),
    "no levels of a scale": (
        lambda text: text.replace('smoke: "3,5", ', ""),
        ": sweep.levels lacks smoke: add it, or choose scale=quick or scale=full",
    ),
    "a mark of Windows": (_with_mark, " begins with a byte-order mark"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_mistake_in_a_file_names_the_file_and_the_key(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, says = FILES[case]
    right = (Path(__file__).parents[3] / "docs/examples/conf/sweep/kernel_size.yaml").read_text(encoding="utf-8")
    file = tmp_path / "conf" / "sweep" / "wrong.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(change(right), encoding="utf-8")
    assert file.read_text(encoding="utf-8") != right
    monkeypatch.setenv("CNNLAB_EXTRA", str(tmp_path))
    with pytest.raises(UsageError, match=re.escape(f"{file}{says}")):
        grid(["+sweep=wrong", "scale=smoke"])


def test_a_mistake_in_a_net_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "conf" / "model" / "deep.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("defaults: [convnet_schema, _self_]\ndepht: 3\n", encoding="utf-8")
    monkeypatch.setenv("CNNLAB_EXTRA", str(tmp_path))
    with pytest.raises(UsageError, match=re.escape(f"{file}: model.depht is not a key: did you mean model.depth")):
        grid(["model=deep"])


def process(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CNNLAB_RESULTS": str(folder / "results"), "CNNLAB_CACHE": str(folder / "cache")}
    return subprocess.run(
        [sys.executable, "-m", "experiments.run", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[3],
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [("model.activation=rleu",), (SWEEP, "scale=smoke", "model.pools=[2,4],[9,9]"), ("+model.widht=8",)]
)
def test_a_command_with_a_mistake_exits_with_two_and_writes_nothing(
    arguments: tuple[str, ...], tmp_path: Path, door: Door
) -> None:
    done = door(run.main, *arguments)
    assert done.code == 2, done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.err.startswith("error: ")
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_process_with_a_mistake_exits_with_two_and_one_line(tmp_path: Path) -> None:
    done = process("model.activation=rleu", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_our_own_convolutions_need_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: Door) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("CXX", raising=False)
    done = door(run.main, "convolutions=native")
    assert done.code == 2, done.err
    assert done.err == (
        "error: convolutions=native is not valid: no C++ compiler is installed (c++, g++, clang++; CXX may name"
        " another); choose xla\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_question_is_answered_and_nothing_written(tmp_path: Path) -> None:
    done = process(SWEEP, "scale=smoke", "--cfg", "job", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "question: Where should the two max-pools" in done.stdout
    assert "6 arms, scale smoke" in done.stderr, "how many arms it would be, on standard error"
    done = process(SWEEP, "scale=smoke", "sweep.reference=7", "--cfg", "job", folder=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "error: sweep.reference=7 is none of the sweep's levels: choose of [0,4]  [2,4]  [2,6]",
    )
    done = process("--help", folder=tmp_path)
    assert "python -m experiments.run +sweep=pool_position" in done.stdout
    assert list(tmp_path.iterdir()) == []
