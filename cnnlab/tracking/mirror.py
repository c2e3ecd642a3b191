"""Sends runs to W&B, one W&B run each. Trouble with W&B, disk or network is one line of warning, and the end of it.

Each setting below avoids a trap that was met: a shared `Settings` object carries its run id into the next run, and
without `finish_previous` a run that was left open swallows the next one.
"""

import contextlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.tracking import service
from cnnlab.tracking.run import Artifact, Picture, Table, TrackedRun
from cnnlab.tracking.series import AXIS, Histogram, Row, best, rows, summary

if TYPE_CHECKING:
    import wandb

PATIENCE = 2
"""Runs in a row that cannot be shown for what they hold, after which no further one is tried."""

SECONDS = 20.0
"""How long W&B may take to start a run, and again to finish one."""

SPACE = 16 * 2**20
"""Bytes that must be free: on a full disk W&B writes empty files and says nothing, or a thousand lines."""

FULL = 2**16
"""With fewer bytes left after a run than these, its last ones were lost."""

PAGE = "report"
"""What the page of a run is called, as a panel, as an artifact and as its file."""
LONGEST_TAG, LONGEST_REASON = 64, 200

log = logging.getLogger(__name__)


class MirrorError(Exception):
    """The content of one run cannot be sent; other runs may still be."""


class WandbTracker:
    """A tracker that sends runs to Weights & Biases."""

    def __init__(self, *, mode: service.Mode, directory: Path, project: str) -> None:
        self.mode, self.directory, self.project = mode, directory, project
        self._failures = 0
        self._opened = False

    def log(self, run: TrackedRun) -> None:
        """Mirror one run; never raises because of W&B, the disk, the network or what the run holds."""
        if self._failures >= PATIENCE:
            return
        try:
            with _quiet_logs():
                self._send(run)
        except MirrorError as error:
            self._failures += 1
            self._warn(run, error)
        except Exception as error:
            # disk, network or server: each further try may cost `SECONDS` or two of waiting
            self._failures = PATIENCE
            self._warn(run, error)
        else:
            self._failures = 0

    def _warn(self, run: TrackedRun, error: Exception) -> None:
        """Say in one line what is missing in W&B, and why."""
        end = "; no further run is tried" if self._failures >= PATIENCE else ""
        log.warning("W&B %s: run %s is not mirrored, its record is safe (%s)%s", self.mode, run.id, _line(error), end)

    def close(self) -> None:
        """Stop the W&B service of this process, if this tracker used it."""
        if not self._opened:
            return
        self._opened = False
        import wandb

        try:
            wandb.teardown()
            service.end(self.directory / "wandb")
        except Exception as error:
            log.warning("W&B %s: the service did not stop (%s)", self.mode, _line(error))

    def _send(self, run: TrackedRun) -> None:
        """Open a W&B run, fill it and finish it. Raises MirrorError, or whatever else goes wrong."""
        self._prepare()
        import wandb

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
        except BaseException as error:
            # as `with` would, but without its printed traceback, and no trouble here may hide an interrupt
            with contextlib.suppress(Exception):
                opened.finish(exit_code=1)
            if isinstance(error, Exception):
                raise MirrorError(_line(error)) from error
            raise
        opened.finish()
        if not Path(opened.settings.sync_file).stat().st_size or shutil.disk_usage(self.directory).free < FULL:
            raise OSError(f"the disk is full at {self.directory}")

    def _prepare(self) -> None:
        """Fail early where W&B would quietly write elsewhere, or nothing."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not os.access(self.directory, os.W_OK):
            raise PermissionError(f"{self.directory} is not writable")
        if shutil.disk_usage(self.directory).free < SPACE:
            raise OSError(f"less than {SPACE} bytes are free at {self.directory}")
        self._opened = True
        service.start(self.mode, self.directory / "wandb")

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


def fill(opened: "wandb.Run", run: TrackedRun) -> None:
    """Log the content of a run. The x-axis of every series is the number of images seen."""
    import wandb

    if run.record is not None:
        opened.define_metric(AXIS, hidden=True)
        # one by one: W&B ignores the summary of a pattern
        for name, extreme in best(run.record).items():
            opened.define_metric(name, step_metric=AXIS, summary=extreme)
        opened.define_metric("*", step_metric=AXIS)
        for row in rows(run.record):
            opened.log(_shown(row))
        opened.summary.update(summary(run.record))
    if run.numbers:
        opened.summary.update(dict(run.numbers))
    beside: dict[str, Any] = {name: _table(table) for name, table in run.tables.items()}
    beside |= {name: _image(picture) for name, picture in run.pictures.items()}
    page = None if run.page is None else run.page()
    if page is not None:
        beside[PAGE] = wandb.Html(page, inject=False)
    if beside:
        opened.log(beside)
    if page is not None:
        opened.log_artifact(_page(f"{run.id}-{PAGE}", page))
    if run.artifact is not None:
        opened.log_artifact(_artifact(run.artifact))


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


def _image(picture: Picture) -> "wandb.Image":
    """A file's image, or one drawn now."""
    import wandb

    return wandb.Image(str(picture) if isinstance(picture, Path) else picture())


def _artifact(artifact: Artifact) -> "wandb.Artifact":
    """Files by reference: W&B neither copies them here nor keeps them in a cache once they are sent."""
    import wandb

    made = wandb.Artifact(artifact.name, type=artifact.kind)
    for name, path in artifact.files.items():
        made.add_file(str(path), name=name, policy="immutable", skip_cache=True)
    return made


def _page(name: str, page: str) -> "wandb.Artifact":
    """An HTML file as an artifact."""
    import wandb

    made = wandb.Artifact(name, type=PAGE)
    with made.new_file(f"{PAGE}.html", encoding="utf-8") as file:
        file.write(page)
    return made


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep log handlers that cannot write, such as W&B's own on a full disk, from printing a traceback a line."""
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        logging.raiseExceptions = before


def _line(error: Exception) -> str:
    """An exception as one short line."""
    text = str(error) if isinstance(error, MirrorError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:LONGEST_REASON]
