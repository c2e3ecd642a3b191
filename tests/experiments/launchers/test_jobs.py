"""What becomes of jobs, told from disk alone: a launcher that runs them here stands for one that does elsewhere."""

import contextlib
import dataclasses
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from cnnlab.records import Store
from cnnlab.spec.invalid import InvalidError
from experiments import launchers
from experiments.analysis.selection import relocated
from experiments.cli.errors import UsageError
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point, Settings
from experiments.launchers.ray import Ray
from experiments.launchers.slurm import Slurm
from experiments.reports import sweep as sweep_report
from experiments.tracking.mirror import show_records
from experiments.training import remote
from experiments.training.remote import SILENT, ArmJob, JobEnds, RemoteTrainer
from experiments.training.suite_plan import parse_choice
from experiments.training.summary import Summary

from ..conftest import Compose

ARMS = 6


@dataclass(kw_only=True)
class Here:
    """A launcher that runs every job at once in this process, but loses those of some levels."""

    cores: int = 1
    gpus: int = 0
    lost: tuple[str, ...] = ()
    jobs: list[ArmJob] = field(default_factory=list)
    ended: bool = False
    wait: Callable[[], bool] = field(default=lambda: False)
    title: str = "jobs run here"

    def require(self) -> None:
        """It can always be used."""

    def launch(self, jobs: Sequence[ArmJob], folder: Path) -> "Here":
        self.jobs = list(jobs)
        for job in jobs:
            if job.point.level not in self.lost or job.point.check != "none":
                with contextlib.suppress(OSError):
                    job()
        return self

    def running(self) -> bool:
        return self.wait()

    def log(self, place: int) -> Path:
        return Path("logs") / str(place)

    def end(self) -> None:
        self.ended = True


@pytest.fixture
def plan(tmp_path: Path, composed: Compose) -> Grid:
    return relocated(composed("pool_position", "smoke"), tmp_path)


@pytest.fixture(autouse=True)
def trained(plant, monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    """Sessions that write a planted record instead of training; the points they were asked for."""
    asked: list[Point] = []

    class Planting:
        def __init__(self, settings: Settings, on_record: Callable[..., None]) -> None:
            self.settings, self.on_record = settings, on_record

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def train(self, points: Sequence[Point]) -> None:
            asked.extend(points)
            if self.settings.scale == "broken":
                raise OSError("no space left")
            for point in points:
                record = plant(point, 0.9)
                unprobed = dataclasses.replace(record, probes=({},) * len(record.members))
                Store(self.settings.runs).write(unprobed, {})
                self.on_record(point, unprobed, self.settings)

    monkeypatch.setattr(remote, "Session", Planting)
    monkeypatch.setattr(remote, "SETTLING", 0.0)
    return asked


@pytest.fixture
def reports() -> Iterator[list[Summary]]:
    """What jobs told when one of them was the last."""
    yield REPORTED
    REPORTED.clear()


REPORTED: list[Summary] = []
SHOWN: list[Point] = []


@contextlib.contextmanager
def show(settings: Settings) -> Iterator[Callable[..., None]]:
    """What shows records: it notes their points."""
    yield lambda point, record, settings: SHOWN.append(point)


def finish(plan: Grid, summary: Summary, console: Console) -> None:
    """What ends a sweep: it notes what it was told."""
    REPORTED.append(summary)


NOTED = JobEnds(show_records=show, finish=finish)
REAL = JobEnds(show_records=show_records, finish=sweep_report.finish)


def train(plan: Grid, launcher: Here, points: Sequence[Point] | None = None, ends: JobEnds = NOTED) -> Summary:
    with RemoteTrainer(plan, launcher, Console(quiet=True), ends) as jobs:
        return jobs.train([*plan.points, *plan.checks] if points is None else points)


def test_the_last_job_writes_the_tables_before_anyone_else_does(plan: Grid, tmp_path: Path) -> None:
    launcher = Here()
    summary = train(plan, launcher, ends=REAL)
    assert (summary.trained, summary.skipped, summary.failures) == (ARMS, 0, [])
    assert (tmp_path / "sweeps" / "pool_position" / "smoke" / "arms.csv").is_file()
    assert launcher.ended


def test_every_job_shows_its_own_record(plan: Grid, reports: list[Summary]) -> None:
    SHOWN.clear()
    train(plan, Here(lost=("[0,4]",)))
    assert sorted(point.arm.key for point in SHOWN) == sorted(
        point.arm.key for point in (*plan.points[1:], *plan.checks)
    )


def test_one_job_reports_and_only_if_all_have_ended(plan: Grid, reports: list[Summary]) -> None:
    train(plan, Here(lost=("[0,4]",)))
    assert reports == []
    train(plan, Here())
    assert [told.trained for told in reports] == [1]


def test_a_job_that_leaves_nothing_has_failed_and_its_log_is_named(plan: Grid, reports: list[Summary]) -> None:
    summary = train(plan, Here(lost=("[0,4]",)))
    (lost,) = (point for point in plan.points if point.level == "[0,4]")
    ((arm, reason),) = summary.failures
    assert arm == lost.arm.key
    assert SILENT in reason
    assert "logs/0" in reason
    assert summary.trained == ARMS - 1


def test_an_earlier_failure_is_not_taken_for_this_ones(plan: Grid, reports: list[Summary]) -> None:
    store, name = Store(plan.settings.runs), plan.points[0].arm.key
    store.write_failure(name, "an old story")
    ((_, reason),) = train(plan, Here(lost=("[0,4]",))).failures
    assert "an old story" not in reason
    assert SILENT in reason


def test_what_stops_a_job_is_noted_and_told(plan: Grid, reports: list[Summary]) -> None:
    broken = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, scale="broken"))
    summary = train(broken, Here())
    assert len(summary.failures) == ARMS
    assert all("OSError: no space left" in reason for _, reason in summary.failures)
    assert len(reports) == 1


def test_finished_arms_get_no_job_unless_forced(plan: Grid, reports: list[Summary], trained: list[Point]) -> None:
    train(plan, Here())
    again = Here()
    summary = train(plan, again)
    assert (again.jobs, summary.skipped, summary.trained) == ([], ARMS, 0)
    forced = dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, force=True))
    summary = train(forced, again)
    assert (len(again.jobs), summary.trained) == (ARMS, ARMS)
    assert len(list(plan.settings.runs.glob("*.aside-*"))) == ARMS
    assert not any(job.plan.settings.force for job in again.jobs), "a job must not set aside what another has written"
    assert len(trained) == 2 * ARMS


def test_two_points_of_one_arm_are_one_job(plan: Grid, reports: list[Summary]) -> None:
    launcher = Here()
    train(plan, launcher, [plan.points[0], dataclasses.replace(plan.points[0], level="by another name")])
    assert len(launcher.jobs) == 1


@pytest.mark.parametrize(("patience", "lost"), [(20.0, 0), (0.0, 1)])
def test_a_record_that_comes_late_is_waited_for(
    plan: Grid, reports: list[Summary], plant, monkeypatch: pytest.MonkeyPatch, patience: float, lost: int
) -> None:
    """As on a shared folder; without patience the same record is missed."""
    monkeypatch.setattr(remote, "SETTLING", patience)
    late = plant(plan.points[0], 0.9)
    timer = threading.Timer(0.4, lambda: Store(plan.settings.runs).write(late, {}))
    timer.start()
    summary = train(plan, Here(lost=("[0,4]",)))
    timer.join()
    assert len(summary.failures) == lost


def test_whatever_stops_the_waiting_ends_the_jobs(plan: Grid, reports: list[Summary]) -> None:
    def interrupted() -> bool:
        raise KeyboardInterrupt

    launcher = Here(wait=interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(plan, launcher)
    assert launcher.ended


def test_a_job_finds_the_same_folders_wherever_it_runs(
    plan: Grid, reports: list[Summary], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = dataclasses.replace(plan.settings, results=Path("some"), cache=Path("where"), workers=7)
    launcher = Here(cores=3)
    train(dataclasses.replace(plan, settings=relative), launcher)
    settings = launcher.jobs[0].plan.settings
    assert (settings.results, settings.cache, settings.workers) == (tmp_path / "some", tmp_path / "where", 3)
    assert remote.portable(relative, Here(cores=8, gpus=2)).workers == 2


def test_a_job_travels_whole(plan: Grid) -> None:
    job = ArmJob(plan=plan, point=plan.points[0], beside=(plan.points[0].arm.key,), ends=REAL)
    assert pickle.loads(pickle.dumps(job)) == job


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), None),
        (("hydra/launcher=basic",), None),
        (("hydra/launcher=cores",), None),
        (("hydra/launcher=slurm", "hydra.launcher.gpus=1", "hydra.launcher.partition=a"), Slurm(gpus=1, partition="a")),
        (("hydra/launcher=slurm", "+hydra.launcher.options.constraint=b"), Slurm(options={"constraint": "b"})),
        (("hydra/launcher=ray", "hydra.launcher.cores=2"), Ray(cores=2)),
    ],
)
def test_a_launcher_is_chosen_by_its_file(words: tuple[str, ...], expected: object) -> None:
    assert grid(["tracker=off", *words]).launcher == expected


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("hydra/launcher=slrum",), ("hydra/launcher=slrum", "cores", "ray", "slurm")),
        (("hydra/launcher=slurm", "hydra.launcher.minuts=3"), ("hydra.launcher.minuts", "hydra.launcher.minutes")),
        (("hydra/launcher=slurm", "hydra.launcher.cores=0"), ("hydra.launcher.cores=0", "between 1 and 1024")),
        (("hydra/launcher=ray", "hydra.launcher.gpus=-1"), ("hydra.launcher.gpus=-1", "between 0 and 64")),
        (("hydra/launcher=ray", "hydra.launcher.cores=two"), ("hydra.launcher.cores=two", "whole number")),
        (("hydra/launcher=ray", "+hydra.launcher.core=2"), ("hydra.launcher.core", "hydra.launcher.cores")),
    ],
)
def test_a_wrong_launcher_is_one_line_that_says_what_would_be_valid(words: tuple[str, ...], named: list[str]) -> None:
    with pytest.raises((UsageError, InvalidError)) as caught:
        grid(["tracker=off", *words])
    for word in named:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("launcher", [Slurm(), Ray()])
def test_what_is_not_installed_is_named(launcher: Slurm | Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InvalidError, match=r"pip install -e '\.\[(slurm|ray)\]'"):
        launcher.require()


def test_a_machine_without_slurm_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidError, match="here is no sbatch"):
        Slurm().require()


def test_the_suite_says_how_to_use_a_cluster() -> None:
    with pytest.raises(UsageError, match=r"experiments\.run \+sweep=NAME hydra/launcher=slurm"):
        parse_choice(["hydra/launcher=slurm"])
    assert parse_choice(["hydra/launcher=cores"]) == ((), ("hydra/launcher=cores",))


def test_every_launcher_has_its_file_and_its_module() -> None:
    files = {path.stem for path in Path("conf/hydra/launcher").absolute().glob("*.yaml")}
    assert files == {*launchers.REMOTE, *launchers.HERE} - {"basic"}
    assert set(launchers.schemas()) == set(launchers.REMOTE)
