"""The checkerboard door: sentences that follow planted numbers, files that are written, and mistakes in one line."""

import csv
import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnlab.probes.upsampling import ARMS, ICNR, RESIZED, SUB_PIXEL, TRANSPOSED, Member, Numbers, Painted, Pictures
from experiments.checkerboard import __main__ as door
from experiments.checkerboard.reading import EVEN, UNEVEN, Finding, paragraph, read, short, spread


def numbers(pattern: float, output: float = 0.0, flat: float = 0.0, dispersion: float = 0.1) -> Numbers:
    return Numbers(
        pattern_maps=pattern,
        pattern_output=output,
        dispersion_maps=dispersion,
        dispersion_output=dispersion,
        flat_maps=flat,
        flat_output=flat,
        energies=((1 + dispersion, 1 - dispersion), (1.0, 1.0)),
    )


def planted(trained: Mapping[str, float] | None = None, init: Mapping[str, float] | None = None) -> list[Member]:
    """Three members an arm: resizing has no board, ICNR learns one, all others always have one of about .3."""
    start = {arm: 0.0 if arm in (*RESIZED, ICNR) else 0.3 for arm in ARMS} | dict(init or {})
    end = {arm: 0.0 if arm in RESIZED else 0.1 if arm == ICNR else 0.3 for arm in ARMS} | dict(trained or {})
    picture = np.tile([[0.0, 1.0], [1.0, 0.0]], (12, 12))
    names = [f"{when} {what}" for when in ("init", "trained") for what in ("maps", "output")]
    return [
        Member(
            arm=arm,
            seed=seed,
            init=numbers(start[arm] + 0.001 * seed, output=0.2, flat=0.5),
            trained=numbers(end[arm] + 0.001 * seed, flat=0.0 if arm in RESIZED else 0.2),
            mse=0.01,
            shown=dict.fromkeys(names, picture),
        )
        for arm in ARMS
        for seed in range(3)
    ]


def counted(size: int, nets: int = 60, off: float = 0.0) -> Painted:
    line = np.array([2.0, 1.0]) if size % 2 else np.array([1.0, 1.0])
    counts = np.outer(line, line)
    noise = 1 + 0.05 * np.random.default_rng(size).normal(size=(nets, 2, 2))
    return Painted(kernel=size, counts=counts, energies=counts * noise + off * np.eye(2))


COUNTED = [counted(size) for size in TRANSPOSED.values()]


def words(members: Sequence[Member], counts: Sequence[Painted] = COUNTED) -> list[str]:
    return [finding.word for finding in read(members, counts)]


def test_sentences_follow_the_numbers() -> None:
    assert words(planted()) == ["agrees", "agrees", "differs", "agrees", "beyond the article", "beyond the article"]
    text = paragraph(read(planted(), COUNTED))
    assert "learn a board all the same: 0.10 [0.10, 0.10] after training, below the 0.30" in text
    assert "hidden and not gone" in text
    assert "cancels the board there" in text
    assert len(text.splitlines()) == 7  # six findings, a line each, and what was not tried


@pytest.mark.parametrize(
    ("place", "members"),
    [
        (1, planted(init=dict.fromkeys(TRANSPOSED, 0.0))),
        (2, planted(trained=dict.fromkeys(EVEN, 0.05))),
        (3, planted(trained=dict.fromkeys(RESIZED, 0.05))),
    ],
)
def test_other_numbers_turn_each_word(place: int, members: list[Member]) -> None:
    before, after = words(planted()), words(members)
    assert before[place] != after[place]
    assert before[:place] + before[place + 1 :] == after[:place] + after[place + 1 :]


def test_a_divisible_kernel_helps_by_either_number() -> None:
    def with_energy(dispersion: float, pattern: float) -> list[Member]:
        return [
            dataclasses.replace(member, trained=numbers(pattern, dispersion=dispersion))
            if member.arm in EVEN
            else member
            for member in planted()
        ]

    assert [words(with_energy(*both))[2] for both in ((0.1, 0.3), (0.01, 0.3), (0.1, 0.2), (0.01, 0.2))] == [
        "differs",
        "agrees in part",
        "agrees in part",
        "agrees",
    ]
    assert "no lower, the ranges overlap" in read(planted(), COUNTED)[2].sentence
    assert "higher in every member" in read(planted(trained=dict.fromkeys(EVEN, 0.4)), COUNTED)[2].sentence


def test_energies_that_are_not_those_of_the_counts_differ() -> None:
    assert words(planted(), [*COUNTED[:-1], counted(6, off=0.5)])[0] == "differs"


def test_sub_pixel_sentences_turn_too() -> None:
    def said(**trained: float) -> str:
        return read(planted(trained={ICNR: trained["icnr"], SUB_PIXEL: trained["plain"]}), COUNTED)[4].sentence

    assert "stay without" in said(icnr=0.0, plain=0.3)
    assert "not clearly below" in said(icnr=0.3, plain=0.3)


def test_even_and_uneven_kernels_and_numbers_as_written() -> None:
    assert (EVEN, UNEVEN) == (("transposed 2", "transposed 4", "transposed 6"), ("transposed 3", "transposed 5"))
    assert [short(value) for value in (0.12345, -0.0001, -0.5, 12.3, float("inf"))] == [
        "0.12",
        "0.00",
        "-0.50",
        "12",
        "inf",
    ]
    assert str(spread([3.0, 1.0, 2.0])) == "2.00 [1.00, 3.00]"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The door with planted members; what `train` was asked."""
    asked: list[tuple[Any, ...]] = []

    def train(arm: str, pictures: Pictures, *, seeds: Sequence[int], steps: int) -> tuple[Member, ...]:
        asked.append((arm, pictures.name, tuple(seeds), steps))
        return tuple(member for member in planted() if member.arm == arm and member.seed in seeds)

    monkeypatch.setattr(door, "train", train)
    monkeypatch.setattr(door, "painted", lambda size, nets: counted(size, nets))
    return asked


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["checkerboard", *arguments])
    return door.main()


@pytest.mark.slow
def test_tables_files_and_figure(
    quick: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--seeds", "3", "--steps", "7", f"results={tmp_path}") == 0
    assert [one[0] for one in quick] == list(ARMS)
    assert {one[1:] for one in quick} == {("digits, four to an image", (0, 1, 2), 7)}
    out = capsys.readouterr().out
    assert "median [min, max] over n = 3 seeds" in out
    assert all(arm in out for arm in ARMS)
    assert "0.30 [0.30, 0.30]" in out
    assert "Not measured here" in out
    folder = tmp_path / "checkerboard"
    names = ["checkerboard.json", "checkerboard.png", "counts.csv", "members.csv"]
    assert sorted(path.name for path in folder.iterdir()) == names
    with (folder / "members.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (len(rows), rows[1]["when"], float(rows[1]["pattern_maps"])) == (2 * 3 * len(ARMS), "trained", 0.3)
    with Image.open(folder / "checkerboard.png") as image:
        assert min(image.size) > 800
    kept = {name: (folder / name).read_bytes() for name in names}
    assert run(monkeypatch, "--seeds", "3", "--steps", "7", f"results={tmp_path}") == 0
    assert {name: (folder / name).read_bytes() for name in names} == kept


def test_json_is_one_object_and_the_file(
    quick: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--json", "--seeds", "2", f"results={tmp_path}") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "checkerboard" / "checkerboard.json").read_text())
    assert (printed["steps"], printed["seeds"], len(printed["arms"])) == (200, [0, 1], len(ARMS))
    arm = printed["arms"][0]
    assert (arm["n"], arm["trained"]["pattern_maps"]) == (2, {"median": 0.3005, "min": 0.3, "max": 0.301})
    assert {row["kernel"] for row in printed["counts"]} == set(TRANSPOSED.values())
    assert [Finding(**finding).about for finding in printed["findings"]]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--seeds", "1"], "error: --seeds=1 is not valid: must be 2 to 1000: a range needs two members"),
        (["--steps", "-1"], "error: --steps=-1 is not valid: must be 0 to 1000000"),
        (["--seed", "3"], "error: unrecognized arguments: --seed"),
        (["--fashion", "nowhere"], "error: data.raw_dir=nowhere is not valid: "),
        (["result=x"], "error: "),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: list[str],
    line: str,
    quick: list[tuple[Any, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1
    assert not quick


def test_help_teaches(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(monkeypatch, "--help")
    said = capsys.readouterr().out
    for word in ("pattern", "dispersion", "ICNR", "examples:", "exit code", "members.csv", "results=FOLDER"):
        assert word in said
    assert max(map(len, said.splitlines())) <= 120


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_door_itself_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    def made(folder: Path) -> dict[str, bytes]:
        command = [
            sys.executable,
            "-m",
            "experiments.checkerboard",
            "--seeds",
            "2",
            "--steps",
            "5",
            f"results={folder}",
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert "over n = 2 seeds" in done.stdout
        return {path.name: path.read_bytes() for path in (folder / "checkerboard").iterdir()}

    assert made(tmp_path / "one") == made(tmp_path / "two")
