"""The benchmark: contenders that train the same thing, gates that close, processes that fail alone, right sums."""

import ast
import dataclasses
import io
import json
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from rich.console import Console

from cnnlab.data import epoch_orders
from cnnlab.spec.network import Conv
from cnnlab.training.workers import ONE_THREAD
from experiments.bench import cells, child, compiling, contract, door, gates, given, keeping, measuring, report, sweeps
from experiments.bench.cells import ArmResults
from experiments.bench.child import Turn
from experiments.bench.contenders import engine, engine_xla, naive_scan, nnx_loop
from experiments.bench.contract import Machine, Setup, cache, contender, names
from experiments.bench.measuring import Failure, Gated, Plan, Rival, Sample
from experiments.bench.team import ContenderError, Team, rate, team
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, WORKLOADS, Workload, variants

pytestmark = pytest.mark.usefixtures("natively")
ROOT = Path(__file__).parents[3]
CPU = Machine(kind="cpu", cores=2)
STEPS = 20
FEW_LAYERS = dataclasses.replace(WORKLOADS["W1"].net, depth=2, widths=(4, 8), pools=(1,))
TINY = dataclasses.replace(WORKLOADS["W1"], net=FEW_LAYERS, batch=16, turn_steps=4)

Losses = np.ndarray[Any, Any]


# The contenders train the same thing.


def plain_losses(workload: Workload, member: int, steps: int) -> Losses:
    """The reference: the net and its optimiser written out, with nothing of the suite or of Flax."""
    start = given.given(workload, member)
    images, labels = jnp.asarray(start.train.images), jnp.asarray(start.train.labels)

    def loss_of(weights: Any, places: Any) -> Any:
        x = images[places]
        for node in [node for node in workload.network.nodes if isinstance(node, Conv)]:
            own = weights[node.name]
            x = lax.conv_general_dilated(x, own["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + own["bias"])
            if int(node.name.removeprefix("conv")) in workload.net.pools:
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        logits = x.mean((1, 2)) @ weights["logits"]["kernel"] + weights["logits"]["bias"]
        picked = jax.nn.log_softmax(logits)[jnp.arange(len(places)), labels[places]]
        return -picked.mean()

    @jax.jit
    def step(weights: Any, velocity: Any, places: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(weights, places)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, grads)
        return jax.tree.map(lambda w, v: w - LEARNING_RATE * v, weights, velocity), velocity, loss

    weights = jax.tree.map(jnp.asarray, start.weights)
    velocity, losses = jax.tree.map(jnp.zeros_like, weights), []
    for places in given.batches(workload, member, steps):
        weights, velocity, loss = step(weights, velocity, places)
        losses.append(float(loss))
    return np.array(losses)


@pytest.fixture(scope="module")
def reference() -> Losses:
    """Losses of the first steps of two members."""
    return np.stack([plain_losses(TINY, member, STEPS) for member in (0, 1)])


def agrees(losses: Losses, reference: Losses) -> bool:
    """Whether losses are the reference's to 1e-5 over the steps that were taken."""
    return bool(np.allclose(losses, reference[: len(losses), : losses.shape[1]], rtol=1e-5, atol=0))


def run(trainer: Any, members: Sequence[int], steps: int = STEPS) -> Losses:
    return np.asarray(trainer.run(np.stack([given.batches(TINY, member, steps) for member in members])))


def test_the_engine_agrees_with_the_plain_reference_one_after_the_other_and_side_by_side(reference: Losses) -> None:
    assert agrees(run(engine.trainer(TINY, (0,), CPU), (0,)), reference)
    together = engine.Engine(TINY, (0, 1), strategy="side_by_side", watched=True)
    found = run(together, (0, 1))
    assert agrees(found, reference)
    assert together.logits(given.dataset(TINY).test.images).shape == (2, 599, 10)


@pytest.mark.parametrize("name", ["nnx_loop", "naive_scan", "torch_eager", "torch_func"])
def test_every_contender_agrees_with_the_plain_reference(name: str, reference: Losses) -> None:
    if name.startswith("torch"):
        pytest.importorskip("torch", reason="PyTorch is the extra `bench`")
    members = (0, 1) if name == "torch_func" else (0,)
    trainer = contender(name).trainer(TINY, members, CPU)
    steps = STEPS - STEPS % naive_scan.STEPS if name == "naive_scan" else STEPS
    assert agrees(run(trainer, members, steps), reference)
    assert trainer.logits(given.dataset(TINY).test.images).shape == (len(members), 599, 10)


def other_momentum(trainer: Any) -> None:
    """The fault: a hundredth more momentum."""
    import optax
    from flax import nnx

    trainer.optimizer = nnx.Optimizer(trainer.model, optax.sgd(LEARNING_RATE, MOMENTUM + 0.01), wrt=nnx.Param)


def another_beginning(trainer: Any) -> None:
    """The fault: other initial weights."""
    trainer.model.begin(given.weights(TINY, 7))


def batches_in_another_order(trainer: Any) -> None:
    """The fault: the second batch comes first."""
    honest = trainer.run
    trainer.run = lambda batches: honest(batches[:, [1, 0, *range(2, batches.shape[1])]])


@pytest.mark.parametrize("fault", [other_momentum, another_beginning, batches_in_another_order])
def test_a_contender_that_trains_something_else_is_found(fault: Callable[[Any], None], reference: Losses) -> None:
    faulty = nnx_loop.trainer(TINY, (0,), CPU)
    fault(faulty)
    assert not agrees(run(faulty, (0,)), reference)


def test_weights_that_do_not_fit_are_refused() -> None:
    built = engine.engine.compiled(TINY.arm, "sequential")
    with pytest.raises(ValueError, match="do not fit"):
        engine.placed(built.init(0), given.weights(WORKLOADS["W1"], 0))


# What they are given.


def test_batches_are_whole_and_see_every_image_once_an_epoch() -> None:
    steps = 2 * (TINY.images // TINY.batch)
    found = given.batches(TINY, 3, steps)
    assert found.shape == (steps, TINY.batch)
    first = found[: steps // 2].ravel()
    assert len(set(first.tolist())) == len(first)
    assert np.array_equal(first, epoch_orders(TINY.images, 1, 3)[0, : len(first)])
    assert not np.array_equal(found, given.batches(TINY, 4, steps))


def test_patterns_are_the_same_whatever_the_net_and_of_unit_variance() -> None:
    one, other = (given.dataset(WORKLOADS[name]) for name in ("W3", "W3b"))
    assert np.array_equal(one.pool.images[:8], other.pool.images[:8])
    assert abs(float(one.pool.images[:256].var()) - 1) < 0.05
    assert given.weights(WORKLOADS["W2"], 0)["logits"]["kernel"].shape == (7 * 7 * 64, 10)


def test_operations_of_the_workloads_by_hand() -> None:
    w2 = 3 * 2 * (28 * 28 * 9 * 32 + 14 * 14 * 9 * 32 * 64 + 7 * 7 * 64 * 10) - 2 * 28 * 28 * 9 * 32
    assert WORKLOADS["W2"].train_flop == w2
    millions = {name: round(one.train_flop / 1e6, 1) for name, one in WORKLOADS.items()}
    assert millions == {"W1": 1.4, "W2": 22.8, "W3": 173.4, "W3b": 242.4}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_sweep_has_twelve_different_nets(name: str) -> None:
    found = variants(WORKLOADS[name])
    assert len({one.net for one in found}) == len(found) == 12
    assert [one.train_flop for one in found] == sorted((one.train_flop for one in found), reverse=True)


# Gates.


def processes(environment: dict[str, str], folder: Path) -> tuple[dict[str, bool], tuple[int, int]]:
    """Gates and cache hits and misses of an engine in a fresh process, after a few steps."""
    setup = Setup(name="1x1", processes=1, environment=environment)
    with team("engine", setup, TINY, CPU, cache(folder)) as workers:
        workers.ask("prepare")
        workers.ask("turn", 3)
        counted = workers.ask("cache")[0]
        return workers.ask("gates")[0], counted


def test_the_engines_step_passes_every_gate_and_a_second_process_finds_it_compiled(tmp_path: Path) -> None:
    passed, (hits, misses) = processes(ONE_THREAD, tmp_path)
    assert all(passed.values()), passed
    assert set(passed) == {*gates.CPU, "no_spare_convolution", "one_program"}
    assert (hits, misses > 0) == (0, True)
    # the twin: the flag that turns YNNPACK off is gone, so that its gate closes and no kept program fits
    reckless = {**ONE_THREAD, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    faulty, (other_hits, _) = processes(reckless, tmp_path)
    assert not faulty["no_ynnpack"]
    assert other_hits == 0
    again, (hits, misses) = processes(ONE_THREAD, tmp_path)
    assert again == passed
    assert (hits > 0, misses) == (True, 0)


def with_image_gradient(trainer: engine.Engine, strategy: str) -> str:
    """The fault: a step that also finds out how the logits depend on the image."""
    built = engine.engine.compiled(TINY.arm, strategy)

    def step(*arguments: Any) -> Any:
        state, images = arguments[:2]
        return built.step(*arguments), jax.grad(lambda shown: built.logits(state, shown).sum())(images[:4])

    places = np.zeros(TINY.batch, np.int32)
    lowered = jax.jit(step).lower(trainer.state, trainer.images, trainer.labels, places, trainer.rates[0])
    return lowered.compile(compiler_options={"xla_backend_optimization_level": 0}).as_text() or ""


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Compiled steps: the engine's, and those with a fault."""
    scan = naive_scan.trainer(TINY, (0,), CPU)

    def summed(kernels: Any, x: Any) -> Any:
        def one(kernel: Any, x: Any) -> Any:
            return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")).sum()

        return jax.vmap(one)(kernels, x).sum()

    arguments = jnp.ones((2, 3, 3, 2, 4)), jnp.ones((2, 4, 8, 8, 2))
    batched = jax.jit(jax.grad(summed)).lower(*arguments)
    honest = engine.trainer(TINY, (0,), CPU)
    together = engine.Engine(TINY, (0, 1), strategy="side_by_side", watched=False)
    return {
        "engine": honest.hlo(),
        "scan": scan.hlo(),
        "vmap": together.hlo(),
        "engine_xla": engine_xla.trainer(TINY, (0,), CPU).hlo(),
        "image": with_image_gradient(honest, "native"),
        "image by xla": with_image_gradient(honest, "sequential"),
        # before XLA rewrites what it has no kernel for
        "sum of vmap": batched.compiler_ir("hlo").as_hlo_text(),
    }


@pytest.mark.parametrize(
    ("gate", "fault"),
    [
        ("no_scatter", "scan"),
        ("no_convolution_in_loop", "scan"),
        ("no_batch_group", "sum of vmap"),
        ("no_feature_group", "vmap"),
    ],
)
def test_a_gate_lets_the_engine_through_and_closes_on_its_fault(gate: str, fault: str, texts: dict[str, str]) -> None:
    assert not gates.CPU[gate](texts["engine"])
    assert not gates.CPU[gate](texts["engine_xla"])
    assert gates.CPU[gate](texts[fault])


def test_no_gradient_at_the_image_is_computed_and_one_that_is_is_found(texts: dict[str, str]) -> None:
    for fine, faulty in (("engine", "image"), ("engine_xla", "image by xla")):
        assert not gates.spare_convolutions(texts[fine], TINY.net.depth, TINY.channels)
        assert gates.spare_convolutions(texts[faulty], TINY.net.depth, TINY.channels)
    assert " convolution(" not in texts["engine"]


def test_a_step_is_compiled_once_and_once_more_for_another_batch_size() -> None:
    trainer = engine.trainer(TINY, (0,), CPU)
    run(trainer, (0,), 3)
    once = child.steps_compiled(trainer)
    run(engine.trainer(TINY, (1,), CPU), (1,), 3)
    assert child.steps_compiled(trainer) == once
    trainer.run(given.batches(dataclasses.replace(TINY, batch=8), 0, 1)[None])
    assert child.steps_compiled(trainer) == once + 1


WEIGHT_GRADIENT = '  %a.1 = (f32[3,3,4,8], u8[0]) custom-call(%x, %g), custom_call_target="__cudnn$convBackwardFilter"'
HUGE = '  %b.2 = (f32[3,3], u8[0]) custom-call(%x), window={size=28x28}, custom_call_target="__cudnn$convForward"'


def module(*lines: str) -> str:
    return "\n".join(["HloModule jit_step", "ENTRY %main.1 (x: f32[]) -> f32[] {", *lines, "}"])


def test_gates_of_a_gpu_read_its_text() -> None:
    fine, faulty = module(WEIGHT_GRADIENT), module(HUGE)
    passed = gates.inspect(fine, 1, "gpu", convolutions=1, channels=3, budget=1)
    assert all(passed.values())
    assert set(passed) == {*gates.GPU, "weight_gradients_by_library", "few_kernels", "one_program"}
    closed = gates.inspect(faulty, 2, "gpu", convolutions=1, channels=3, budget=0)
    assert [name for name, fine in closed.items() if fine] == ["no_scatter"]


LOOPED = """HloModule jit_many
%step.1 (carried: f32[]) -> f32[] {
  %view.1 = f32[] bitcast(%carried)
  %forward.1 = f32[9,4]{1,0} fusion(%view.1), kind=kCustom, calls=%products, backend_config={"kind":"__triton"}
  %weights.1 = f32[9,4]{1,0} fusion(%view.1), kind=kCustom, calls=%products, backend_config={"kind":"__triton"}
  %image.1 = f32[9,4]{1,0} fusion(%view.1), kind=kCustom, calls=%products, backend_config={"kind":"__triton"}
  ROOT %update.1 = f32[] fusion(%image.1), kind=kLoop, calls=%sums
}
ENTRY %main.1 (x: f32[]) -> f32[] {
  %copy.1 = f32[] copy(%x)
  %copy.2 = f32[] copy(%x)
  %copy.3 = f32[] copy(%x)
  %copy.4 = f32[] copy(%x)
  ROOT %while.1 = f32[] while(%copy.3), condition=%go_on, body=%step.1
}"""


def test_the_kernels_of_a_step_are_those_of_the_loop_over_steps_where_there_is_one() -> None:
    assert gates.kernels(LOOPED) == 4
    assert gates.kernels(LOOPED.replace("body=%step.1", "body=%gone")) == 5
    assert gates.kernels(module(WEIGHT_GRADIENT)) == 1
    # of a convolution that is a product there are three, which XLA may leave to Triton; the twin has lost one of them
    assert not gates.weight_gradients_elsewhere(LOOPED, 1)
    assert gates.weight_gradients_elsewhere(LOOPED.replace("__triton", "other", 1), 1)


def as_traced(step: Callable[..., Any]) -> str:
    """A step of two members side by side before XLA rewrites it."""
    built = engine.engine.program(TINY.arm)
    arguments = (
        engine.engine.stack([built.init(0), built.init(1)]),
        jnp.zeros((2, 32, 8, 8, 1)),
        jnp.zeros((2, 32), int),
        np.zeros((2, 16), np.int32),
        np.zeros(2, np.float32),
    )
    return jax.jit(step).lower(*arguments).compiler_ir("hlo").as_hlo_text()


def test_side_by_side_a_weight_gradient_is_one_that_cudnn_has_a_kernel_for() -> None:
    """Batch groups are what XLA:GPU takes for a backward filter; the first layer is grey, a product.

    The twin is the lone member's step along the member axis, each gradient by itself.
    """
    program = engine.engine.program
    assert len(gates.batch_groups(as_traced(program(TINY.arm, jax.vmap).step))) == TINY.net.depth - 1
    assert not gates.batch_groups(as_traced(jax.vmap(program(TINY.arm).step)))


def test_a_turn_on_a_gpu_lasts_and_the_engine_trains_a_block_of_members_side_by_side_there() -> None:
    gpu = Machine(kind="gpu", cores=2)
    plan = Plan(machine=gpu, rounds=1, turns=1, warm_up=2, compiled=Path("unused"))
    asked: list[tuple[Any, ...]] = []

    class Asked(Scripted):
        def ask(self, command: str, *arguments: Any) -> list[Any]:
            asked.append((command, *arguments))
            return super().ask(command, *arguments)

    (present,) = measuring.rivals(["engine"], gpu)
    held = measuring._Round(TINY, plan, 0, {"engine": present}, {"engine": Asked(1, [2.0])})
    assert not [one for one in held.turn("engine", 0) if isinstance(one, Failure)]
    assert asked == [("turn", measuring.GPU_TURN_STEPS)]
    assert present.setup.together == engine.engine.SIDE_BY_SIDE
    trainer = engine.trainer(TINY, (0, 1), gpu)
    assert (trainer.lone, trainer.arm.recipe.precision) == (False, "default")
    assert contender("engine_float32").trainer(TINY, (0, 1), gpu).arm.recipe.precision == "highest"
    assert contender("engine_float32").missing(CPU)


# Processes, and what they answer.


def test_a_failing_process_says_why_and_a_dead_one_is_noticed() -> None:
    setup = Setup(name="1x1", processes=1, environment={})
    with team("nothing_of_that_name", setup, TINY, CPU, {}) as workers, pytest.raises(ContenderError, match="ended"):
        workers.ask("prepare")
    with Team(child.gauge, [(CPU,)], ONE_THREAD) as workers:
        with pytest.raises(ContenderError) as problem:
            workers.ask("gauge", "speed_of_light")
        assert problem.value.reason.startswith("AttributeError")
        workers.processes[0].kill()
        with pytest.raises(ContenderError, match="ended"):
            workers.ask("prepare")


def turn(begin: float, end: float, work: float, losses: Sequence[float] = (1.0,)) -> Turn:
    return Turn(begin=begin, end=end, work=work, losses=np.array([losses], np.float32))


def test_the_rate_of_processes_counts_from_the_first_begin_to_the_last_end() -> None:
    assert rate([turn(0, 2, 10)]) == 5
    assert rate([turn(0, 2, 10), turn(1, 4, 30)]) == 10
    # the twin: rates added up would call processes that took turns twice as fast
    assert rate([turn(0, 1, 10), turn(1, 2, 10)]) != 20


def test_a_loss_that_is_not_finite_fails_the_turn() -> None:
    seat = child.Seat("engine", TINY, (0,), CPU)
    for value, fails in ((1.0, False), (float("nan"), True)):
        seat.trainer = types.SimpleNamespace(run=lambda batches, value=value: np.full((1, 2), value))  # type: ignore[assignment]
        if fails:
            with pytest.raises(FloatingPointError):
                seat.turn(2)
        else:
            assert seat.turn(2).work == 2 * TINY.batch


def test_time_of_compiling_counts_once_where_tracing_nests() -> None:
    counter = compiling.Compiling()
    for begin, end in ((0.0, 4.0), (1.0, 2.0), (3.0, 5.0), (7.0, 8.0)):
        counter.span(compiling.STAGES[0], begin, end)
    counter.span("/jax/another/event", 0, 100)
    counter.span(compiling.COMPILED, 7.5, 8.5, fun_name="jit(step)")
    assert counter.seconds == pytest.approx(6.5)
    assert counter.programs == ["jit(step)"]


# A round.


class Scripted:
    """Stands for the processes of a contender."""

    def __init__(self, speed: float, losses: Sequence[float], fails: str = "") -> None:
        self.speed, self.losses, self.fails, self.asked = speed, losses, fails, list[str]()

    def ask(self, command: str, *arguments: Any) -> list[Any]:
        self.asked.append(command)
        if command == self.fails:
            raise ContenderError("Traceback\nMemoryError: too large")
        match command:
            case "turn" | "gauge":
                return [turn(0, 1, self.speed / 2, self.losses), turn(0, 1, self.speed / 2, [9.0])]
            case "prepare":
                return [("flop_per_second/jax",)]
            case "memory":
                return [{"peak_memory_bytes": 5}, {"peak_memory_bytes": 7}]
            case "gates":
                return [{"no_scatter": True}]
        return [1.5, 2.5]


def a_round(teams: dict[str, Any], turns: int = 2) -> list[Any]:
    plan = Plan(machine=CPU, rounds=1, turns=turns, warm_up=2, compiled=Path("unused"))
    present = {
        label: Rival(name=label, label=label, setup=Setup(name="1x1", processes=2, turns=label == "naive_scan"))
        for label in teams
    }
    held = measuring._Round(TINY, plan, 0, present, dict(teams))
    found = list(held.prepare())
    for number in range(turns):
        for label in list(held.teams):
            found += held.turn(label, number)
    return found + list(held.close())


def values(found: Sequence[Any]) -> dict[tuple[str, str], float]:
    return {(one.contender, one.metric): one.value for one in found if isinstance(one, Sample)}


def test_a_round_gives_speed_memory_compiling_and_the_difference_of_losses() -> None:
    teams = {
        "engine": Scripted(100, [2.0, 1.0]),
        "nnx_loop": Scripted(50, [2.0, 1.01]),
        "limit": Scripted(1e9, []),
        "naive_scan": Scripted(10, [2.0, 1.0]),
    }
    found = a_round(teams)
    read = values(found)
    assert read["engine", measuring.RATE] == 100
    assert read["engine", "compile_seconds"] == 2.5
    assert read["engine", "peak_memory_bytes"] == 7
    assert read["nnx_loop", "loss_difference"] == pytest.approx(0.01)
    assert read["naive_scan", "loss_difference"] == 0
    assert read["limit", "flop_per_second/jax"] == 1e9
    assert [one for one in found if isinstance(one, Gated)] == [Gated(workload="W1", passed={"no_scatter": True})]
    assert teams["naive_scan"].asked.count("turn") == 1
    assert teams["engine"].asked.count("turn") == 3


@pytest.mark.parametrize("command", ["prepare", "turn", "memory"])
def test_a_contender_that_fails_leaves_the_round_and_no_number(command: str) -> None:
    found = a_round({"engine": Scripted(100, [2.0]), "nnx_loop": Scripted(50, [2.0], fails=command)})
    assert [one for one in found if isinstance(one, Failure)] == [
        Failure(workload="W1", contender="nnx_loop", why="MemoryError: too large")
    ]
    assert values(found)["engine", measuring.RATE] == 100
    if command != "memory":
        assert ("nnx_loop", measuring.RATE) not in values(found)


# Sweeps and growth.


def test_a_sweep_reports_time_compiling_and_how_far_accuracies_are_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []

    def scripted(rival: Rival, jobs: Any, machine: Machine, compiled: Path) -> tuple[float, list[child.Trained]]:
        folders.append(compiled)
        shift = 0.0 if rival.name == "engine" else 0.01
        return 20.0, [
            child.Trained(
                compile_seconds=0.5, accuracies=tuple(0.8 + shift + 0.01 * ((seed + i) % 3) for seed in seeds)
            )
            for i, (_, seeds) in enumerate(jobs)
        ]

    monkeypatch.setattr(sweeps, "sweep", scripted)
    plan = Plan(machine=CPU, rounds=1, turns=1, warm_up=1, compiled=tmp_path)
    read = values(list(sweeps.sweeps(WORKLOADS["W1"], ("engine", "nnx_loop", "naive_scan"), plan, 0)))
    assert read["engine", "sweep_seconds_cold"] == 20
    assert read["engine", "sweep_compile_share_warm"] == pytest.approx(12 * 0.5 / (20 * 2))
    assert read["nnx_loop", "sweep_compile_share_warm"] == pytest.approx(12 * 0.5 / 20)
    assert read["nnx_loop", "accuracy_difference"] == pytest.approx(0.01)
    assert ("naive_scan", "sweep_seconds_cold") not in read
    # cold and warm share a folder, contenders do not
    assert folders[:2] == folders[2:]
    assert len(set(folders)) == 2


def test_members_of_a_sweep_are_trained_to_the_end_with_their_own_compile_time() -> None:
    seat, variant = child.Seat("engine", TINY, (0,), CPU), dataclasses.replace(TINY, sweep_epochs=2)
    seat.counted = before = compiling.watch().seconds
    first, again = (seat.sweep(variant, (0, 1), 1) for _ in range(2))
    assert first.compile_seconds + again.compile_seconds == pytest.approx(compiling.watch().seconds - before)
    steps, test = 2 * (TINY.images // TINY.batch), given.dataset(TINY).test
    for seed, accuracy in enumerate(first.accuracies):
        trainer = engine.trainer(variant, (seed,), CPU)
        run(trainer, (seed,), steps)
        assert accuracy == (trainer.logits(test.images)[0].argmax(1) == test.labels).mean()
    assert first.accuracies[0] != first.accuracies[1]
    assert again.accuracies == first.accuracies


def test_the_exponent_of_growth_by_hand() -> None:
    assert sweeps.slope({1: 3.0, 2: 6.0, 4: 12.0}) == pytest.approx(1)
    assert sweeps.slope({1: 3.0, 2: 3.0, 4: 3.0}) == pytest.approx(0)
    assert sweeps.slope({1: 3.0, 2: 12.0, 4: 48.0}) == pytest.approx(2)


# Cells and ratios.


def sample(contender: str, metric: str, value: float, number: int = 0, workload: str = "W1") -> Sample:
    return Sample(workload=workload, contender=contender, metric=metric, round=number, value=value)


def samples() -> Iterator[Sample]:
    rates = {
        "engine": (90, 100, 140),
        "engine_watched": (45, 80, 140),
        "torch_eager/1x2": (10, 20, 30),
        "torch_eager/2x1": (45, 50, 35),
        "nnx_loop": (30, 25, 70),
    }
    for name, each in rates.items():
        for number, value in enumerate(each):
            yield sample(name, measuring.RATE, value, number)
    for number in range(3):
        yield sample("limit", "flop_per_second/jax", 1e8 * (number + 0.5), number)
        yield sample("limit", "flop_per_second/numpy", 2e8, number)


def found_cells(
    combine: Callable[[Sequence[Sample]], tuple[ArmResults, ...]] = cells.cells,
) -> dict[tuple[str, str], ArmResults]:
    return {(cell.contender, cell.metric): cell for cell in combine(list(samples()))}


def sums_are_right(combine: Callable[[Sequence[Sample]], tuple[ArmResults, ...]]) -> bool:
    """Whether ratios are the engine's median over that of each contender's better set-up."""
    ratios = cells.ratios(list(combine(list(samples()))))["W1"]
    whole = WORKLOADS["W1"].train_flop
    return ratios == {
        "vs_torch_eager": 100 / 45,
        "vs_torch_compile": None,
        "vs_nnx_loop": 100 / 30,
        "vs_naive_scan": None,
        "fraction_of_limit": 100 * whole / 2e8,
    }


def worse_set_up(found: Sequence[Sample]) -> tuple[ArmResults, ...]:
    """The fault: PyTorch's worse set-up counts."""
    return cells.cells([one for one in found if one.contender != "torch_eager/2x1"])


def worse_library(found: Sequence[Sample]) -> tuple[ArmResults, ...]:
    """The fault: the limit is one library's."""
    return cells.cells([one for one in found if one.metric != "flop_per_second/numpy"])


def last_round_alone(found: Sequence[Sample]) -> tuple[ArmResults, ...]:
    """The fault: the other rounds are forgotten."""
    return cells.cells([one for one in found if one.round == 2])


def test_ratios_are_of_medians_against_the_better_set_up() -> None:
    assert sums_are_right(cells.cells)


@pytest.mark.parametrize("fault", [worse_set_up, worse_library, last_round_alone])
def test_ratios_of_a_faulty_sum_are_found(fault: Callable[[Sequence[Sample]], tuple[ArmResults, ...]]) -> None:
    assert not sums_are_right(fault)


@pytest.mark.parametrize(("number", "ratio"), [(0, 90 / 5), (3, None)])
def test_a_contender_of_fewer_rounds_is_held_against_the_engine_of_those(number: int, ratio: float | None) -> None:
    found = cells.cells([*samples(), sample("naive_scan", measuring.RATE, 5, number)])
    assert cells.ratios(found)["W1"]["vs_naive_scan"] == ratio


def test_what_is_compared_is_compared_within_a_round() -> None:
    read = found_cells()
    cost = read["engine", "statistics_cost"]
    assert (cost.median, cost.n) == (pytest.approx(0.25), 3)
    assert read["engine", "vs_nnx_loop"].median == 3
    assert read["engine", measuring.RATE].low == pytest.approx(92)
    assert read["engine", measuring.RATE].high == pytest.approx(132)
    assert read["limit", "flop_per_second"].median == 2e8


# The door, and what it leaves behind.


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    return door.main()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["W9"], "workload=W9 is not valid: choose one of W1, W2, W3, W3b"),
        (["--contenders", "caffe"], "--contenders=caffe is not valid: choose one of engine, "),
        (["--rounds", "0"], "--rounds=0 is not valid: must be at least 1"),
        (["--device", "gpu"], "--device=gpu is not valid: JAX finds no GPU here; choose cpu"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_runs(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    monkeypatch.setattr(door, "accelerator", lambda: "cpu")
    assert call(monkeypatch, *words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("passed", [True, False])
def test_json_holds_cells_ratios_and_gates_and_the_same_is_kept(
    passed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    monkeypatch.setattr(door, "accelerator", lambda: "cpu")
    monkeypatch.setattr(contract.importlib.util, "find_spec", lambda name: None)
    given_to: list[Sequence[str]] = []

    def scripted(workload: Workload, names: Sequence[str], plan: Plan, number: int) -> Iterator[Any]:
        given_to.append(names)
        yield from (one for one in samples() if one.round == number and workload.name == "W1")
        yield Gated(workload=workload.name, passed={"no_scatter": passed})

    monkeypatch.setattr(door, "steady", scripted)
    assert call(monkeypatch, "W1", "--quick", "--json") == (0 if passed else 1)
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert {"device", "versions", "cells", "ratios", "gates"} <= set(document)
    assert set(document["cells"][0]) == {"workload", "contender", "metric", "median", "low", "high", "n"}
    assert document["gates"] == {"W1": {"no_scatter": passed}}
    assert document["ratios"]["W1"]["vs_torch_compile"] is None
    # without PyTorch its contenders are named and left out
    assert "torch_eager" in document["skipped"]
    assert "pip install" in err
    # the slow one races once
    assert given_to == [["engine", "nnx_loop", "naive_scan"], ["engine", "nnx_loop"]]
    (folder,) = (tmp_path / "bench").iterdir()
    assert json.loads((folder / "quick.json").read_text()) == document
    assert (folder / "quick.png").stat().st_size > 10_000
    rows = (folder / "quick.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(one.round < 2 for one in samples())


def test_the_tables_name_every_contender_and_the_targets() -> None:
    out = Console(file=io.StringIO(), width=200)
    found = cells.cells(list(samples()))
    report.show(found, cells.ratios(found), {"W1": {"no_scatter": False, "no_ynnpack": True}}, out)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    for label in ("engine", "torch_eager/1x2", "torch_eager/2x1", "nnx_loop"):
        assert report.says(label) in text
    assert "3.33" in text
    assert "(3 / 5)" in text
    assert "FAILED: no_scatter" in text


# PyTorch stays an extra.


def torch_at_import(source: str) -> bool:
    """Whether a module imports PyTorch when it is imported itself, as against inside a function."""
    return any(_imports_torch(node) for node in _at_import(ast.parse(source)))


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node
            yield from _at_import(node)


def _imports_torch(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "torch" for alias in node.names)
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch"


def test_nothing_imports_pytorch_but_its_contenders_when_they_run() -> None:
    files = [*(ROOT / "cnnlab").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    assert not [path for path in files if torch_at_import(path.read_text())]
    used = {path.stem for path in files if "torch" in path.stem and "import torch" in path.read_text()}
    assert used == {"torch_eager", "torch_compile", "torch_cuda_graphs", "torch_func"}
    assert torch_at_import("try:\n    import torch.nn as nn\nexcept ImportError:\n    pass\n")
    assert torch_at_import("class A:\n    from torch import nn\n")
    assert not torch_at_import("def f():\n    import torch\n")


def test_contenders_are_the_files_of_their_folder_and_say_what_they_are() -> None:
    folder = ROOT / "experiments" / "bench" / "contenders"
    assert names() == tuple(sorted(path.stem for path in folder.glob("[!_]*.py")))
    for name in names():
        module = contender(name)
        assert module.SAYS
        assert isinstance(module.missing(CPU), str)
        assert all(one.processes * one.together >= 1 for one in module.setups(CPU))
        assert module.setups(Machine(kind="gpu", cores=2))
    for name in ("torch_cuda_graphs", "torch_func"):
        assert contender(name).missing(CPU)


def test_a_part_is_kept_under_its_name_also_if_stopped_and_other_parts_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    monkeypatch.setattr(door, "accelerator", lambda: "cpu")
    monkeypatch.setattr(door, "steady", lambda workload, names, plan, number: iter(samples()))
    assert call(monkeypatch, "W1", "--part", "speed", "--contenders", "engine") == 0
    (folder,) = (tmp_path / "bench").iterdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"speed.json", "speed.csv", "speed.png"}
    found = [sample("engine", "sweep_seconds_cold", 35.0), sample("engine", "sweep_compile_share_cold", 0.5)]
    (folder / "sweep.png").write_bytes(b"of an earlier run")

    def stopped(workload: Workload, names: Sequence[str], plan: Plan, number: int) -> Iterator[Any]:
        yield from found
        raise KeyboardInterrupt

    monkeypatch.setattr(door, "sweeps", stopped)
    assert call(monkeypatch, "W1", "--part", "sweep", "--contenders", "engine") == 130
    assert keeping.kept(folder / "sweep.csv") == found
    assert not (folder / "sweep.png").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.stem == "speed"} == before
    assert door.kept_as(["growth", "sweep"], quick=False) == "sweep-growth"
    assert door.kept_as(["sweep", "growth", "speed"], quick=False) == "bench"
    assert door.kept_as(["sweep"], quick=True) == "quick-sweep"


def test_kept_samples_come_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    outcome = keeping.Outcome(device="a device", settings={}, started="now", skipped={}, samples=list(samples()))
    assert list(keeping.kept(keeping.write(outcome, "bench") / "bench.csv")) == list(samples())
