"""W&B's own folders lie in that of the runs, and what killed processes have left there goes at the next start."""

import os
import socket
import time
from pathlib import Path

import pytest

from cnnlab.tracking import service, tracker
from cnnlab.tracking.run import TrackedRun

OLD = time.time() - 2 * service.LONGEST
GONE = 2**22 + 1
"""No process has this number."""


@pytest.fixture
def unset(home_of_wandb: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a user has said nothing of W&B's folders."""
    for variable in service.PLACES:
        monkeypatch.delenv(variable)


@pytest.mark.usefixtures("unset")
def test_an_offline_run_writes_nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for variable, _ in service.PLACES.items():  # put back by monkeypatch, whatever is set meanwhile
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    runs = tmp_path / "runs"
    own = tracker("offline", runs)
    own.log(TrackedRun(id="one", name="one", group="g", job_type="t", tables={"table": [{"a": 1}]}))
    own.close()
    assert os.environ["WANDB_DATA_DIR"] == str(runs / "wandb" / ".data")
    assert list((runs / "wandb").glob("offline-run-*"))
    assert not (tmp_path / "home").exists()
    assert list((runs / "wandb" / ".data").rglob("*")), "tables are staged there"


@pytest.mark.usefixtures("home_of_wandb")
def test_a_users_own_folders_stay_the_users(tmp_path: Path) -> None:
    before = os.environ["WANDB_DATA_DIR"]
    service.start("offline", tmp_path / "runs")
    assert os.environ["WANDB_DATA_DIR"] == before


def planted(runs: Path) -> dict[str, Path]:
    """What processes leave."""
    staging = runs / ".data" / "artifacts" / "staging"
    found = {
        "killed": runs / f"{service.SCRATCH}{socket.gethostname()}-{GONE}",
        "alive": runs / f"{service.SCRATCH}{socket.gethostname()}-{os.getpid()}",
        "elsewhere": runs / f"{service.SCRATCH}other-{GONE}",
        "log": runs / ".cache" / "logs" / "core-debug.log",
        "copy": staging / "tmp1",
        "young copy": staging / "tmp2",
    }
    for name, path in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if path.name.startswith(service.SCRATCH) else path.write_text("x")
        if "young" not in name:
            os.utime(path, (OLD, OLD))
    return found


def test_what_killed_processes_left_goes_at_the_next_start(tmp_path: Path) -> None:
    found = planted(tmp_path)
    service.clean(tmp_path)
    assert {name for name, path in found.items() if path.exists()} == {"alive", "elsewhere", "young copy"}


def test_copies_that_an_offline_run_still_needs_stay(tmp_path: Path) -> None:
    """The twin: `wandb sync` reads them, however late."""
    found = planted(tmp_path)
    (tmp_path / "offline-run-1").mkdir()
    service.clean(tmp_path)
    assert found["copy"].exists()
    assert not found["killed"].exists()


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    service.clean(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
