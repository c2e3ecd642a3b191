"""Pictures of single sweeps: the planted numbers stand where they should, and what lacks is named."""

import dataclasses
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnlab.data import MissingDataError
from cnnlab.records import Store
from cnnlab.spec.net import ConvNet
from cnnlab.spec.record import Record
from cnnlab.training.schedule import log_spaced_steps
from experiments.analysis.metrics import gradient_decay
from experiments.analysis.results import ArmResults, SweepResults, view
from experiments.analysis.selection import relocated
from experiments.analysis.verdicts import pairwise_effects
from experiments.config.grid import Grid, grid
from experiments.config.resolve import Point
from experiments.reports import figures as sweep_figures
from experiments.reports.figures import (
    LackingRecordsError,
    even_kernels,
    gradient_norms,
    pixel_lottery,
    pool_position,
    pooling_is_activation,
    stride_vs_pool,
)
from experiments.reports.ratios import errors_of_better

pytestmark = pytest.mark.slow

Plant = Callable[..., Record]
LOOKS = 4
GRADIENTS, PLACES, POOLS = "gradient_norms", "pool_position", "pooling_is_activation"
LOTTERY, STRIDES, KERNELS = "pixel_lottery", "stride_vs_pool", "even_kernels"


@cache
def plan(sweep: str) -> Grid:
    return grid([f"+sweep={sweep}", "scale=smoke", "tracker=off"])


def planted(layer: int, look: int, layers: int) -> float:
    """Decades: a tenth is left by every layer on the way down, and twice as much at every look."""
    return layer - layers + math.log10(2) * look


def with_histories(record: Record) -> Record:
    """The record with the planted gradients, ten times as large in every further member."""
    sites = gradient_decay.activations(record)
    histories: list[dict[str, Any]] = []
    for member in range(len(record.members)):
        stats = {
            f"activation_grad_norm/{site}": [10 ** (planted(layer, look, len(sites)) + member) for look in range(LOOKS)]
            for layer, site in enumerate(sites, 1)
        }
        histories.append({"stats": stats})
    return dataclasses.replace(record, histories=tuple(histories))


def stored(
    results: Path,
    plant: Plant,
    sweep: str,
    level: Callable[[Point], float],
    histories: bool = False,
    probes: Callable[[Point], tuple[dict[str, float], ...]] = lambda point: (),
) -> SweepResults:
    store = Store(results / "runs")
    for point in plan(sweep).points:
        record = plant(point, level(point), noise=0.001)
        record = dataclasses.replace(record, probes=probes(point) or record.probes)
        store.write(with_histories(record) if histories else record, {})
    return view(relocated(plan(sweep), results))


def record_of(cell: ArmResults) -> Record:
    assert cell.record is not None
    return cell.record


def accuracy(point: Point) -> float:
    return {"relu": 0.97, "sigmoid_16": 0.1, "[0,4]": 0.905, "[2,6]": 0.955}.get(point.level, 0.96)


@pytest.fixture
def gradients(tmp_path: Path, plant: Plant) -> SweepResults:
    return stored(tmp_path / "results", plant, GRADIENTS, accuracy, histories=True)


def turned(now: SweepResults) -> SweepResults:
    """The fault: what the last layer has is stored as the first's, and so on."""

    def flipped(record: Record) -> Record:
        names = [f"activation_grad_norm/{site}" for site in gradient_decay.activations(record)]
        histories = []
        for history in record.histories:
            values = [history["stats"][name] for name in reversed(names)]
            histories.append({"stats": dict(zip(names, values, strict=True))})
        return dataclasses.replace(record, histories=tuple(histories))

    cells = tuple(dataclasses.replace(cell, record=flipped(record_of(cell))) for cell in now.cells)
    return dataclasses.replace(now, cells=cells)


# The mechanism.


def test_a_sweep_has_the_picture_in_the_file_of_its_name_and_others_have_none(
    gradients: SweepResults, tmp_path: Path
) -> None:
    assert set(sweep_figures.names()) == {GRADIENTS, PLACES, POOLS, LOTTERY, STRIDES, KERNELS}
    assert {path.stem for path in Path("conf/sweep").glob("*.yaml")} >= set(sweep_figures.names())
    line = sweep_figures.draw(gradients, tmp_path)
    assert line == f"picture: {tmp_path / 'gradient_norms_picture.png'}"
    other = dataclasses.replace(gradients, settings=dataclasses.replace(gradients.settings, sweep_name="depth_budget"))
    assert sweep_figures.draw(other, tmp_path / "other") == ""
    assert not (tmp_path / "other").exists()


def test_drawn_twice_the_files_have_the_same_bytes(gradients: SweepResults, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        sweep_figures.draw(gradients, tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["gradient_norms_picture.png", "gradient_norms_picture.svg"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_records_without_histories_give_no_picture_and_are_named(
    gradients: SweepResults, tmp_path: Path, plant: Plant
) -> None:
    """An old picture does not stay: it would be taken for one of these records."""
    sweep_figures.draw(gradients, tmp_path)
    bare = stored(tmp_path / "bare", plant, GRADIENTS, accuracy)
    line = sweep_figures.draw(bare, tmp_path)
    first = record_of(bare.cells[0])
    assert line.startswith(f"no picture of gradient_norms: {first.arm}, member {first.members[0]}, has no history of")
    assert "activation_grad_norm/" in line
    assert not list(tmp_path.glob("*picture*"))


@pytest.mark.parametrize("sweep", [GRADIENTS, PLACES, POOLS, LOTTERY, STRIDES, KERNELS])
def test_without_any_record_there_is_no_picture(sweep: str, tmp_path: Path) -> None:
    line = sweep_figures.draw(view(relocated(plan(sweep), tmp_path)), tmp_path)
    assert line.startswith(f"no picture of {sweep}: no arm has a record")
    assert list(tmp_path.iterdir()) == []


# Gradient norms.


def shown(now: SweepResults) -> dict[str, Any]:
    """What the axes of the strips were given, by title; the image's rows are layers, its columns looks."""
    axes = gradient_norms.figure(now).axes
    return {one.get_title().splitlines()[0]: one for one in axes if one.images and one.get_title()}


def test_every_cell_of_a_strip_is_the_median_of_its_members(gradients: SweepResults) -> None:
    found = shown(gradients)
    assert list(found) == ["relu, 6 layers", "sigmoid, 16 layers", "relu, 16 layers"]
    for name, axes in found.items():
        layers = int(name.split()[1])
        given = np.asarray(axes.images[0].get_array())
        wanted = [[planted(layer, look, layers) + 0.5 for look in range(LOOKS)] for layer in range(1, layers + 1)]
        np.testing.assert_allclose(given, wanted, atol=1e-6)
        assert axes.images[0].origin == "lower"


def test_the_strips_of_turned_records_are_others(gradients: SweepResults) -> None:
    right, wrong = (
        np.asarray(shown(now)["sigmoid, 16 layers"].images[0].get_array()) for now in (gradients, turned(gradients))
    )
    assert not np.allclose(right, wrong)
    np.testing.assert_allclose(right, wrong[::-1])


def test_columns_are_steps_and_accuracies_stand_above(gradients: SweepResults) -> None:
    cell = gradients.cells[1]
    axes = shown(gradients)["sigmoid, 16 layers"]
    arm = cell.point.arm
    steps = log_spaced_steps(math.ceil(arm.task.train_images / arm.recipe.batch_size) * arm.recipe.epochs)
    assert [text.get_text() for text in axes.get_xticklabels()] == [str(steps[at]) for at in (0, 2, 3)]
    mean = 100 * sum(cell.accuracies().values) / 2
    assert axes.get_title().splitlines()[1] == f"{mean:.1f} %"


def test_a_norm_of_zero_is_unknown_and_only_most_members_make_it_so(gradients: SweepResults) -> None:
    cell = gradients.cells[0]
    record = record_of(cell)

    def zeroed(*members: int) -> gradient_norms.Strip:
        histories = [dict(history) for history in record.histories]
        for member in members:
            stats = {name: list(values) for name, values in histories[member]["stats"].items()}
            next(iter(stats.values()))[1] = 0.0
            histories[member] = {"stats": stats}
        changed = dataclasses.replace(record, histories=tuple(histories))
        return gradient_norms.strip(dataclasses.replace(cell, record=changed))

    one, both = zeroed(0).middle, zeroed(0, 1).middle
    assert one[0, 1] == pytest.approx(planted(1, 1, 6) + 1)
    assert np.argwhere(np.isnan(both)).tolist() == [[0, 1]]


def test_a_member_that_broke_off_leaves_later_looks_to_the_others(gradients: SweepResults) -> None:
    cell = gradients.cells[0]
    record = record_of(cell)
    short = {"stats": {name: values[:2] for name, values in record.histories[0]["stats"].items()}}
    changed = dataclasses.replace(record, histories=(short, record.histories[1]))
    middle = gradient_norms.strip(dataclasses.replace(cell, record=changed)).middle
    assert middle[2, 1] == pytest.approx(planted(3, 1, 6) + 0.5)
    assert middle[2, 3] == pytest.approx(planted(3, 3, 6) + 1)


def test_the_title_and_the_profiles_say_what_was_planted(gradients: SweepResults) -> None:
    found = gradient_norms.strips(gradients, gradients.tasks()[0])
    assert [one.lost for one in found] == pytest.approx([-5, -15, -15])
    said = gradient_norms.title(found, "digits12")
    assert "first of 16 layers" in said
    assert "sigmoid $10^{-15.0}$, relu $10^{-15.0}$" in said
    assert list(gradient_norms.profiles(found)) == ["sigmoid, 16 layers = relu, 16 layers"]
    other = dataclasses.replace(found[2], norms=found[2].norms + 1)
    assert list(gradient_norms.profiles((*found[:2], other))) == ["sigmoid, 16 layers", "relu, 16 layers"]


# Places of pools.


def texts(axes: Any) -> dict[tuple[int, int], list[str]]:
    """What stands in each square, by the ticks of its column and row."""
    columns, rows = (
        {tick: int(label.get_text()) for tick, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)}
        for axis in (axes.xaxis, axes.yaxis)
    )
    return {
        (columns[round(text.get_position()[0])], rows[round(text.get_position()[1])]): text.get_text().splitlines()
        for text in axes.texts
    }


def swapped(point: Point) -> float:
    return accuracy(
        dataclasses.replace(point, level={"[0,4]": "[2,6]", "[2,6]": "[0,4]"}.get(point.level, point.level))
    )


def test_each_square_of_the_map_has_its_own_arms_numbers(tmp_path: Path, plant: Plant) -> None:
    now = stored(tmp_path, plant, PLACES, accuracy)
    axes, *_ = pool_position.figure(now).axes
    found = texts(axes)
    effects = {cell.point.level: effect for cell, effect in pairwise_effects(now)}
    assert set(found) == {(0, 4), (2, 4), (2, 6)}
    assert found[2, 4][1] == "reference"
    for at in ((0, 4), (2, 6)):
        cell = now.cell(now.tasks()[0], f"[{at[0]},{at[1]}]", "none")
        assert cell is not None
        values = cell.accuracies().values
        assert found[at][0] == f"{100 * sum(values) / len(values):.1f} %"
        assert found[at][1] == f"x{math.exp(-effects[cell.point.level].estimate):.2f}"
        ratio = (1 - accuracy(cell.point)) / (1 - 0.96)
        assert float(found[at][1].removeprefix("x")) == pytest.approx(ratio, rel=0.1)
        assert found[at][-1].endswith("rate .008")
    assert float(found[0, 4][1].removeprefix("x")) > 2 > float(found[2, 6][1].removeprefix("x"))
    assert "reference" not in found[0, 4]
    given = axes.images[0].get_array()
    assert given.shape == (3, 3)
    assert np.ma.count(given) == 3
    assert given[0, 0] == pytest.approx(float(found[0, 4][0].removesuffix(" %")), abs=0.06)
    (frame,) = axes.patches
    assert frame.get_x() + 0.48 == 2
    assert frame.get_y() + 0.48 == 0
    assert "worst after 0 and 4" in pool_position.title(now, pool_position.maps(now))


def test_the_map_of_swapped_arms_is_another(tmp_path: Path, plant: Plant) -> None:
    """The fault: two arms have each other's accuracies."""
    right, wrong = (
        stored(tmp_path / name, plant, PLACES, level) for name, level in (("right", accuracy), ("wrong", swapped))
    )
    found = [texts(pool_position.figure(now).axes[0]) for now in (right, wrong)]
    assert found[0][0, 4][0].startswith("90.")
    assert found[1][0, 4][0].startswith("95.")
    assert found[0][0, 4][1] > found[1][0, 4][1]
    assert "worst after 2 and 6" in pool_position.title(wrong, pool_position.maps(wrong))


def test_from_three_members_on_a_square_has_its_interval(tmp_path: Path, plant: Plant) -> None:
    now = stored(tmp_path, plant, PLACES, accuracy)
    (one,) = pool_position.maps(now)
    square = one.squares[0, 4]
    assert len(square.lines) == 3
    assert square.effect is not None
    more = dataclasses.replace(square.effect, seeds=(1, 2, 3))
    ratio = errors_of_better(more)
    assert ratio.low < ratio.middle < ratio.high
    assert dataclasses.replace(square, effect=more).lines[2] == f"[{ratio.low:.2f}, {ratio.high:.3g}]"


def test_differences_need_the_reference(tmp_path: Path, plant: Plant) -> None:
    now = stored(tmp_path, plant, PLACES, accuracy)
    gone = tuple(
        dataclasses.replace(cell, record=None) if now.is_reference(cell.point.level) else cell for cell in now.cells
    )
    with pytest.raises(LackingRecordsError, match="the reference has no record on digits12"):
        pool_position.figure(dataclasses.replace(now, cells=gone))


# Pooling as an activation.


@pytest.fixture(scope="module")
def nonlinear(tmp_path_factory: pytest.TempPathFactory, plant: Plant) -> tuple[SweepResults, Any]:
    levels = {"relu_max": 0.97, "linear_max": 0.95, "linear_average": 0.805}
    now = stored(tmp_path_factory.mktemp("pools"), plant, POOLS, lambda point: levels[point.level])
    return now, pooling_is_activation.dots(now)


def test_only_the_average_pools_leave_a_net_without_activations_affine(nonlinear: tuple[SweepResults, Any]) -> None:
    now, found = nonlinear
    dots = {dot.named: dot for dot in found[now.tasks()[0]]}
    affine = {name: dot.affine for name, dot in dots.items()}
    assert affine == {
        ("ReLU", "max-pool"): False,
        ("no activation", "max-pool"): False,
        ("no activation", "average pool"): True,
    }
    assert min(dots["no activation", "max-pool"].residuals) > 1e-3
    assert all(len(set(dot.residuals)) == len(pooling_is_activation.SEEDS) for dot in dots.values())
    assert dots["no activation", "average pool"].accuracy == pytest.approx(80.5, abs=0.3)


def test_a_relu_that_is_taken_for_none_would_be_seen(nonlinear: tuple[SweepResults, Any]) -> None:
    """The twin: the distance is computed from the arm's net, so another activation in it moves the dot."""
    now, _ = nonlinear
    nets = [ConvNet(activation=kind, down="average", head="flatten") for kind in ("identity", "relu")]
    flat, bent = (pooling_is_activation.residuals(net, now.tasks()[0]) for net in nets)
    assert max(flat) < 1e-10 < 1e-3 < min(bent)


def test_dots_stand_at_accuracy_and_distance(
    nonlinear: tuple[SweepResults, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, found = nonlinear
    monkeypatch.setattr(pooling_is_activation, "dots", lambda now: found)
    axes, below = pooling_is_activation.figure(now).axes
    drawn = {one.get_label(): one.lines[0].get_xydata()[0] for one in axes.containers}
    for dot in found[now.tasks()[0]]:
        np.testing.assert_allclose(drawn[", ".join(dot.named)], (dot.accuracy, np.median(dot.residuals)))
    assert pooling_is_activation.title(now, found).startswith("digits12: at best affine nets 80.")
    assert len(below.get_xticklabels()) == len(found[now.tasks()[0]])


def test_tasks_of_large_images_are_left_out(
    nonlinear: tuple[SweepResults, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, _ = nonlinear
    monkeypatch.setattr(pooling_is_activation, "MOST", 143)
    with pytest.raises(LackingRecordsError, match="images of at most 143 numbers"):
        pooling_is_activation.dots(now)


# The pixel lottery.

SLOPES = {"k3": (0.4, 0.6)}
"""Planted slopes of trained members."""


def slopes(point: Point) -> tuple[dict[str, float], ...]:
    return tuple({"input_energy/slope": value} for value in SLOPES.get(point.level, ())) or ({}, {})


@pytest.fixture(scope="module")
def lottery(tmp_path_factory: pytest.TempPathFactory, plant: Plant) -> SweepResults:
    return stored(tmp_path_factory.mktemp("lottery"), plant, LOTTERY, accuracy, probes=slopes)


def test_only_stacks_that_read_pixels_unequally_have_slopes_and_untrained_ones_are_near_one(
    lottery: SweepResults,
) -> None:
    found = {one.name: one for one in pixel_lottery.stacks(lottery, lottery.tasks()[0])}
    assert [name for name, one in found.items() if one.begins] == ["k3"]
    assert found["k3"].trained == SLOPES["k3"]
    assert all(0.5 < slope < 2 for slope in found["k3"].begins)
    # 3x3 with stride 2, three deep: Stern's numbers 1 to 5 along an axis; their product in the plane
    assert {int(one) for one in found["k3"].counts.ravel()} == {a * b for a in range(1, 6) for b in range(1, 6)}
    assert found["k4"].counts.max() == 64


def test_energies_turned_upside_down_would_not_follow_the_counts(lottery: SweepResults) -> None:
    """The twin of the slopes near one, which the energies' places alone can give."""
    (one,) = [one for one in pixel_lottery.stacks(lottery, lottery.tasks()[0]) if one.name == "k3"]
    logs = np.log(one.counts).ravel()
    upright, turned = (
        np.corrcoef(logs, np.log(plane).ravel())[0, 1] for plane in (one.energy.mean(0), one.energy.mean(0)[::-1, ::-1])
    )
    assert upright > 0.8 > 0.4 > turned


def test_the_lottery_shows_planted_slopes_and_says_them(lottery: SweepResults) -> None:
    drawn = pixel_lottery.figure(lottery)
    (panel,) = [axes for axes in drawn.findobj(lambda one: hasattr(one, "containers")) if axes.containers]
    means = {one.get_label(): one.lines[0].get_xydata()[0] for one in panel.containers}
    assert means["trained"] == pytest.approx((0.15, 0.5))
    assert means["as it begins"][0] == pytest.approx(-0.15)
    assert "0.50 after" in drawn.get_suptitle()
    assert "keep it" not in drawn.get_suptitle()  # two members say nothing for sure


# Where the information dies.


def readings(point: Point) -> tuple[dict[str, float], ...]:
    """Every member's probes as a real record names them: at each place a number of its own."""
    pools = {"max": ("pool_after2", "pool_after4"), "stride": ("conv2", "conv4"), "none": ()}[point.level]
    ends = [f"{layer}/{side}" for layer in pools for side in ("before", "after")]
    base = {"max": 0.5, "stride": 0.7, "none": 0.9}[point.level]
    found = {f"reconstruction/{end}": base - 0.1 * place for place, end in enumerate(ends)}
    found |= {f"linear_probe/{end}": base / 2 + 0.1 * place for place, end in enumerate(ends)}
    return ({**found, "linear_probe/head/accuracy": base},) * 2


def test_stages_stand_along_the_depth_and_the_head_is_last_for_all(tmp_path: Path, plant: Plant) -> None:
    now = stored(tmp_path, plant, STRIDES, accuracy, probes=readings)
    (several,) = stride_vs_pool.falls(now).values()
    found = {one.level: one for one in several}
    assert [(stage.place, pytest.approx(stage.mean)) for stage in found["max"].image] == [
        (0, 0.5),
        (1, 0.4),
        (2, 0.3),
        (3, 0.2),
    ]
    assert [stage.place for stage in found["stride"].label] == [0, 1, 2, 3, 4]
    assert found["none"].image == ()
    assert [(stage.place, stage.values) for stage in found["none"].label] == [(4, (0.9, 0.9))]
    above, below = stride_vs_pool.figure(now).axes
    lines = {line.get_label(): line.get_xydata() for line in above.lines if not line.get_label().startswith("_")}
    np.testing.assert_allclose(lines["stride"][:, 1], [0.7, 0.6, 0.5, 0.4])
    assert len(below.get_xticklabels()) == 5
    said = stride_vs_pool.title(now, stride_vs_pool.falls(now))
    assert "stride leaves 0.40 of the image readable, max 0.20" in said


def test_a_diverged_member_is_told_and_an_arm_looks_the_same_on_every_task(tmp_path: Path, plant: Plant) -> None:
    def some(point: Point) -> tuple[dict[str, float], ...]:
        found, other = readings(point)
        return (found, {}) if point.level == "stride" else ({}, {}) if point.level == "max" else (found, other)

    now = stored(tmp_path, plant, STRIDES, accuracy, probes=some)
    (several,) = stride_vs_pool.falls(now).values()
    assert [one.name for one in several] == ["stride (1 of 2 members)", "none"]
    drawn = stride_vs_pool.figure(now)
    assert {text.get_text() for text in drawn.legends[0].get_texts()} == {*(one.name for one in several), "a guess"}


def test_a_waterfall_of_swapped_sides_is_another(tmp_path: Path, plant: Plant) -> None:
    """The fault: before and after are taken for each other."""

    def swapped_sides(point: Point) -> tuple[dict[str, float], ...]:
        turn = {"before": "after", "after": "before", "accuracy": "accuracy"}
        found, _ = readings(point)
        ends = {path: path.rpartition("/") for path in found}
        return ({f"{ends[path][0]}/{turn[ends[path][2]]}": value for path, value in found.items()},) * 2

    now = stored(tmp_path, plant, STRIDES, accuracy, probes=swapped_sides)
    (several,) = stride_vs_pool.falls(now).values()
    assert [round(stage.mean, 2) for stage in several[0].image] == [0.4, 0.5, 0.2, 0.3]


def test_records_without_probes_have_no_waterfall(tmp_path: Path, plant: Plant) -> None:
    with pytest.raises(LackingRecordsError, match="no arm has a record of a trained member's probes"):
        stride_vs_pool.figure(stored(tmp_path, plant, STRIDES, accuracy))


def test_without_the_tasks_data_there_is_no_lottery(lottery: SweepResults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published records may be looked at where the images were never fetched."""

    def missing(*_: Any) -> Any:
        raise MissingDataError("digits12", "is not prepared")

    monkeypatch.setattr(pixel_lottery, "dataset", missing)
    with pytest.raises(LackingRecordsError, match="data=digits12 is not prepared"):
        pixel_lottery.figure(lottery)


# Even kernels.


def kernels(point: Point) -> float:
    return {"k3": 0.95, "k4": 0.93, "k4_symmetric": 0.94}[point.level]


def test_marks_stand_at_their_drift_and_difference(tmp_path: Path, plant: Plant) -> None:
    now = stored(tmp_path, plant, KERNELS, kernels)
    (several,) = even_kernels.marks(now).values()
    found = {mark.level: mark for mark in several}
    # half a pixel a layer, two layers each where a pixel of the map is 1, 2 and 4 pixels of the image wide
    assert found["k4"].drift == 2 * 0.5 * (1 + 2 + 4)
    assert found["k3"].drift == 0
    assert abs(found["k4_symmetric"].drift) == 0.5  # the grey image's one channel cannot be divided
    assert found["k4"].ratio.middle == pytest.approx(0.07 / 0.05, rel=0.1)
    assert found["k3"].ratio.middle == 1
    axes, below = even_kernels.figure(now).axes
    drawn = {line.get_label(): tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() != "None"}
    assert drawn["k4"][0] == pytest.approx(7, abs=0.5)
    assert drawn["k4"][1] == pytest.approx(found["k4"].ratio.middle)
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in below.get_xticklabels()] == ["k3\n.008", "k4\n.008", "k4_symmetric\n.008"]
    assert len({across for across, _ in drawn.values()}) == 3, "moved apart"
    assert "k4_symmetric" in even_kernels.title(now, even_kernels.marks(now))


def test_a_net_of_larger_kernels_taken_for_the_reference_moves_every_mark(tmp_path: Path, plant: Plant) -> None:
    """The twin: drifts are of the arms' own nets, beside the reference's."""
    now = stored(tmp_path, plant, KERNELS, kernels)
    turn = {"k3": "k4", "k4": "k3"}
    cells = tuple(
        dataclasses.replace(
            cell, point=dataclasses.replace(cell.point, level=turn.get(cell.point.level, cell.point.level))
        )
        for cell in now.cells
    )
    (several,) = even_kernels.marks(dataclasses.replace(now, cells=cells)).values()
    assert {mark.level: mark.drift for mark in several}["k4"] == -7


# Watched arms alone have histories.


def test_arms_that_were_not_watched_have_no_strip_but_a_curve(gradients: SweepResults) -> None:
    first, *others = gradients.cells
    arm = dataclasses.replace(first.point.arm, recipe=dataclasses.replace(first.point.arm.recipe, watched=False))
    blind = dataclasses.replace(
        first,
        point=dataclasses.replace(first.point, arm=arm),
        record=dataclasses.replace(record_of(first), histories=({}, {})),
    )
    now = dataclasses.replace(gradients, cells=(blind, *others))
    assert list(shown(now)) == ["sigmoid, 16 layers", "relu, 16 layers"]
    (curves_panel,) = [one for one in gradient_norms.figure(now).axes if "every learning rate" in one.get_ylabel()]
    assert len(curves_panel.get_xticklabels()) == 3
    cells = tuple(dataclasses.replace(cell, point=dataclasses.replace(cell.point, arm=arm)) for cell in now.cells)
    with pytest.raises(LackingRecordsError, match="no arm was watched"):
        gradient_norms.figure(dataclasses.replace(now, cells=cells))
