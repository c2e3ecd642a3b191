"""W&B's client as this suite uses it: quiet, asking nobody anything, and keeping to the results folder.

W&B stages what a run logs (tables, above all) and never takes the copies of an offline run away: `wandb sync` reads
them. By itself it stages in this user's home; here in the folder of the runs, to be moved and deleted with them.
"""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psutil

from cnnlab.files import clear_left

Mode = Literal["offline", "online"]
LONGEST = 24 * 3600.0
"""Seconds after which nobody uploads what was staged for a run that was sent at once."""
PLACES = {"WANDB_DATA_DIR": ".data", "WANDB_CACHE_DIR": ".cache"}
"""W&B's variables for its own folders, and where these lie in the folder of runs."""
SCRATCH = ".scratch-"


def start(mode: Mode, runs: Path) -> None:
    """Set W&B's client up, where it would look up its error server, or ask a question at the terminal.

    Args:
        runs: the folder of W&B's runs, in which its other folders are made.

    Raises:
        ModuleNotFoundError: W&B is not installed.
        PermissionError: online, and there is no API key.
    """
    # without it, W&B looks up its own server to report its errors to, also when offline
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    clean(runs)
    for variable, name in PLACES.items():
        os.environ.setdefault(variable, str((runs / name).absolute()))
    with _scratch(runs):
        import wandb
        from wandb.sdk.artifacts import artifact  # noqa: F401  makes its temporary folder now, and not later elsewhere

        wandb.setup(wandb.Settings(mode=mode, silent=True))
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        raise PermissionError("no API key: run `wandb login` or set WANDB_API_KEY")


def clean(runs: Path) -> None:
    """Take away what killed processes have left: temporary folders, logs, and copies that no offline run needs."""
    for left in runs.glob(f"{SCRATCH}*"):
        host, _, number = left.name.removeprefix(SCRATCH).rpartition("-")
        alive = number.isdecimal() and psutil.pid_exists(int(number))
        if host == socket.gethostname() and not alive and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    clear_left(runs / ".cache" / "logs", "*", LONGEST)
    if not any(runs.glob("offline-run-*")):
        clear_left(runs / ".data" / "artifacts" / "staging", "*", LONGEST)


@contextlib.contextmanager
def _scratch(runs: Path) -> Iterator[None]:
    """Have the temporary folders that W&B makes as it is imported made in one that is found again after a kill."""
    folder, before = runs / f"{SCRATCH}{socket.gethostname()}-{os.getpid()}", tempfile.tempdir
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(folder.absolute())
    try:
        yield
    finally:
        tempfile.tempdir = before


def end(runs: Path) -> None:
    """Take this process's temporary folder away, where nothing of W&B is left in it."""
    with contextlib.suppress(OSError):
        (runs / f"{SCRATCH}{socket.gethostname()}-{os.getpid()}").rmdir()
