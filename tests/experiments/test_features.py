"""The door of feature pictures: which arm and members are meant, what is written, and what a mistake costs."""

import csv
import itertools
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cnnlab.data import Source
from cnnlab.probes.ascent import gate, move, parametrise
from cnnlab.records import Store
from cnnlab.spec.arm import Arm
from cnnlab.spec.record import Record
from experiments import features
from experiments.config.grid import grid
from experiments.paths import ROOT
from experiments.reports import features as page
from experiments.reports import parametrisations as page_of_all
from experiments.training.feature_pictures import TRAINED, UNTRAINED, Asked, Drawn, Features, feature_pictures

SMALL = ["model.depth=2", "model.width=4", "model.pools=[1]", "data=digits8", "train.epochs=2", "scale=smoke"]
FACTS = gate.Facts(
    score=2.0, quantile=0.99, place=1.5, maximum=3.0, same=0.8, other=0.4, path=0.9, read=0.75, readers=2
)


def planted(arm: Arm, record: Record | None, asked: Asked, source: Source, library: Path | None) -> Features:
    """Pictures of noise, one of each kind refused, without training anything."""
    draw = np.random.default_rng(0)
    drawn = []
    for kind, count in (("class", 3), ("channel", 5)):
        for state in (TRAINED, UNTRAINED):
            for unit in range(count):
                facts = FACTS if kind == "class" else gate.Facts(**{**vars(FACTS), "read": None, "readers": 0})
                drawn.append(
                    Drawn(
                        kind=kind,  # type: ignore[arg-type]
                        unit=unit,
                        state=state,
                        facts=facts,
                        refused="its starts agree no more than two units do" if unit == 1 else "",
                        before_activation=unit == 2 and kind == "channel",
                        pictures=draw.normal(size=(asked.starts, 8, 8, 1)).astype(np.float32),
                        best=draw.normal(size=(8, 8, 1)).astype(np.float32),
                    )
                )
    members = tuple(
        {"seed": seed, "equals_record": False, "sentence": f"member {seed}: NOT the record's"} for seed in asked.seeds
    )
    return Features(
        arm=arm.key,
        asked=asked,
        layer="act2",
        path_layer="act1",
        members=members,
        moves=move.Moves(jitter=1),
        real=64,
        low=-1.0,
        high=2.0,
        drawn=tuple(drawn),
    )


@pytest.mark.parametrize("still", [False, True])
def test_pictures_are_moved_unless_they_are_to_stay_still(
    still: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Asked] = []

    def draw(arm: Arm, record: Record | None, wanted: Asked, *places: Any) -> Features:
        asked.append(wanted)
        return planted(arm, record, wanted, *places)

    assert door(monkeypatch, *SMALL, f"results={tmp_path}", *["--still"] * still, draw=draw) == 0
    assert [one.still for one in asked] == [still]


def door(monkeypatch: pytest.MonkeyPatch, *words: str, draw: Any = planted) -> int:
    monkeypatch.setattr(sys, "argv", ["features", *words])
    return features.main(draw)


def test_everything_is_printed_written_and_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door(monkeypatch, *SMALL, f"results={tmp_path}", "--steps", "3") == 0
    said = capsys.readouterr().out
    assert "no record of this arm" in said
    for seed in (2000, 2001, 2002):
        assert f"member {seed}: NOT the record's" in said
    assert page.CONTROL in said
    (folder,) = (tmp_path / "features").iterdir()
    rows = list(csv.DictReader((folder / "features.csv").read_text().splitlines()))
    assert len(rows) == 2 * (3 + 5)
    written = json.loads((folder / "features.json").read_text())
    for picture in written["pictures"]:
        assert (page.CONTROL in picture["caption"]) == (picture["kind"] == "channel")
        assert ("refused" in picture["caption"]) == (not picture["shown"])
        assert ("before its activation" in picture["caption"]) == picture["before_activation"]
    assert written["summary"]["untrained"]["classes_shown"] == 2
    with Image.open(folder / "features.png") as drawn:
        assert min(drawn.size) > 400
    first = (folder / "features.png").read_bytes()
    assert door(monkeypatch, *SMALL, f"results={tmp_path}", "--steps", "3", "--json") == 0
    assert json.loads(capsys.readouterr().out) == written
    assert (folder / "features.png").read_bytes() == first


def every(arm: Arm, record: Record | None, asked: Asked, source: Source, library: Path | None) -> tuple[Features, ...]:
    """Planted pictures in every parametrisation; those of pixels are read by nobody."""
    made = []
    for name, still in itertools.product(parametrise.NAMES, (False, True)):
        found = planted(arm, record, replace(asked, parametrisation=name, still=still), source, library)
        if name == parametrise.PIXELS:
            found = replace(found, drawn=tuple(replace(one, facts=replace(one.facts, read=0.0)) for one in found.drawn))
        made.append(found)
    return tuple(made)


def test_parametrisations_are_compared_in_one_table_and_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["features", *SMALL, f"results={tmp_path}", "--compare"])
    assert features.main(compare=every) == 0
    said = capsys.readouterr().out
    (folder,) = (tmp_path / "features").iterdir()
    rows = list(csv.DictReader((folder / "compared.csv").read_text().splitlines()))
    assert [row["parametrisation"] for row in rows] == [name for name in parametrise.NAMES for _ in range(4)]
    assert [row["moves"] for row in rows] == ["moved", "moved", "still", "still"] * 3
    assert [float(row["read"]) for row in rows] == [0] * 4 + [0.75] * 8
    assert all(name in said for name in parametrise.NAMES)
    data = json.loads((folder / "compared.json").read_text())
    assert [one["parametrisation"] for one in data["parametrisations"][::2]] == list(parametrise.NAMES)
    arm = grid(["tracker=off", *SMALL]).points[0].arm
    axes = page_of_all.figure(every(arm, None, Asked(seeds=(1, 2, 3)), Source(cache_dir=Path()), None)).axes
    assert [axis.get_ylabel() for axis in axes[:: len(axes) // 12]][2:5] == [
        "pixels, still, trained\n0 % read",
        "pixels, still, untrained\n0 % read",
        "fourier, moved, trained\n75 % read",
    ]
    with Image.open(folder / "compared.png") as drawn:
        assert min(drawn.size) > 300


def test_a_refused_picture_is_a_grey_tile_with_its_reason() -> None:
    """Neither its starts nor its control are drawn."""
    arm = grid(["tracker=off", *SMALL]).points[0].arm
    found = planted(arm, None, Asked(seeds=(1, 2, 3)), Source(cache_dir=Path()), None)
    (part, *_) = page.figure(found).subfigs
    axes = np.array(part.axes).reshape(4, -1)
    texts = ["".join(text.get_text() for text in axis.texts).replace("\n", " ") for axis in axes[:, 1]]
    assert [bool(text) for text in texts] == [True, True, False, True]
    assert "starts agree" in texts[0]
    assert not np.asarray(axes[0, 1].images[0].get_array()).any()
    assert np.asarray(axes[0, 0].images[0].get_array()).any()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--layer", "conv9"], "choose of conv1, act1"),
        (["--seeds", "2000,2001"], "at least 3 different seeds"),
        (["--seeds", "2000,2001,x"], "at least 3 different seeds"),
        (["--starts", "1"], "--starts=1"),
        (["--parametrisation", "paint"], "paint"),
        (["model.widht=3"], "model.width"),
        (["model.kernel=3,5"], "list of values"),
        (["model.width=3"], "model.width is given twice"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door(monkeypatch, *SMALL, f"results={tmp_path}", *words) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_record_of_ones_own_results_is_found_and_its_members_are_meant(
    tmp_path: Path, plant: Callable[..., Record]
) -> None:
    point = grid(["tracker=off", *SMALL]).points[0]
    record = plant(point, 0.9)
    Store(tmp_path / "runs").write(record, {})
    chosen = features.choose([*SMALL, f"results={tmp_path}"])
    assert chosen.arm == point.arm
    assert chosen.record == record
    assert features.choose([*SMALL[:-1], f"results={tmp_path}"]).record == record, "the scale that has one is found"
    with pytest.raises(features.UsageError, match="the record has 2 members, 3 are needed"):
        features.seeds(None, chosen)
    with pytest.raises(features.UsageError, match="the record has the members 2000 to 2001"):
        features.seeds("1,2,3", chosen)


@pytest.mark.slow
def test_by_default_it_is_the_reference_of_pool_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_PUBLISHED", str(ROOT / "results" / "published"))
    chosen = features.choose([f"results={tmp_path}"])
    assert chosen.arm.key.startswith("digits12-d6w16-max2_4-relu")
    assert chosen.record is not None
    assert chosen.runs == ROOT / "results" / "published" / "runs"


@pytest.mark.slow
def test_real_pictures_of_a_small_arm(tmp_path: Path) -> None:
    """From training to facts; the untrained control is the same member before its first step."""
    plan = grid(["tracker=off", *SMALL])
    asked = Asked(seeds=(2000, 2001, 2002), steps=4, layer="conv2")
    found = feature_pictures(plan.points[0].arm, None, asked, Source(cache_dir=tmp_path))
    assert [len(found.of(kind, state)) for kind in ("class", "channel") for state in (TRAINED, UNTRAINED)] == [
        10,
        10,
        4,
        4,
    ]
    ours, control = found.of("channel", TRAINED)[0], found.of("channel", UNTRAINED)[0]
    assert not np.array_equal(ours.pictures, control.pictures)
    assert ours.facts.read is None
    assert all(one.facts.readers == 2 for one in found.of("class", UNTRAINED))
    assert [member["equals_record"] for member in found.members] == [None] * 3


@pytest.mark.slow
def test_other_members_read_the_references_classes_and_the_untrained_nets_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured: 100 % of readings, 10 of 10 shown; untrained 17.5 %, 0 of 10 shown."""
    monkeypatch.setenv("CNNLAB_PUBLISHED", str(ROOT / "results" / "published"))
    chosen = features.choose([f"results={tmp_path}"])
    asked = Asked(seeds=features.seeds(None, chosen), layer="conv6")
    said = page.summary(feature_pictures(chosen.arm, chosen.record, asked, Source(cache_dir=tmp_path)))
    assert said[TRAINED]["classes_read"] >= 0.7
    assert said[TRAINED]["classes_shown"] >= 7
    assert said[UNTRAINED]["classes_shown"] <= 1
    # the usual gate has it the wrong way round
    assert said[TRAINED]["classes_above_every_image"] < said[UNTRAINED]["classes_above_every_image"]
