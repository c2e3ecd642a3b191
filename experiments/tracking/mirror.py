"""One W&B connection for one command: shows records as they are written, and sweeps as they end."""

import contextlib
from collections.abc import Iterator

from cnnlab.spec.record import Record
from cnnlab.tracking import Tracker, tracker
from experiments.config.resolve import Point, Settings
from experiments.reports.sweep import SweepReport
from experiments.tracking.arm_runs import of_arm
from experiments.tracking.sweep_run import of_sweep
from experiments.training.session import OnRecord


class Mirror:
    """Shows runs in W&B; whatever goes wrong there costs one warning line. Use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._tracker: Tracker | None = None

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(self, *_: object) -> None:
        if self._tracker is not None:
            self._tracker.close()

    @property
    def tracker(self) -> Tracker:
        """The connection, opened when it is first needed."""
        if self._tracker is None:
            self._tracker = tracker(self.settings.tracker, self.settings.runs, self.settings.project)
        return self._tracker

    def show_record(self, point: Point, record: Record, settings: Settings) -> None:
        """Show an arm's record, or each of its members, as a run of the sweep that the settings name."""
        for run in of_arm(point, record, settings):
            self.tracker.log(run)

    def show_report(self, report: SweepReport) -> None:
        """Show a sweep's summary run."""
        self.tracker.log(of_sweep(report))


@contextlib.contextmanager
def show_records(settings: Settings) -> Iterator[OnRecord]:
    """What shows records, for a job that runs elsewhere."""
    with Mirror(settings) as mirror:
        yield mirror.show_record
