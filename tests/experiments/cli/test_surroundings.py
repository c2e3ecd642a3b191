"""What a command is started into: variables that change numbers, a folder that is gone, readers that have left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnlab import jax_environment
from cnnlab.spec.invalid import InvalidError
from cnnlab.training import workers
from experiments.cli import command, signals
from experiments.training.provenance import provenance

ROOT = Path(__file__).parents[3]
REFUSED = {
    "JAX_RANDOM_SEED_OFFSET": "1",
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_PRNG_IMPL": "rbg",
    "JAX_THREEFRY_PARTITIONABLE": "0",
    "JAX_DISABLE_JIT": "1",
    "JAX_NUMPY_DTYPE_PROMOTION": "strict",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_PLATFORMS": "tpu",
    "JAX_PLATFORM_NAME": "gpu",
    "JAX_NO_SUCH_VARIABLE": "",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true",
    "FLAX_FIX_RNG_SEPARATOR": "1",
    "NVIDIA_TF32_OVERRIDE": "1",
}
TAKEN = {
    "JAX_COMPILATION_CACHE_DIR": "/x",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_variable_that_changes_numbers_ends_every_command(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The twin: without it the command runs."""

    @command.command
    def main() -> int:
        print("ran")
        return command.ExitCode.DONE

    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert (main(), capsys.readouterr().out) == (0, "ran\n")
    monkeypatch.setenv(name, REFUSED[name])
    assert main() == command.ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {name}={REFUSED[name]} is not valid: ")
    assert err.count("\n") == 1


def test_what_changes_no_number_is_taken_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import datetime

    for name in jax_environment.given():
        monkeypatch.delenv(name)
    for name, value in TAKEN.items():
        monkeypatch.setenv(name, value)
    jax_environment.check()
    facts = provenance(datetime.datetime.now(datetime.UTC), 1.0, "cpu", 1, "")
    assert facts["environment"] == TAKEN


def test_what_workers_are_started_with_is_taken() -> None:
    jax_environment.check(workers.ONE_THREAD)
    with pytest.raises(InvalidError):
        jax_environment.check({"XLA_FLAGS": f"{workers.ONE_THREAD['XLA_FLAGS']} --xla_x"})


def test_platforms_can_choose_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "devices", lambda: ("0",))
    monkeypatch.setattr(workers.importlib.metadata, "entry_points", lambda group: [type("E", (), {"name": "cuda12"})])
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    assert workers.accelerator() == "gpu"
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert workers.accelerator() == "cpu"


@pytest.mark.slow
def test_jax_does_read_such_variables() -> None:
    """The twin: they are refused since JAX would obey them."""
    code = "import jax; print(jax.random.normal(jax.random.key(0)))"
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, env={**os.environ, **more}).stdout
        for more in ({}, {"JAX_RANDOM_SEED_OFFSET": "1"})
    }
    assert len(found) == 2


GRAPH = {"nodes": [{"name": "x", "op": "input", "channels": 3}], "output": "x", "input_size": [8, 8]}


def shell(line: str, folder: Path) -> tuple[int, str]:
    """Exit code of a command in a shell, and everything that was printed."""
    (folder / "net.json").write_text(json.dumps(GRAPH))
    environment = {**os.environ, "DOOR": f"{sys.executable} -m experiments.geometry", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=folder, env=environment)
    return done.returncode, done.stdout + done.stderr


WAYS = {
    "a reader that leaves": ("$DOOR --graph net.json --json | true; exit ${PIPESTATUS[0]}", (0, 1), 0),
    "a reader of the help": ("$DOOR --help | true; exit ${PIPESTATUS[0]}", (0, 1), 0),
    "a reader of errors": ("$DOOR --nonsense 2>&1 | true; exit ${PIPESTATUS[0]}", (1, 2), 0),
    "closed output": ("$DOOR --graph net.json >&-", (0,), 0),
    "closed errors": ("$DOOR --nonsense 2>&-", (2,), 0),
    "everything closed": ("$DOOR --graph net.json <&- >&- 2>&-", (0,), 0),
    "a full disk": ("$DOOR --graph net.json --json >/dev/full", (1,), 1),
    "no folder": ("mkdir gone; cd gone; rmdir ../gone; $DOOR --graph ../net.json", (2,), 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_streams_and_folders_that_are_gone_end_quietly(way: str, tmp_path: Path) -> None:
    line, codes, lines = WAYS[way]
    code, said = shell(line, tmp_path)
    assert code in codes, said
    assert said.count("\n") == lines, said
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_with_streams_the_same_prints(tmp_path: Path) -> None:
    """The twin: what ends quietly above has something to say."""
    code, said = shell("$DOOR --graph net.json --json", tmp_path)
    assert code == 0
    assert json.loads(said)["output"] == "x"


def test_a_pipe_of_our_own_that_breaks_is_not_taken_for_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    @command.command
    def main() -> int:
        raise BrokenPipeError

    assert not signals.reader_gone()
    with pytest.raises(BrokenPipeError):
        main()
    silenced: list[bool] = []
    monkeypatch.setattr(signals, "reader_gone", lambda: True)
    monkeypatch.setattr(signals, "silence", lambda: silenced.append(True))
    assert main() == command.ExitCode.FAILED
    assert silenced


@pytest.mark.parametrize(
    "words", [["a=1", "a=2"], ["+a=1", "a=2"], ["--one", "1", "--one", "2"], ["--one=1", "x=1", "--one=1"]]
)
def test_what_is_given_twice_ends_every_command(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The twin: with the last word left out the command runs."""

    @command.command
    def main() -> int:
        made = command.parser("x", "")
        made.add_argument("words", nargs="*")
        made.add_argument("--one")
        made.add_argument("--many", action="append")
        made.parse_intermixed_args()
        return command.ExitCode.DONE

    monkeypatch.setattr(sys, "argv", ["x", "--many", "1", "--many", "2", *words])
    assert main() == command.ExitCode.USAGE
    assert "is given twice" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", sys.argv[:-2] if words[-2] == "--one" else sys.argv[:-1])
    assert main() == command.ExitCode.DONE
