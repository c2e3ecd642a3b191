"""The cost claims: an honest stopwatch, timings that come back as they were, devices apart, and verdicts that turn."""

import dataclasses
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from cnnlab.inference.family import Case, Family, judge
from cnnlab.inference.rules.cost import Cost, Everywhere, Timings
from cnnlab.inference.rules.exact import Exact
from cnnlab.records import RecordError
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.verdict import Verdict
from experiments import cost
from experiments.analysis.verdicts import judge_claims
from experiments.claims.activations import relu_cheap
from experiments.claims.base import Claim, Timed
from experiments.claims.pointwise import pw_cheaper
from experiments.claims.remember import ch_pow2_gpu
from experiments.claims.strides import st_saves_memory
from experiments.cli.command import ExitCode
from experiments.cli.errors import UsageError
from experiments.paths import published
from experiments.timing import timings
from experiments.timing.stopwatch import SHORTEST, clock_for, interleaved
from experiments.timing.timings import NotTimedError, TimingsError

ROOT = Path(__file__).parents[3]
FAMILY = Family(claims=1, moderator_contrasts=1)
QUIET = Console(file=io.StringIO())


def verdict_of(rule: Any, evidence: Any) -> Verdict:
    return judge({"claim": Case(rule=rule, evidence=evidence)}, FAMILY)["claim"]


def around(middle: float, seed: int = 0, rounds: int = 31) -> tuple[float, ...]:
    """Seconds of rounds with one per cent of noise."""
    return tuple((middle * (1 + 0.01 * np.random.default_rng(seed).standard_normal(rounds))).tolist())


def pair(dear: float, cheap: float, **changes: Any) -> Timings:
    return dataclasses.replace(Timings(dear=around(dear, 1), cheap=around(cheap, 2), what="a against b"), **changes)


def swapped(one: Timings) -> Timings:
    """The fault: the two sides exchanged."""
    return dataclasses.replace(one, dear=one.cheap, cheap=one.dear)


# The stopwatch.


class Machine:
    """A clock that moves only when a call takes its time, and by `drift` more with every call."""

    def __init__(self, drift: float = 0.0) -> None:
        self.now, self.drift, self.calls, self.log = 0.0, drift, 0, list[str]()

    def clock(self) -> float:
        return self.now

    def takes(self, name: str, seconds: float, compiling: float = 0.0) -> Callable[[], Any]:
        waiting = [compiling]

        def call() -> Any:
            self.calls += 1
            self.log.append(name)
            self.now += (seconds + (waiting.pop() if waiting else 0.0)) * (1 + self.drift * self.calls)
            return jnp.zeros(1)

        return call


def test_a_call_takes_as_long_as_the_clock_says_and_compiling_is_not_timed() -> None:
    machine = Machine()
    cells = {"slow": machine.takes("slow", 0.5, compiling=60.0), "quick": machine.takes("quick", 1e-4, compiling=9.0)}
    seconds = interleaved(cells, rounds=5, clock=machine.clock, console=QUIET)
    assert seconds["slow"] == pytest.approx((0.5,) * 5)
    assert seconds["quick"] == pytest.approx((1e-4,) * 5)


def test_a_quick_call_is_repeated_until_one_timing_is_long_enough() -> None:
    machine = Machine()
    interleaved({"quick": machine.takes("quick", 1e-4)}, rounds=1, clock=machine.clock, console=QUIET)
    last = machine.calls
    interleaved({"quick": machine.takes("quick", 1e-4)}, rounds=2, clock=machine.clock, console=QUIET)
    in_a_round = machine.calls - 2 * last
    assert SHORTEST <= in_a_round * 1e-4 <= 2 * SHORTEST


def test_rounds_are_interleaved_in_an_order_that_changes() -> None:
    machine, names = Machine(), ("a", "b", "c")
    interleaved({name: machine.takes(name, 1.0) for name in names}, rounds=20, clock=machine.clock, console=QUIET)
    timed = machine.log[-60:]
    orders = [tuple(timed[first : first + 3]) for first in range(0, 60, 3)]
    assert all(sorted(order) == list(names) for order in orders)
    assert len(set(orders)) > 3


def one_after_the_other(cells: Mapping[str, Any], rounds: int, clock: Callable[[], float]) -> dict[str, Any]:
    """The fault: all rounds of one cell, then all of the next."""
    return {
        name: interleaved({name: call}, rounds=rounds, clock=clock, console=QUIET)[name] for name, call in cells.items()
    }


@pytest.mark.parametrize("faulty", [False, True])
def test_a_machine_that_slows_down_favours_nobody(faulty: bool) -> None:
    machine = Machine(drift=0.02)
    cells = {name: machine.takes(name, 0.01) for name in ("first", "second")}
    if faulty:
        seconds = one_after_the_other(cells, 31, machine.clock)
    else:
        seconds = interleaved(cells, rounds=31, clock=machine.clock, console=QUIET)
    found = verdict_of(Cost(), Timings(dear=seconds["second"], cheap=seconds["first"], what="the same"))
    assert (found.word == "supported") == faulty


def test_a_cpu_counts_its_own_seconds_and_a_gpu_those_of_the_wall() -> None:
    assert (clock_for("cpu"), clock_for("gpu")) == (time.process_time, time.perf_counter)
    assert made().clock == "process_time"


# One rule over many cells.


def test_every_cell_has_to_hold_and_the_lowest_is_named() -> None:
    cells = {"large": pair(9.0, 1.0), "middle": pair(4.0, 1.0), "small": pair(2.0, 1.0)}
    found = verdict_of(Everywhere(each=Cost(ratio=1.5)), cells)
    assert (found.word, found.n) == ("supported", 31)
    assert found.number is not None
    assert found.number.value == pytest.approx(2.0, rel=0.02)
    assert "3 of 3 cells lie above 1.5" in found.reason
    (table,) = found.tables
    assert [row[0] for row in table.rows] == ["large", "middle", "small"]


@pytest.mark.parametrize(
    ("fault", "word"),
    [(swapped(pair(2.0, 1.0)), "refuted"), (pair(1.0, 1.0), "refuted"), (pair(1.4, 1.0), "inconclusive")],
)
def test_one_cell_that_fails_turns_the_verdict_and_is_named(fault: Timings, word: str) -> None:
    found = verdict_of(Everywhere(each=Cost(ratio=1.5)), {"large": pair(9.0, 1.0), "small": fault})
    assert found.word == word
    assert "small" in found.reason
    assert "1 of 2 cells" in found.reason


def test_too_few_rounds_say_nothing() -> None:
    few = Timings(dear=around(9.0, rounds=29), cheap=around(1.0, rounds=29), what="a against b")
    assert verdict_of(Everywhere(each=Cost()), {"large": pair(9.0, 1.0), "few": few}).word == "inconclusive"


def test_the_table_says_how_much_of_the_counted_ratio_the_clock_shows() -> None:
    cell = pair(3.0, 1.0, counted=9.0, names=("3x3", "1x1"), beside={"depthwise": around(2.0)})
    (table,) = verdict_of(Everywhere(each=Cost()), {"cell": cell}).tables
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["counted ratio"] == 9.0
    assert row["measured / counted"] == pytest.approx(1 / 3, rel=0.02)
    assert row["depthwise, ms"] == pytest.approx(2000, rel=0.02)


# Powers of two.


def widths(speed: Callable[[int], float], noise: float = 0.01, top: int = 272) -> dict[str, Timings]:
    """Timings of layers whose time per multiply-accumulate is planted; narrow ones are dearer, as they really are."""
    draw = np.random.default_rng(0)
    found = {}
    for width in range(16, top + 1):
        macs = width**2
        middle = 1e-9 * macs * speed(width) * (1 + 40 / width) * float(np.exp(noise * draw.standard_normal()))
        found[str(width)] = Timings(dear=(middle,) * 31, cheap=(1e-4,) * 31, what="layer", counted=macs / top**2)
    return found


def powers(width: int) -> float:
    return 0.8 if width & (width - 1) == 0 else 1.0


def eights(width: int) -> float:
    return 0.7 if width % 8 == 0 else 1.0


def sixty_fours(width: int) -> float:
    return 0.7 if width % 64 == 0 else 1.0


@pytest.mark.parametrize(
    ("speed", "word"),
    [(powers, "supported"), (eights, "refuted"), (sixty_fours, "refuted"), (lambda _: 1.0, "refuted")],
)
def test_powers_of_two_are_told_from_their_divisors(speed: Callable[[int], float], word: str) -> None:
    found = verdict_of(ch_pow2_gpu.PowersOfTwo(), widths(speed))
    assert found.word == word
    assert (found.nearest_true is not None) == (word == "refuted")


def test_a_planted_gain_is_found_at_its_size_and_noise_leaves_it_open() -> None:
    found = verdict_of(ch_pow2_gpu.PowersOfTwo(), widths(powers))
    assert found.number is not None
    assert found.number.value == pytest.approx(-20, abs=2)
    assert verdict_of(ch_pow2_gpu.PowersOfTwo(), widths(powers, noise=0.5)).word == "inconclusive"


def test_without_the_trend_narrow_layers_would_pass_for_powers_of_two() -> None:
    """Powers of two crowd among narrow widths: what is true of narrow layers must not be counted for them."""
    found = verdict_of(ch_pow2_gpu.PowersOfTwo(), widths(lambda _: 1.0, noise=0.0))
    assert found.number is not None
    narrow = {name: cell for name, cell in widths(lambda _: 1.0).items() if name in ("16", "32", "64", "128", "256")}
    naive = float(np.median([cell.dear[0] / int(name) ** 2 for name, cell in narrow.items()]))
    rest = float(np.median([cell.dear[0] / int(name) ** 2 for name, cell in widths(lambda _: 1.0).items()]))
    assert naive / rest > 1.2
    assert abs(found.number.value) < 2


def test_widths_too_few_for_the_regression_are_refused() -> None:
    few = {name: cell for name, cell in widths(powers).items() if name in ("16", "32", "64", "128")}
    with pytest.raises(InvalidError, match="widths"):
        verdict_of(ch_pow2_gpu.PowersOfTwo(), few)


# Timings on disk.


def made(name: str = "pw-cheaper", device: str = "CPU one, 1 thread", dear: float = 9.0) -> timings.Measurement:
    cell = pair(dear, 1.0, counted=9.0, beside={"other": around(3.0)})
    return timings.measurement(
        name, "cpu", device, "0.0", "2020-01-01T00:00:00+00:00", {"time": {"b": cell, "a": cell}}
    )


@pytest.fixture(autouse=True)
def an_empty_published_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CNNLAB_PUBLISHED", str(tmp_path / "published"))


def test_timings_come_back_as_they_were_written_in_their_order(tmp_path: Path) -> None:
    path = timings.write(made(), tmp_path)
    assert timings.read(path, "pw-cheaper") == made()
    found = timings.kept("pw-cheaper", tmp_path, "time")
    assert list(found) == ["b", "a"]
    assert found["a"].device == "CPU one, 1 thread"
    assert timings.kept("pw-cheaper", tmp_path, "another part") == {}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_timed_again_the_file_of_a_device_is_replaced(tmp_path: Path) -> None:
    timings.write(made(), tmp_path)
    timings.write(made(dear=2.0), tmp_path)
    assert timings.kept("pw-cheaper", tmp_path, "time")["a"].dear == around(2.0, 1)


def spoil(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def resigned(path: Path, key: str, value: Any) -> None:
    """A file whole in itself, that another code or claim has written."""
    content = json.loads(path.read_text())
    content.pop(timings.DIGEST)
    content[key] = value
    path.write_text(json.dumps({**content, timings.DIGEST: timings.digest(content)}))


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-40]), "not JSON"),
    "another thing": (lambda path: path.write_text("[1]"), "no file of timings"),
    "a second edited": (lambda path: spoil(path, lambda c: c["parts"]["time"]["a"]["dear"].insert(0, 1.0)), "edited"),
    "device renamed": (lambda path: spoil(path, lambda content: content.update(device="GPU two")), "edited"),
    "another protocol": (lambda path: resigned(path, "protocol", 0), "protocol 0"),
    "another claim": (lambda path: resigned(path, "claim", "relu-cheap"), "relu-cheap"),
    "a key missing": (lambda path: resigned(path, "parts", {"time": {"a": {"dear": [1.0]}}}), "does not fit"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    path = timings.write(made(), tmp_path)
    DAMAGE[damage][0](path)
    with pytest.raises(TimingsError, match=DAMAGE[damage][1]) as caught:
        timings.kept("pw-cheaper", tmp_path, "time")
    assert isinstance(caught.value, RecordError)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def here() -> str:
    return timings.device_name("cpu")


def test_devices_are_never_pooled_and_this_one_comes_first(tmp_path: Path) -> None:
    timings.write(made(device="CPU a stranger, 1 thread", dear=2.0), tmp_path)
    assert timings.kept("pw-cheaper", tmp_path, "time")["a"].device == "CPU a stranger, 1 thread"
    timings.write(made(device=here(), dear=9.0), tmp_path)
    cell = timings.kept("pw-cheaper", tmp_path, "time")["a"]
    assert (cell.device, len(cell.dear)) == (here(), 31)
    assert f"on {here()}" in verdict_of(Everywhere(each=Cost()), {"a": cell}).reason


def test_the_working_folder_comes_before_what_is_published_but_not_before_this_device(tmp_path: Path) -> None:
    work = tmp_path / "work"
    timings.write(made(device=here(), dear=3.0), published())
    assert timings.kept("pw-cheaper", work, "time")["a"].dear == around(3.0, 1)
    timings.write(made(device="GPU a stranger", dear=2.0), work)
    assert timings.kept("pw-cheaper", work, "time")["a"].device == here()
    timings.write(made(device=here(), dear=9.0), work)
    assert timings.kept("pw-cheaper", work, "time")["a"].dear == around(9.0, 1)


# The door.


def fake(reverse: bool = False) -> cost.Stopwatch:
    """A stopwatch that times nothing: every claim as its sentence has it, or the other way round."""

    def stopwatch(name: str, on: str) -> tuple[str, str, cost.Parts]:
        cell = swapped(pair(9.0, 1.0)) if reverse else pair(9.0, 1.0)
        return "CPU of a test, 1 thread", "0.0", {part: {"cell": cell} for part in cost.timed(cost.claims()[name])}

    return stopwatch


def door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: str, reverse: bool = False) -> int:
    monkeypatch.setattr(cost, "accelerator", lambda: "cpu")
    monkeypatch.setattr(sys, "argv", ["cost", *words, f"results={tmp_path}"])
    return cost.main(fake(reverse))


def test_the_door_keeps_what_it_timed_and_judges_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door(monkeypatch, tmp_path, "pw-cheaper", "relu-cheap") == 0
    printed = capsys.readouterr().out
    assert "pw-cheaper supported" in printed
    assert "relu-cheap supported" in printed
    assert "CPU of a test, 1 thread" in printed
    kept = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json"))
    assert kept == [f"costs/{name}/cpu-of-a-test-1-thread.json" for name in ("pw-cheaper", "relu-cheap")]


def test_sides_exchanged_refute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door(monkeypatch, tmp_path, "pw-cheaper", "relu-cheap", reverse=True)
    found = judge_claims(["pw-cheaper", "relu-cheap"], {}, tmp_path)
    assert {verdict.word for verdict in found.values()} == {"refuted"}
    assert all("reversed" in verdict.reason for verdict in found.values())


def test_what_needs_a_gpu_is_skipped_and_asked_for_by_name_it_is_not_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert door(monkeypatch, tmp_path, "ch-pow2-gpu") == ExitCode.FAILED
    assert "ch-pow2-gpu: skipped, needs a GPU" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(cost, "timed_claims", lambda: ("relu-cheap", "ch-pow2-gpu"))
    assert door(monkeypatch, tmp_path) == 0
    assert [path.name for path in (tmp_path / "costs").iterdir()] == ["relu-cheap"]


def test_nothing_timed_is_untested_with_the_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(timings, "accelerator", lambda: "cpu")
    found = judge_claims(["ch-pow2-gpu", "relu-cheap"], {}, tmp_path)
    assert [verdict.word for verdict in found.values()] == ["untested", "untested"]
    assert "needs a GPU" in found["ch-pow2-gpu"].reason
    assert "python -m experiments.cost relu-cheap" in found["relu-cheap"].reason


def test_a_wrong_word_is_one_line_with_the_choices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for word, hint in (
        ("relu-chep", "did you mean relu-cheap"),
        ("rf-plus-two", "choose of"),
        ("--device=gpu", "no GPU"),
    ):
        assert door(monkeypatch, tmp_path, word) == ExitCode.USAGE
        line = capsys.readouterr().err
        assert hint in line
        assert len(line.strip().splitlines()) == 1


def test_a_claim_without_a_stopwatch_cannot_be_chosen() -> None:
    with pytest.raises(UsageError, match="nothing to time"):
        cost.choose(["mp-early-smallest"])


def test_help_teaches() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cost", "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=dict(os.environ),
        check=True,
    )
    assert all(word in done.stdout for word in ("relu-cheap", "results/costs", "ONE thread", "Exit code"))


# What the claims compute and time.


def macs_by_hand(side: int, channels: int, filters: int, kernel: int) -> int:
    """Multiply-accumulates counted by building every product of a convolution that keeps the size."""
    return sum(1 for _ in np.ndindex(side, side, channels, filters, kernel, kernel))


@pytest.mark.parametrize(("side", "channels", "filters"), [(4, 2, 3), (7, 1, 1), (5, 3, 2)])
def test_nine_times_as_many_products_are_nine_times_as_many(side: int, channels: int, filters: int) -> None:
    for kernel in (1, 3):
        assert pw_cheaper.counts(side, channels, filters, kernel)[0] == macs_by_hand(side, channels, filters, kernel)
    assert pw_cheaper.compute().counterexamples == ()


def test_a_kernel_of_two_pixels_pretending_to_be_three_turns_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = pw_cheaper.counts
    monkeypatch.setattr(pw_cheaper, "counts", lambda s, c, f, kernel: honest(s, c, f, 2 if kernel == 3 else kernel))
    assert len(pw_cheaper.compute().counterexamples) > 0


def shapes(call: Callable[[], Any]) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(call())]


@pytest.mark.slow
def test_what_is_timed_is_what_it_says() -> None:
    both = shapes(pw_cheaper.layer("3x3", 16, 8, "forward + backward"))
    assert both == [(4, 8, 8, 16), (4, 8, 8, 16), (3, 3, 16, 16)]
    assert shapes(pw_cheaper.layer("1x1", 16, 8, "forward")) == [(4, 8, 8, 16)]
    assert shapes(pw_cheaper.layer("depthwise 3x3", 16, 8, "forward + backward"))[2] == (3, 3, 1, 16)
    assert shapes(ch_pow2_gpu.layer(24, "bfloat16", 4, 2)) == [(2, 4, 4, 24), (2, 4, 4, 24), (3, 3, 24, 24)]
    values, slopes = relu_cheap.operation("relu", 64, "forward + backward")()
    assert bool((np.asarray(values) >= 0).all())
    assert set(np.unique(np.asarray(slopes) == 0)) == {False, True}


@pytest.mark.slow
@pytest.mark.parametrize(
    "build", [lambda: relu_cheap.step("tanh"), lambda: st_saves_memory.stepping(st_saves_memory.PLAIN)]
)
def test_every_timed_step_computes_the_same(build: Callable[[], Callable[[], Any]]) -> None:
    call = build()
    first, second = float(call()), float(call())
    assert first == second
    assert np.isfinite(first)


def test_a_width_is_timed_against_the_widest_of_its_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ch_pow2_gpu, "layer", lambda *arguments: None)
    monkeypatch.setattr(ch_pow2_gpu, "interleaved", lambda calls: {name: (float(name),) * 31 for name in calls})
    found = ch_pow2_gpu.measure("float32", widths=(8, 16, 32), side=2, batch=1)
    assert found["8"].counted == 1 / 16
    assert (found["8"].dear[0], found["8"].cheap[0]) == (8.0, 32.0)


def test_relu_is_the_cheap_side_and_all_rivals_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"relu": 1.0, "leaky_relu": 1.5, "tanh": 2.0, "sigmoid": 3.0, "gelu": 4.0}
    monkeypatch.setattr(relu_cheap, "step", lambda kind: kind)
    monkeypatch.setattr(relu_cheap, "interleaved", lambda calls: {name: around(seconds[name]) for name in calls})
    found = relu_cheap.in_a_step()
    assert {name: (cell.dear, cell.cheap) for name, cell in found.items()} == {
        rival: (around(seconds[rival]), around(1.0)) for rival in ("tanh", "sigmoid", "gelu")
    }
    assert verdict_of(Everywhere(each=Cost()), found).word == "supported"


def small_bytes() -> list[tuple[str, int, int]]:
    return list(st_saves_memory.cases())


@pytest.mark.slow
def test_strides_save_bytes_and_xla_says_what_the_shapes_say() -> None:
    found = st_saves_memory.compute()
    assert verdict_of(Exact(), found).word == "supported"
    for place in st_saves_memory.PLACES:
        # by hand: two maps (convolution, ReLU) of 16 channels a layer, a quarter of the pixels from `place` on
        pixels = sum(12 * 12 if layer < place else 6 * 6 for layer in range(1, 7))
        by_hand = 4 * 32 * (2 * 16 * pixels + 16 + 10)
        assert st_saves_memory.activation_bytes(st_saves_memory.strided(place), 12) == by_hand
    # a stride that saves activations saves as many bytes of XLA's buffers, to a fifth
    assigned = st_saves_memory.compiled_bytes()
    for place in st_saves_memory.PLACES:
        saved = assigned["stride 1"] - assigned[f"stride 2 at {place}"]
        live = [
            st_saves_memory.activation_bytes(net, 12) for net in (st_saves_memory.PLAIN, st_saves_memory.strided(place))
        ]
        assert saved == pytest.approx(live[0] - live[1], rel=0.2)


def test_a_stride_that_is_none_saves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    none = dataclasses.replace(st_saves_memory.PLAIN, pools=(1,), down="none")
    monkeypatch.setattr(st_saves_memory, "strided", lambda place: none)
    assigned = st_saves_memory.compiled_bytes(("stride 1",))
    monkeypatch.setattr(
        st_saves_memory, "compiled_bytes", lambda: dict.fromkeys(st_saves_memory.nets(), assigned["stride 1"])
    )
    found = st_saves_memory.compute()
    assert len(found.counterexamples) == found.cases


# Figures.


def test_a_figure_without_timings_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    for module in (pw_cheaper, relu_cheap, ch_pow2_gpu):
        with pytest.raises(NotTimedError, match="to draw"):
            module.figure()


def saved(claim: Claim, name: str, evidence: Callable[[str], Mapping[str, Timings]], results: Path) -> None:
    parts = {part: evidence(part) for part, source in claim.sources.items() if isinstance(source, Timed)}
    timings.write(timings.measurement(name, "cpu", here(), "0.0", "2020-01-01", parts), results)


def test_figures_show_what_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    for module in (pw_cheaper, relu_cheap, ch_pow2_gpu):
        monkeypatch.setattr(module, "interleaved", lambda calls: {name: around(1 + len(name)) for name in calls})
    for module, name in ((pw_cheaper, "layer"), (relu_cheap, "operation"), (relu_cheap, "step")):
        monkeypatch.setattr(module, name, lambda *arguments: None)
    operations = {relu_cheap.ALONE: relu_cheap.alone, relu_cheap.STEP: relu_cheap.in_a_step}
    saved(pw_cheaper.CLAIM, "pw-cheaper", lambda _: pw_cheaper.measure(), tmp_path)
    saved(relu_cheap.CLAIM, "relu-cheap", lambda part: operations[part](), tmp_path)
    saved(ch_pow2_gpu.CLAIM, "ch-pow2-gpu", lambda _: widths(powers, top=80), tmp_path)
    for module in (pw_cheaper, relu_cheap, ch_pow2_gpu):
        drawn = module.figure()
        assert drawn.axes[0].get_ylabel()
