"""The folder of compiled programs: half-written ones go, whole ones stay, and nobody else's are run."""

import os
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import jax
import pytest

from cnnlab.spec.invalid import InvalidError
from cnnlab.training import compiled

PROGRAM = zlib.compress(os.urandom(100_000))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With one whole program, looked into."""
    compiled.clean(tmp_path / "cache" / "compiled")
    (tmp_path / "cache" / "compiled" / "whole-cache").write_bytes(PROGRAM)
    compiled.clean(tmp_path / "cache" / "compiled")
    return tmp_path / "cache" / "compiled"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {compiled.LOOKED}


def test_it_is_made_for_its_owner_alone(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert names(folder) == {"whole-cache"}


@pytest.mark.parametrize(
    "content", [b"", PROGRAM[:1], PROGRAM[:5000], PROGRAM[:-1], b"\0" * 9, PROGRAM + bytes(compiled.CHUNK)]
)
def test_a_half_written_program_goes(folder: Path, content: bytes) -> None:
    (folder / "half-cache").write_bytes(content)
    compiled.clean(folder)
    assert names(folder) == {"whole-cache"}


def test_what_was_looked_into_is_not_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(folder / "whole-cache", (time.time() - 60,) * 2)
    (folder / "new-cache").write_bytes(PROGRAM)
    seen: list[str] = []

    def looked(path: Path) -> bool:
        seen.append(path.name)
        return True

    monkeypatch.setattr(compiled, "whole", looked)
    compiled.clean(folder)
    assert seen == ["new-cache"]


def test_other_files_stay(folder: Path) -> None:
    (folder / "convolution-1.so").write_bytes(b"library")
    (folder / "folder-of-xla").mkdir()
    compiled.clean(folder)
    assert names(folder) == {"whole-cache", "convolution-1.so", "folder-of-xla"}


def test_links_and_programs_of_others_go(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(PROGRAM)
    (folder / "link-cache").symlink_to(tmp_path / "elsewhere")
    if not os.geteuid():  # only root gives files away
        (folder / "planted-cache").write_bytes(PROGRAM)
        os.chown(folder / "planted-cache", 12345, 12345)
        os.utime(folder / "planted-cache", (1, 1))
    compiled.clean(folder)
    assert names(folder) == {"whole-cache"}
    assert (tmp_path / "elsewhere").read_bytes() == PROGRAM


def given_away(path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root gives files away")
    os.chown(path, 12345, 12345)


def opened(path: Path) -> None:
    path.chmod(0o775)


def linked(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def filed(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.touch()


@pytest.mark.parametrize("spoil", [given_away, opened, linked, filed])
def test_a_folder_that_others_may_write_to_is_refused(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder)
    for look in (compiled.check, compiled.clean):
        with pytest.raises(InvalidError, match=r"cache=.* is not valid: its folder of compiled programs"):
            look(folder)


def test_a_look_makes_no_folder_and_refuses_none_that_is_the_owners(folder: Path, tmp_path: Path) -> None:
    """The twin."""
    compiled.check(folder)
    compiled.check(tmp_path / "new")
    assert not (tmp_path / "new").exists()


JAX = """
import sys, jax
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
print(jax.jit(lambda x: x * 3 + 1)(2.0))
"""


def test_what_jax_writes_is_whole_and_half_of_it_would_stay_for_ever(tmp_path: Path) -> None:
    """The twin: JAX itself neither reads a half-written program nor writes it again."""

    def run() -> list[Path]:
        done = subprocess.run([sys.executable, "-c", JAX, str(tmp_path / "c")], capture_output=True, text=True)
        assert done.stdout == "7.0\n", done.stderr
        return sorted((tmp_path / "c").glob(f"*{compiled.SUFFIX}"))

    written = run()
    assert written
    assert all(compiled.whole(path) for path in written)
    (tmp_path / "c").chmod(0o700)
    contents = {path: path.read_bytes() for path in written}
    written[0].write_bytes(contents[written[0]][:50])
    assert run() == written
    assert len(written[0].read_bytes()) == 50
    compiled.clean(tmp_path / "c")
    assert run() == written
    assert {path: path.read_bytes() for path in written} == contents


SERVE = """
import sys, multiprocessing, pathlib, warnings
from cnnlab.data import Source
from cnnlab.training import compiled, workers
here = pathlib.Path(sys.argv[1])
pipe, parent = multiprocessing.Pipe()
parent.close()
workers.serve(pipe, workers.WorkerPlan(workers=1, backend="cpu", source=Source(cache_dir=here), compile_cache=here))
warnings.warn(f"{compiled.HALF_READ} for 'jit_step': incomplete stream")
warnings.warn("another")
"""


def test_a_program_that_another_process_is_still_writing_is_compiled_in_silence(tmp_path: Path) -> None:
    """In tests, where a warning is an error, by `pyproject.toml`; in workers by `serve`. The twin: else JAX warns."""
    folder = Path(os.environ["JAX_COMPILATION_CACHE_DIR"])

    def answer() -> float:
        return float(jax.jit(lambda x: x * 3 + 1.0625)(2.0))

    before = set(folder.glob(f"*{compiled.SUFFIX}"))
    assert answer() == 7.0625
    for path in set(folder.glob(f"*{compiled.SUFFIX}")) - before:
        path.write_bytes(path.read_bytes()[:50])
    assert answer() == 7.0625
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match=compiled.HALF_READ):
            answer()
    done = subprocess.run([sys.executable, "-c", SERVE, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "another" in done.stderr
    assert compiled.HALF_READ not in done.stderr
