"""What a reader is told where a number is lacking: words or a dash, never `nan` or `inf`."""

import dataclasses
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from cnnlab.inference.effects import Sample, effect
from cnnlab.inference.noise import Floor
from cnnlab.inference.replication import Replication, paired
from cnnlab.spec.verdict import Effect, Setting
from experiments.reports import comparison, noise_floor, replication
from experiments.reports.comparison import FolderComparison, SharedArm
from experiments.reports.noise_floor import Copies
from experiments.reports.replication import Compared

NOT_A_NUMBER = re.compile(r"\b(nan|inf)\b", re.IGNORECASE)
SETTING = Setting(task="digits12", real=True, construction="digits12", margin=math.log(1.15), headroom=0.5)


def measured(members: int, first_seed: int, lost: tuple[int, ...] = ()) -> Effect:
    """An effect of about a third more errors, of so many pairs of members."""
    seeds = tuple(range(first_seed, first_seed + members))
    values = 0.3 + 0.05 * np.random.default_rng(first_seed).standard_normal(members)
    flags = tuple(place in lost for place in range(members))
    better = Sample(seeds=seeds, values=tuple(values.tolist()), diverged=flags)
    return effect(better, Sample.constant(0.0, seeds), SETTING)


def compared(*pairs: tuple[Effect, Effect]) -> Compared:
    found: Replication = paired([first for first, _ in pairs], [again for _, again in pairs])
    return Compared(sweep="planned", scale="smoke", names=tuple(f"arm {n}" for n in range(len(pairs))), found=found)


def shown(one: Compared, capsys: pytest.CaptureFixture[str]) -> str:
    replication.show(one, Console(width=200, color_system=None))
    return capsys.readouterr().out


def test_an_effect_of_too_few_members_has_a_dash_for_its_distance(capsys: pytest.CaptureFixture[str]) -> None:
    few = compared((measured(2, 0, lost=(0,)), measured(2, 100)), (measured(1, 0), measured(0, 100)))
    said = shown(few, capsys)
    assert not NOT_A_NUMBER.search(said)
    assert said.splitlines()[-1] == "none of 2 effects can be compared: too few members for a standard error"
    assert re.search(r"^arm 0 .* x1\.\d\d  +x1\.\d\d  +-  open, open *$", said, re.MULTILINE)  # without intervals
    assert re.search(r"^arm 1 .* x1\.\d\d  +-  +-  open, open *$", said, re.MULTILINE)
    assert few.found.share_apart is None


def test_twin_members_enough_have_a_distance_and_the_others_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(compared((measured(12, 0), measured(12, 100)), (measured(1, 0), measured(1, 100))), capsys)
    assert re.search(r"^arm 0 .*\[1\.\d\d, 1\.\d\d\].*  [+-]\d+\.\d  Pos, Pos +$", said, re.MULTILINE)
    assert "0 of 1 effects lie more than 2 standard errors apart" in said
    assert said.rstrip().endswith("1 of 2 cannot be compared: too few members for a standard error")


def test_a_replication_of_too_few_members_is_drawn_and_written(tmp_path: Path) -> None:
    few = compared((measured(2, 0, lost=(0,)), measured(2, 100)), (measured(1, 0), measured(0, 100)))
    drawn = replication.figure(few)
    assert len(drawn.axes[0].lines) == 2 * len(few.names) + 1 + len(replication.CALL_COLOURS)  # marks, no bars
    assert json.loads(json.dumps(replication.rows(few)[0]))["first_call"] == "open"


def test_the_names_of_effects_lie_apart_however_long() -> None:
    many = compared(*[(measured(12, 0), measured(12, 100 + n)) for n in range(8)])
    names = tuple(f"3x3 against 4x4 padded {n * 'alternating '}less a quarter of the gap" for n in range(8))
    panel = replication.figure(dataclasses.replace(many, names=names)).axes[0]
    panel.figure.canvas.draw()
    extents = [label.get_window_extent() for label in panel.get_yticklabels()]
    assert all(lower.y1 < upper.y0 for lower, upper in itertools.pairwise(extents))


def test_two_results_folders_of_members_without_spread(capsys: pytest.CaptureFixture[str]) -> None:
    arm = SharedArm(arm="digits12-a", first=0.5, second=0.6, same=False, common=2, apart=math.inf)
    found = FolderComparison(first=Path("a"), second=Path("b"), shared=(arm,), only_first=(), only_second=(), unread={})
    comparison.show_folders(found, Console(width=200, color_system=None))
    said = capsys.readouterr().out
    assert not NOT_A_NUMBER.search(said)
    assert "no spread" in said
    comparison.show_folders(dataclasses.replace(found, shared=(dataclasses.replace(arm, apart=2.5),)), Console())
    assert "+2.5" in capsys.readouterr().out


def test_copies_of_which_one_never_varies_have_no_correlation() -> None:
    floor = Floor(first=(0.9,) * 4, again=(0.9, 0.91, 0.92, 0.9))
    ratios = (0.1, 0.2, 0.0, -0.1)
    cells = noise_floor._cells(Copies(task="t", net="n", real=True, floor=floor, ratios=ratios, diverged=0))
    assert "-" in cells
    assert not NOT_A_NUMBER.search(" ".join(cells))
