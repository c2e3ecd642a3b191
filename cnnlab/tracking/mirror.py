"""Sends runs to W&B, one W&B run each. A failure is one line of warning, and after a few of them nothing more is tried.

Each setting below avoids a trap that was met: a shared `Settings` object carries its run id into the next run, and
without `finish_previous` a run that was left open swallows the next one.
"""

import contextlib
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cnnlab.tracking.run import Run, Table
from cnnlab.tracking.series import AXIS, Histogram, Row, rows, summary

if TYPE_CHECKING:
    import wandb

PATIENCE = 2
"""Failures in a row after which no further run is tried: each may cost `SECONDS` or two of waiting."""

SECONDS = 20.0
"""How long W&B may take to start a run, and again to finish one."""

SPACE = 16 * 2**20
"""Bytes that must be free: on a full disk W&B writes empty files and says nothing, or a thousand lines."""

LONGEST_TAG, LONGEST_REASON = 64, 200

log = logging.getLogger(__name__)


class Mirror:
    """A tracker that W&B stands behind."""

    def __init__(self, *, mode: Literal["offline", "online"], directory: Path, project: str) -> None:
        self.mode, self.directory, self.project = mode, directory, project
        self._failures = 0
        self._opened = False

    def log(self, run: Run) -> None:
        """Mirror one run; never raises because of W&B, the disk, the network or what the run holds."""
        if self._failures >= PATIENCE:
            return
        try:
            self._send(run)
        except Exception as error:
            self._failures += 1
            end = "; no further run is tried" if self._failures >= PATIENCE else ""
            log.warning(
                "W&B %s: run %s is not mirrored, its record is safe (%s)%s", self.mode, run.id, _line(error), end
            )
        else:
            self._failures = 0

    def close(self) -> None:
        """Stop the W&B service of this process, if this tracker used it."""
        if not self._opened:
            return
        self._opened = False
        import wandb

        try:
            wandb.teardown()
        except Exception as error:
            log.warning("W&B %s: the service did not stop (%s)", self.mode, _line(error))

    def _send(self, run: Run) -> None:
        """Open a W&B run, fill it and finish it. Raises whatever goes wrong."""
        # without it, W&B looks up its own server to report its errors to, also when offline
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._opened = True
        self._prepare()
        opened = wandb.init(
            project=self.project,
            dir=str(self.directory),
            id=run.id,
            name=run.name,
            group=run.group,
            job_type=run.job_type,
            tags=[tag[:LONGEST_TAG] for tag in run.tags if tag],
            notes=run.notes,
            config=dict(run.config),
            mode=self.mode,
            reinit="finish_previous",
            settings=self._settings(),
        )
        try:
            fill(opened, run)
        except BaseException:
            # as `with` would, but without its printed traceback, and no trouble here may hide an interrupt
            with contextlib.suppress(Exception):
                opened.finish(exit_code=1)
            raise
        opened.finish()
        if not Path(opened.settings.sync_file).stat().st_size:
            raise OSError(f"nothing was written below {self.directory}")

    def _prepare(self) -> None:
        """Fail early where W&B would ask a question at the terminal, or quietly write elsewhere."""
        import wandb

        self.directory.mkdir(parents=True, exist_ok=True)
        if not os.access(self.directory, os.W_OK):
            raise PermissionError(f"{self.directory} is not writable")
        if shutil.disk_usage(self.directory).free < SPACE:
            raise OSError(f"less than {SPACE} bytes are free at {self.directory}")
        wandb.setup(wandb.Settings(mode=self.mode, silent=True))
        if self.mode == "online" and not wandb.login(prompt=False, verify=False):
            raise PermissionError("no API key: run `wandb login` or set WANDB_API_KEY")

    def _settings(self) -> "wandb.Settings":
        """Settings of one run, made anew for each: W&B writes into them. Lean, and silent about this machine."""
        import wandb

        return wandb.Settings(
            console="off",
            silent=True,
            save_code=False,
            disable_code=True,
            disable_git=True,
            disable_job_creation=True,
            host="",
            init_timeout=SECONDS,
            finish_timeout=SECONDS,
            finish_timeout_raises=True,
            x_disable_machine_info=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )


def fill(opened: "wandb.Run", run: Run) -> None:
    """Log what a run holds. Every series is drawn over images seen."""
    if run.record is not None:
        opened.define_metric(AXIS, hidden=True)
        opened.define_metric("*", step_metric=AXIS)
        for row in rows(run.record):
            opened.log(_shown(row))
        opened.summary.update(summary(run.record))
    if run.tables:
        opened.log({name: _table(table) for name, table in run.tables.items()})


def _shown(row: Row) -> dict[str, Any]:
    """A row with its histograms as W&B's."""
    import wandb

    shown: dict[str, Any] = dict(row)
    for name, value in row.items():
        if isinstance(value, Histogram):
            shown[name] = wandb.Histogram(np_histogram=(np.array(value.counts), np.array(value.edges)))
    return shown


def _table(table: Table) -> "wandb.Table":
    """A table of W&B, with the columns of the first row."""
    import wandb

    columns: list[str | int] = list(table[0]) if table else []
    return wandb.Table(columns=columns, data=[[row[str(column)] for column in columns] for row in table])


def _line(error: Exception) -> str:
    """An exception as one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST_REASON]
