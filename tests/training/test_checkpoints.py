"""A training that is killed goes on from its checkpoint to the same result, and from nothing that is not its own."""

import dataclasses
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

from cnnlab.data import Source
from cnnlab.spec.arm import Arm
from cnnlab.spec.record import PROTOCOL
from cnnlab.training import checkpoints, members
from cnnlab.training.checkpoints import Keeper, Progress, keeper
from cnnlab.training.program import State, program
from cnnlab.training.run import MemberRun, Result

EPOCHS, KILLED_AFTER = 6, 4
STEPS = 3
"""Of an epoch: 96 images in batches of 32."""


class KilledError(Exception):
    """Stands for a kill, in this process."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    monkeypatch.setattr(checkpoints, "SHARE", np.inf)


def runs(arm: Arm, folder: Path | None, count: int = 1) -> list[MemberRun]:
    return [MemberRun(arm=arm, seed=seed, learning_rate=0.03, checkpoints=folder) for seed in range(count)]


def counted(monkeypatch: pytest.MonkeyPatch, arm: Arm, strategy: str, limit: float = np.inf) -> list[int]:
    """Count the steps that are taken from now on, and kill the training when there would be more than `limit`."""
    honest, taken = members.compiled(arm, strategy), [0]

    def count(steps: int) -> None:
        if taken[0] + steps > limit:
            raise KilledError
        taken[0] += steps

    def step(*given: Any) -> Any:
        count(1)
        return honest.step(*given)

    def many(*given: Any) -> Any:
        *_, begin, end = given
        count(end - begin)
        return None if honest.many is None else honest.many(*given)

    counting = dataclasses.replace(honest, step=step, many=None if honest.many is None else many)
    monkeypatch.setattr(members, "compiled", lambda *_: counting)
    return taken


def killed(
    monkeypatch: pytest.MonkeyPatch, given: list[MemberRun], source: Source, strategy: str = "sequential"
) -> None:
    """Train until the middle of an epoch."""
    with monkeypatch.context() as patch:
        counted(patch, given[0].arm, strategy, KILLED_AFTER * STEPS + 1)
        with pytest.raises(KilledError):
            members.train(given, source, strategy)


@pytest.mark.parametrize("norm", ["none", pytest.param("batch", marks=pytest.mark.slow)])
def test_a_killed_training_ends_with_the_bytes_of_one_that_was_not(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, norm: str
) -> None:
    arm = dataclasses.replace(learner, net=dataclasses.replace(learner.net, norm=norm))
    count = 2 if strategy == "side_by_side" else 1
    whole = members.train(runs(arm, None, count), source, strategy)
    given = runs(arm, tmp_path / "kept", count)
    killed(monkeypatch, given, source, strategy)
    taken = counted(monkeypatch, arm, strategy)
    assert members.train(given, source, strategy) == whole
    assert taken == [(EPOCHS - KILLED_AFTER) * STEPS]


@pytest.mark.slow
def test_beside_a_member_that_diverged_the_others_go_on_to_the_same_bytes(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = runs(learner, tmp_path, 2)
    given = [one, dataclasses.replace(other, learning_rate=1e30)]
    whole = members.train([dataclasses.replace(run, checkpoints=None) for run in given], source, "side_by_side")
    assert [result.diverged for result in whole] == [False, True]
    killed(monkeypatch, given, source, "side_by_side")
    taken = counted(monkeypatch, learner, "side_by_side")
    assert members.train(given, source, "side_by_side") == whole
    assert taken == [(EPOCHS - KILLED_AFTER) * STEPS]


SCRIPT = """
import pickle, sys
from pathlib import Path
from cnnlab.training import checkpoints, members
checkpoints.EVERY, checkpoints.SHARE = 0.0, float("inf")
runs, source = pickle.loads(Path(sys.argv[1]).read_bytes())
members.train(runs, source, "sequential")
"""


def newest(folder: Path) -> int:
    """The last epoch of which a whole checkpoint is there."""
    return max((int(path.name) for path in folder.glob("*/*") if path.name.isdigit()), default=0)


@pytest.mark.slow
def test_kill_9_at_any_instant_also_while_a_checkpoint_is_written(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, epochs = random.Random(0), 60
    arm = dataclasses.replace(learner, recipe=dataclasses.replace(learner.recipe, epochs=epochs))
    whole = members.train(runs(arm, None), source, "sequential")
    kept, given = tmp_path / "kept", tmp_path / "given"
    given.write_bytes(pickle.dumps((runs(arm, kept), source)))
    for target in (8, 20, 32):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(given)])
        while newest(kept) < target and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.wait()
        assert target <= newest(kept) < epochs
    found, steps = resumed(arm, source, kept, monkeypatch)
    assert found == whole
    assert 0 < steps < (epochs - 30) * STEPS


@pytest.mark.slow
def test_a_training_that_had_ended_is_only_scored_again(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent was killed before the other members of the arm were done."""
    given = runs(learner, tmp_path)
    whole = members.train(given, source, "sequential")
    taken = counted(monkeypatch, learner, "sequential")
    assert members.train(given, source, "sequential") == whole
    assert taken == [0]


def resumed(arm: Arm, source: Source, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Result], int]:
    """What a second process ends with, and how many steps that took."""
    with monkeypatch.context() as patch:
        taken = counted(patch, arm, "sequential")
        return members.train(runs(arm, folder), source, "sequential"), taken[0]


def cut(folder: Path) -> None:
    largest = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    os.truncate(largest, largest.stat().st_size // 2)


def emptied(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def edited(folder: Path) -> None:
    (facts,) = folder.rglob("facts/metadata")
    text = facts.read_text()
    assert f'"epochs": {KILLED_AFTER}' in text
    facts.write_text(text.replace(f'"epochs": {KILLED_AFTER}', f'"epochs": {KILLED_AFTER + 1}'))


@pytest.mark.parametrize("fault", [cut, pytest.param(emptied, marks=pytest.mark.slow), edited])
def test_a_torn_or_edited_checkpoint_is_as_if_it_were_not_there(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], None]
) -> None:
    whole = members.train(runs(learner, None), source, "sequential")
    killed(monkeypatch, runs(learner, tmp_path), source)
    fault(tmp_path)
    assert resumed(learner, source, tmp_path, monkeypatch) == (whole, EPOCHS * STEPS)


def test_an_edit_that_no_digest_guards_would_be_trained_on(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: without the comparison the edited checkpoint is used, and the result is another."""
    whole = members.train(runs(learner, None), source, "sequential")
    killed(monkeypatch, runs(learner, tmp_path), source)
    edited(tmp_path)
    (written,) = [checkpoints._read(path)[1]["sha256"] for path in tmp_path.iterdir()]
    monkeypatch.setattr(checkpoints, "digest", lambda arrays, facts: written)
    found, steps = resumed(learner, source, tmp_path, monkeypatch)
    assert steps == (EPOCHS - KILLED_AFTER - 1) * STEPS
    assert found != whole


def test_a_state_that_was_moved_is_seen_in_the_result(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of equal bytes: were a weight not restored as it was, the comparison would say so."""
    whole = members.train(runs(learner, None), source, "sequential")
    killed(monkeypatch, runs(learner, tmp_path), source)
    honest = Keeper.found

    def moved(self: Keeper, fresh: State) -> Any:
        progress = honest(self, fresh)
        assert progress is not None
        progress.state = jax.tree.map(lambda leaf: leaf + leaf.dtype.type(1e-3), progress.state)
        return progress

    monkeypatch.setattr(Keeper, "found", moved)
    assert resumed(learner, source, tmp_path, monkeypatch)[0] != whole


def test_a_checkpoint_of_another_protocol_or_of_other_code_is_not_used(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(monkeypatch, runs(learner, tmp_path), source)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "PROTOCOL", PROTOCOL + 1)
        assert keeper(runs(learner, tmp_path), "sequential").found(program(learner).init(0)) is None
    assert not any(tmp_path.iterdir()), "it is in the way of one that could be used"
    killed(monkeypatch, runs(learner, tmp_path), source)
    monkeypatch.setattr(checkpoints, "here", lambda: {"code": "another"})
    assert resumed(learner, source, tmp_path, monkeypatch)[1] == EPOCHS * STEPS


def test_moved_into_another_trainings_place_it_is_not_used(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(monkeypatch, runs(learner, tmp_path), source)
    (here,) = tmp_path.iterdir()
    other = [dataclasses.replace(run, seed=7) for run in runs(learner, tmp_path)]
    place = keeper(other, "sequential").folder
    assert place is not None
    here.rename(place)
    taken = counted(monkeypatch, learner, "sequential")
    members.train(other, source, "sequential")
    assert taken == [EPOCHS * STEPS]


def test_short_trainings_and_those_without_a_folder_leave_nothing(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "EVERY", 1e6)
    members.train(runs(learner, tmp_path / "kept"), source, "sequential")
    assert not (tmp_path / "kept").exists()


def test_the_end_of_a_long_training_is_kept_however_new_the_last_checkpoint_is(
    learner: Arm, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six epochs of 2.5 s each: the first checkpoint after the fourth, ten seconds on; then the end."""
    kept: list[int] = []
    monkeypatch.setattr(checkpoints, "EVERY", 10.0)
    clock = iter(np.arange(0.0, 1e6, 2.5))
    reader = SimpleNamespace(monotonic=lambda: float(next(clock)))
    monkeypatch.setattr(checkpoints, "time", reader)
    monkeypatch.setattr(checkpoints, "_write", lambda folder, epochs, *rest: kept.append(epochs))
    members.train(runs(learner, tmp_path), source, "sequential")
    assert kept == [4, EPOCHS]


def test_a_slow_disk_gets_fewer(learner: Arm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(epochs=1, state=program(learner).init(0), journals=[], looks=[])
    times = iter([0.0, 0.0, 20.0, 24.0, 90.0, 104.5, 105.0])  # begun; a write from 20 to 24 s; three more occasions
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: next(times)))
    kept: list[int] = []
    monkeypatch.setattr(checkpoints, "_write", lambda folder, epochs, *rest: kept.append(epochs))
    monkeypatch.setattr(checkpoints, "EVERY", 10.0)
    monkeypatch.setattr(checkpoints, "SHARE", 0.05)
    slow = keeper(runs(learner, tmp_path), "sequential")
    for epoch in (1, 2, 3):
        slow.keep(dataclasses.replace(progress, epochs=epoch), final=False)
    assert kept == [1, 3]  # 4 s are a twentieth of 80: not at 90, but at 104.5


def test_only_the_newest_is_kept(learner: Arm, source: Source, tmp_path: Path) -> None:
    members.train(runs(learner, tmp_path), source, "sequential")
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in folder.iterdir()] == [str(EPOCHS)]


def test_a_folder_that_cannot_be_written_costs_the_checkpoint_alone(
    learner: Arm, source: Source, tmp_path: Path
) -> None:
    whole = members.train(runs(learner, None), source, "sequential")
    (tmp_path / "file").write_text("in the way")
    assert members.train(runs(learner, tmp_path / "file"), source, "sequential") == whole


def test_orbax_is_not_imported_with_the_engine() -> None:
    """It takes over a second, which every worker would pay, whether or not it keeps anything."""
    script = "import sys, cnnlab.training.members as m; sys.exit('orbax.checkpoint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
