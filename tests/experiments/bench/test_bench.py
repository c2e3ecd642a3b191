"""The benchmark: contenders that train the same thing, gates that close, processes that fail alone, right sums."""

import ast
import contextlib
import dataclasses
import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest
from jax import lax
from rich.console import Console

from cnnlab.data import epoch_orders
from cnnlab.spec.network import Conv
from cnnlab.training.workers import ONE_THREAD
from experiments.bench import contender, gates, main, measuring, report, workloads
from experiments.bench.child import ContenderError, ContenderProcesses, ContenderSession, TurnTiming, rate
from experiments.bench.contender import Machine, Setup, names
from experiments.bench.contenders import engine, matrix_product, nnx_loop
from experiments.bench.contenders.engine import Engine
from experiments.bench.contenders.engine_xla import EngineXla
from experiments.bench.contenders.naive_scan import NaiveScan
from experiments.bench.contenders.nnx_loop import NnxLoop
from experiments.bench.measuring import Benchmark
from experiments.bench.report import Summaries
from experiments.bench.workloads import LEARNING_RATE, MOMENTUM, WORKLOADS, Workload, variants
from experiments.timing import compiling, stopwatch

pytestmark = pytest.mark.usefixtures("natively")
ROOT = Path(__file__).parents[3]
CPU, GPU = Machine(kind="cpu", cores=2), Machine(kind="gpu", cores=2)
STEPS = 20
FEW_LAYERS = dataclasses.replace(WORKLOADS["W1"].net, depth=2, widths=(4, 8), pools=(1,))
TINY = dataclasses.replace(WORKLOADS["W1"], net=FEW_LAYERS, batch=16, turn_steps=4)

Losses = np.ndarray[Any, Any]


# The contenders train the same thing.


def plain_losses(workload: Workload, member: int, steps: int) -> Losses:
    """The reference: the net and its optimiser written out, with nothing of the suite or of Flax."""
    train, start = workloads.dataset(workload).pool, workloads.initial_weights(workload, member)
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)

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

    weights = jax.tree.map(jnp.asarray, start)
    velocity, losses = jax.tree.map(jnp.zeros_like, weights), []
    for places in workloads.batch_indices(workload, member, steps):
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
    return np.asarray(trainer.run(np.stack([workloads.batch_indices(TINY, member, steps) for member in members])))


class Exact(Engine):
    """Side by side on a CPU that stands for a GPU, with its full precision and statistics."""

    statistics, gpu_precision = True, "highest"


def test_the_engine_agrees_with_the_plain_reference(reference: Losses) -> None:
    assert agrees(run(Engine(TINY, (0,), CPU), (0,)), reference)


@pytest.mark.slow
def test_the_engine_agrees_with_the_plain_reference_side_by_side(reference: Losses) -> None:
    together = Exact(TINY, (0, 1), GPU)
    assert (together.lone, together.statistics) == (False, True)
    assert agrees(run(together, (0, 1)), reference)
    assert together.logits(workloads.dataset(TINY).test.images).shape == (2, 599, 10)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of PyTorch's own modules
@pytest.mark.parametrize(
    "name",
    [
        "nnx_loop",
        "naive_scan",
        "engine_watched",
        "engine_module",
        "engine_xla",
        "torch_eager",
        "torch_compile",
        "torch_func",
    ],
)
def test_every_contender_agrees_with_the_plain_reference(name: str, reference: Losses) -> None:
    if name.startswith("torch"):
        pytest.importorskip("torch", reason="PyTorch is the extra `bench`")
    if name == "torch_compile" and (lacks := contender.contender(name).missing(CPU)):
        pytest.skip(lacks)
    members = (0, 1) if name == "torch_func" else (0,)
    trainer = contender.contender(name)(TINY, members, CPU)
    steps = STEPS - STEPS % NaiveScan.slow_steps if name == "naive_scan" else STEPS
    assert agrees(run(trainer, members, steps), reference)
    if trainer.sweeps:
        assert trainer.logits(workloads.dataset(TINY).test.images).shape == (len(members), 599, 10)


def other_momentum(trainer: Any) -> None:
    """The fault: a hundredth more momentum."""
    import optax
    from flax import nnx

    trainer.optimizer = nnx.Optimizer(trainer.model, optax.sgd(LEARNING_RATE, MOMENTUM + 0.01), wrt=nnx.Param)


def another_beginning(trainer: Any) -> None:
    """The fault: other initial weights."""
    from flax import nnx

    nnx.update(trainer.model, nnx.state(nnx_loop.begun(TINY, 7)))


def batches_in_another_order(trainer: Any) -> None:
    """The fault: the second batch comes first."""
    honest = trainer.run
    trainer.run = lambda batches: honest(batches[:, [1, 0, *range(2, batches.shape[1])]])


@pytest.mark.slow
@pytest.mark.parametrize("fault", [other_momentum, another_beginning, batches_in_another_order])
def test_a_contender_that_trains_something_else_is_found(fault: Callable[[Any], None], reference: Losses) -> None:
    faulty = NnxLoop(TINY, (0,), CPU)
    fault(faulty)
    assert not agrees(run(faulty, (0,)), reference)


def test_weights_that_do_not_fit_are_refused() -> None:
    built = engine.engine.compiled(TINY.arm, "sequential")
    with pytest.raises(ValueError, match="do not fit"):
        engine.with_weights(built.init(0), workloads.initial_weights(WORKLOADS["W1"], 0))


# What they are given.


def test_batches_are_whole_and_see_every_image_once_an_epoch() -> None:
    steps = 2 * (TINY.images // TINY.batch)
    found = workloads.batch_indices(TINY, 3, steps)
    assert found.shape == (steps, TINY.batch)
    first = found[: steps // 2].ravel()
    assert len(set(first.tolist())) == len(first)
    assert np.array_equal(first, epoch_orders(TINY.images, 1, 3)[0, : len(first)])
    assert not np.array_equal(found, workloads.batch_indices(TINY, 4, steps))


def test_patterns_are_the_same_whatever_the_net_and_of_unit_variance() -> None:
    one, other = (workloads.dataset(WORKLOADS[name]) for name in ("W3", "W3b"))
    assert np.array_equal(one.pool.images[:8], other.pool.images[:8])
    assert abs(float(one.pool.images[:256].var()) - 1) < 0.05
    assert workloads.initial_weights(WORKLOADS["W2"], 0)["logits"]["kernel"].shape == (7 * 7 * 64, 10)


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


def processes(environment: dict[str, str], folder: Path) -> tuple[dict[str, bool], set[str]]:
    """Gates of an engine in a fresh process after a few steps, and the compiled programs that it added to a folder."""
    before = {path.name for path in folder.iterdir()}
    with contextlib.closing(
        ContenderProcesses("engine", Setup(environment=environment), TINY, CPU, folder, size=1)
    ) as workers:
        workers.ask("prepare")
        workers.ask("turn", 3)
        added = {path.name for path in folder.iterdir()} - before
        return workers.ask("gates")[0], added


@pytest.mark.slow
def test_the_engines_step_passes_every_gate_and_a_second_process_finds_it_compiled(tmp_path: Path) -> None:
    passed, added = processes(ONE_THREAD, tmp_path)
    assert all(passed.values()), passed
    assert set(passed) == {*gates.CPU, "no_spare_convolution", "one_program"}
    assert any(name.startswith("jit_many") for name in added)
    # the twin: the flag that turns YNNPACK off is gone, so that its gate closes and no kept program fits
    reckless = {**ONE_THREAD, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
    faulty, others = processes(reckless, tmp_path)
    assert not faulty["no_ynnpack"]
    assert len(others) == sum(name.startswith("jit_") for name in added)
    again, more = processes(ONE_THREAD, tmp_path)
    assert (again, more) == (passed, set())


def with_image_gradient(trainer: Engine, strategy: str) -> str:
    """The fault: a step that also finds out how the logits depend on the image."""
    built = engine.engine.compiled(TINY.arm, strategy)

    def step(*arguments: Any) -> Any:
        state, images = arguments[:2]
        return built.step(*arguments), jax.grad(lambda shown: built.logits(state, shown).sum())(images[:4])

    places = np.zeros(TINY.batch, np.int32)
    lowered = jax.jit(step).lower(trainer.state, *trainer.data, places, trainer.rates[0])
    return lowered.compile(compiler_options={"xla_backend_optimization_level": 0}).as_text() or ""


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Compiled steps: the engine's, and those with a fault."""

    def summed(kernels: Any, x: Any) -> Any:
        def one(kernel: Any, x: Any) -> Any:
            return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")).sum()

        return jax.vmap(one)(kernels, x).sum()

    arguments = jnp.ones((2, 3, 3, 2, 4)), jnp.ones((2, 4, 8, 8, 2))
    batched = jax.jit(jax.grad(summed)).lower(*arguments)
    honest = Engine(TINY, (0,), CPU)
    return {
        "engine": honest.hlo(),
        "scan": NaiveScan(TINY, (0,), CPU).epoch.as_text(),
        "vmap": Exact(TINY, (0, 1), GPU).hlo(),
        "engine_xla": EngineXla(TINY, (0,), CPU).hlo(),
        "image": with_image_gradient(honest, "native"),
        "image by xla": with_image_gradient(honest, "sequential"),
        # before XLA rewrites what it has no kernel for
        "sum of vmap": batched.compiler_ir("hlo").as_hlo_text(),
    }


@pytest.mark.slow
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


@pytest.mark.slow
def test_no_gradient_at_the_image_is_computed_and_one_that_is_is_found(texts: dict[str, str]) -> None:
    for fine, faulty in (("engine", "image"), ("engine_xla", "image by xla")):
        assert not gates.spare_convolutions(texts[fine], TINY.net.depth, TINY.channels)
        assert gates.spare_convolutions(texts[faulty], TINY.net.depth, TINY.channels)
    assert " convolution(" not in texts["engine"]


@pytest.mark.slow
def test_a_step_is_compiled_once_and_once_more_for_another_batch_size() -> None:
    trainer = Engine(TINY, (0,), CPU)
    run(trainer, (0,), 3)
    once = trainer.compiling.of(trainer.step)
    run(Engine(TINY, (1,), CPU), (1,), 3)
    assert trainer.compiling.of(trainer.step) == once
    trainer.run(workloads.batch_indices(dataclasses.replace(TINY, batch=8), 0, 1)[None])
    assert trainer.compiling.of(trainer.step) == once + 1


WEIGHT_GRADIENT = '  %a.1 = (f32[3,3,4,8], u8[0]) custom-call(%x, %g), custom_call_target="__cudnn$convBackwardFilter"'
HUGE = '  %b.2 = (f32[3,3], u8[0]) custom-call(%x), window={size=28x28}, custom_call_target="__cudnn$convForward"'


def module(*lines: str) -> str:
    return "\n".join(["HloModule jit_step", "ENTRY %main.1 (x: f32[]) -> f32[] {", *lines, "}"])


def test_gates_of_a_gpu_read_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gates.KERNELS, "W1", 1)
    one = dataclasses.replace(TINY, net=dataclasses.replace(FEW_LAYERS, depth=1, widths=(4,), pools=()))
    fine, faulty = module(WEIGHT_GRADIENT), module(HUGE, HUGE)
    passed = gates.inspect(fine, 1, "gpu", one)
    assert all(passed.values())
    assert set(passed) == {*gates.GPU, "weight_gradients_by_library", "few_kernels", "one_program"}
    closed = gates.inspect(faulty, 2, "gpu", one)
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


CONVOLUTION = "  %c.1 = f32[2,4,4,8] convolution(%x, %k), window={size=3x3 pad=1_1x1_1}, dim_labels=LABELS"


def test_a_convolution_in_another_order_is_found_where_there_is_a_loop() -> None:
    backward, canonical = (CONVOLUTION.replace("LABELS", order) for order in ("f01b_i01o->01bf", "b01f_01io->b01f"))
    assert gates.convolutions_in_loops(f"{LOOPED}\n{backward}") == [backward.strip()]
    assert not gates.convolutions_in_loops(f"{LOOPED}\n{canonical}")
    assert not gates.convolutions_in_loops(module(backward))


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


def test_a_turn_on_a_gpu_lasts_and_the_engine_trains_a_block_of_members_side_by_side_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ((label, (name, setup)),) = measuring.entrants(["engine"], GPU).items()
    script({"engine": Script(1, [2.0])}, monkeypatch)
    racer = measuring.Racer(name, setup, TINY, GPU, Path("unused"))
    racer.turn()
    assert (label, racer.script.asked) == ("engine", [("turn", measuring.GPU_TURN_STEPS)])  # type: ignore[attr-defined]
    assert setup.together == engine.engine.SIDE_BY_SIDE
    trainer = Engine(TINY, (0, 1), GPU)
    assert (trainer.lone, trainer.arm.recipe.precision) == (False, "default")
    full: Any = contender.contender("engine_float32")
    assert full(TINY, (0, 1), GPU).arm.recipe.precision == "highest"
    assert full.missing(CPU)


# Processes, and what they answer.


@pytest.mark.slow
def test_a_failing_process_says_why_and_a_dead_one_is_noticed(tmp_path: Path) -> None:
    setup = Setup(environment=ONE_THREAD)
    with contextlib.closing(ContenderProcesses("nothing_of_that_name", setup, TINY, CPU, tmp_path, size=1)) as workers:
        with pytest.raises(ContenderError, match=r"^ModuleNotFoundError: No module named .*nothing_of_that_name'$"):
            workers.ask("prepare")
        with pytest.raises(ContenderError, match=r"^AttributeError"):
            workers.ask("speed_of_light")
        for process in workers.pools[0]._processes.values():
            process.kill()
        for _ in range(2):
            with pytest.raises(ContenderError, match="ended"):
                workers.ask("prepare")


@pytest.mark.slow
def test_processes_do_what_is_asked_with_their_own_members_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup(processes=2, environment={**ONE_THREAD, "SET_FOR": "a child"})
    with contextlib.closing(ContenderProcesses("nnx_loop", setup, TINY, CPU, tmp_path, size=1)) as workers:
        assert "SET_FOR" not in os.environ
        assert [pool.submit(os.getenv, "SET_FOR").result() for pool in workers.pools] == ["a child"] * 2
        workers.ask("prepare")
        first, second = (timing.losses for timing in workers.ask("turn", 2))
        assert not np.array_equal(first, second)
    jobs = [(dataclasses.replace(TINY, epochs=1), (seed,), 1) for seed in range(3)]
    with contextlib.closing(ContenderProcesses("nnx_loop", setup, TINY, CPU, tmp_path, size=2)) as workers:
        shared = [accuracies for _, accuracies in workers.ask("sweep", jobs=jobs)]
    assert len({tuple(accuracies) for accuracies in shared}) == 3
    assert shared == [ContenderSession("nnx_loop", TINY, (), CPU).sweep(*job)[1] for job in jobs]


def timing(begin: float, end: float, images: float, losses: Sequence[float] = (1.0,)) -> TurnTiming:
    return TurnTiming(begin=begin, end=end, images=images, losses=np.array([losses], np.float32))


def test_the_rate_of_processes_counts_from_the_first_begin_to_the_last_end() -> None:
    assert rate([timing(0, 2, 10)]) == 5
    assert rate([timing(0, 2, 10), timing(1, 4, 30)]) == 10
    # the twin: rates added up would call processes that took turns twice as fast
    assert rate([timing(0, 1, 10), timing(1, 2, 10)]) != 20


class Losing(contender.Contender):
    """Trains nothing; every loss is the same number."""

    def __init__(self, loss: float) -> None:
        self.loss = loss

    def run(self, batches: Any) -> Any:
        return np.full((1, 2), self.loss)


def test_a_loss_that_is_not_finite_fails_the_turn() -> None:
    session = ContenderSession("engine", TINY, (0,), CPU)
    session.trainer = Losing(1.0)
    assert session.turn(2).images == 2 * TINY.batch
    for loss in (float("nan"), float("inf")):
        session.trainer = Losing(loss)
        with pytest.raises(FloatingPointError):
            session.turn(2)


def test_time_of_compiling_counts_once_where_tracing_nests() -> None:
    counter = compiling.CompileCounter()
    for begin, end in ((0.0, 4.0), (1.0, 2.0), (3.0, 5.0), (7.0, 8.0)):
        counter.span(compiling.STAGES[0], begin, end)
    counter.span("/jax/another/event", 0, 100)
    counter.span(compiling.COMPILED, 7.5, 8.5, fun_name="jit(step)")
    assert counter.seconds == pytest.approx(6.5)
    assert counter.programs == ["jit(step)"]


def test_the_limit_is_the_faster_library_and_counts_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, slow = (lambda: None), (lambda: time.sleep(0.01))
    assert stopwatch.fastest([quick, slow]) is stopwatch.fastest([slow, quick]) is quick
    monkeypatch.setitem(matrix_product.SIDES, "cpu", 8)
    session = ContenderSession("matrix_product", TINY, (0,), CPU)
    session.prepare()
    assert session.turn(4).images * TINY.train_flop == 2 * 8**3


# A round.


class Script:
    """What the processes of a contender answer in turns of one second."""

    def __init__(self, speed: float, losses: Sequence[float], fails: str = "") -> None:
        self.speed, self.losses, self.fails, self.asked = speed, losses, fails, list[tuple[Any, ...]]()

    def answer(self, method: str, *arguments: Any) -> list[Any]:
        self.asked.append((method, *arguments))
        if method == self.fails:
            raise ContenderError("MemoryError: too large")
        match method:
            case "turn":
                return [timing(0, 1, self.speed / 2, self.losses), timing(0, 1, self.speed / 2, [9.0])]
            case "costs":
                return [
                    {"compile_seconds": 1.5, "peak_memory_bytes": 7},
                    {"compile_seconds": 2.5, "peak_memory_bytes": 5},
                ]
        return [{"no_scatter": True}]

    def turns(self) -> int:
        return [method for method, *_ in self.asked].count("turn")


def script(scripts: dict[str, Script], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let contenders in rounds answer by a script, without a process."""

    def made(self: Any, name: str, *arguments: Any, size: int) -> None:
        self.script, self.pools = scripts[name], ()

    monkeypatch.setattr(ContenderProcesses, "__init__", made)
    monkeypatch.setattr(ContenderProcesses, "ask", lambda self, *words: self.script.answer(*words))
    monkeypatch.setattr(measuring, "PAUSE_SECONDS", 0)


def benchmark(**changed: Any) -> Benchmark:
    usual: dict[str, Any] = {"workloads": [TINY], "names": (), "parts": ("speed",), "machine": CPU, "rounds": 1}
    log: list[str] = []
    rest = {"turns": 2, "warm_up": 2, "cache": Path("unused"), "log": log.append}
    return Benchmark(**{**usual, **rest, **changed})


def a_round(scripts: dict[str, Script], monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    script(scripts, monkeypatch)
    made = benchmark(names=list(scripts))
    assert len(list(made.measure())) == 1
    return made


def values(results: Benchmark) -> dict[tuple[str, str], float]:
    return {key[1:]: rounds[0] for key, rounds in results.values.items()}


def test_a_round_gives_speed_memory_compiling_and_the_difference_of_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = {
        "engine": Script(100, [2.0, 1.0]),
        "nnx_loop": Script(50, [2.0, 1.01]),
        "matrix_product": Script(1e9, []),
        "naive_scan": Script(10, [2.0, 1.0]),
    }
    results = a_round(scripts, monkeypatch)
    read = values(results)
    assert read["engine", measuring.RATE] == 100
    assert read["engine", "compile_seconds"] == 2.5
    assert read["engine", "peak_memory_bytes"] == 7
    assert read["nnx_loop", "loss_difference"] == pytest.approx(0.01)
    assert read["naive_scan", "loss_difference"] == 0
    assert read["matrix_product", measuring.RATE] == 1e9
    assert ("matrix_product", "loss_difference") not in read
    # a contender that trains something else closes a gate
    passed = {"W1 engine: no_scatter": True, "W1 nnx_loop: same_losses": False, "W1 naive_scan: same_losses": True}
    assert results.gates == passed
    assert (scripts["naive_scan"].turns(), scripts["engine"].turns()) == (1, 3)


@pytest.mark.parametrize("command", ["prepare", "turn", "costs"])
def test_a_contender_that_fails_leaves_the_round_and_no_number(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = {"engine": Script(100, [2.0]), "nnx_loop": Script(50, [2.0], fails=command)}
    results = a_round(processes, monkeypatch)
    assert results.failures == [{"workload": "W1", "contender": "nnx_loop", "reason": "MemoryError: too large"}]
    read = values(results)
    assert read["engine", measuring.RATE] == 100
    if command != "costs":
        assert ("nnx_loop", measuring.RATE) not in read


def test_a_gate_that_was_closed_once_stays_closed() -> None:
    results = benchmark()
    for fine in (True, False, True):
        results.add_gates(TINY, "engine", {"no_scatter": fine})
    assert results.gates == {"W1 engine: no_scatter": False}


# Sweeps.


def test_a_sweep_reports_time_compiling_and_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = []

    def made(self: Any, name: str, setup: Setup, workload: Workload, machine: Machine, cache: Path, size: int) -> None:
        folders.append(cache)
        assert size == setup.processes
        self.name, self.pools = name, ()

    def ask(self: Any, method: str, jobs: Sequence[Any]) -> list[Any]:
        assert method == "sweep"
        shift = 0.0 if self.name == "engine" else 0.01
        return [(0.5, [0.8 + shift + 0.01 * seed for seed in seeds]) for _, seeds, _ in jobs]

    monkeypatch.setattr(ContenderProcesses, "__init__", made)
    monkeypatch.setattr(ContenderProcesses, "ask", ask)
    monkeypatch.setattr(measuring.time, "monotonic", iter(range(0, 1000, 20)).__next__)
    names = ("engine", "nnx_loop", "naive_scan")
    results = benchmark(workloads=[WORKLOADS["W1"]], names=names, parts=("sweep",))
    assert len(list(results.measure())) == 4
    read = values(results)
    assert read["engine", "sweep_seconds_cold"] == 20
    assert read["engine", "sweep_compile_share_warm"] == pytest.approx(12 * 0.5 / (20 * 2))
    assert read["nnx_loop", "sweep_compile_share_warm"] == pytest.approx(12 * 0.5 / 20)
    assert read["engine", "accuracy"] == pytest.approx(0.82)
    assert read["nnx_loop", "accuracy"] == pytest.approx(0.83)
    assert ("naive_scan", "sweep_seconds_cold") not in read
    # cold and warm share a folder, contenders do not
    assert folders[:2] == folders[2:]
    assert len(set(folders)) == 2


@pytest.mark.slow
def test_members_of_a_sweep_are_trained_to_the_end_with_their_own_compile_time() -> None:
    session, variant = ContenderSession("engine", TINY, (0,), CPU), dataclasses.replace(TINY, epochs=2)
    session.compile_seconds = before = compiling.watch().seconds
    (first, accuracies), (second, again) = (session.sweep(variant, (0, 1), 1) for _ in range(2))
    assert first + second == pytest.approx(compiling.watch().seconds - before)
    steps, test = 2 * (TINY.images // TINY.batch), workloads.dataset(TINY).test
    for seed, accuracy in enumerate(accuracies):
        trainer = Engine(variant, (seed,), CPU)
        run(trainer, (seed,), steps)
        assert accuracy == (trainer.logits(test.images)[0].argmax(1) == test.labels).mean()
    assert accuracies[0] != accuracies[1]
    assert again == accuracies


# Summaries and ratios.


def measured() -> dict[measuring.Key, dict[int, float]]:
    rates = {
        "engine": (90, 100, 140),
        "engine_watched": (45, 80, 140),
        "torch_eager/1x2": (10, 20, 30),
        "torch_eager/2x1": (45, 50, 35),
        "nnx_loop": (30, 25, 70),
        "matrix_product": (180, 400, 200),
    }
    return {("W1", name, measuring.RATE): dict(enumerate(map(float, each))) for name, each in rates.items()}


def sums_are_right(found: dict[measuring.Key, dict[int, float]]) -> bool:
    """Whether ratios are medians of the rounds' ratios, of the engine over each contender's better set-up."""
    ratios = report.document(benchmark(values=found), {})["ratios"]["W1"]
    expected = {"vs_engine_watched": 1.25, "vs_torch_eager": 2, "vs_nnx_loop": 3, "vs_matrix_product": 0.5}
    return {name: value for name, value in ratios.items() if "/" not in name} == expected


def worse_set_up(found: dict[measuring.Key, dict[int, float]]) -> None:
    """The fault: PyTorch's worse set-up counts."""
    del found["W1", "torch_eager/2x1", measuring.RATE]


def last_round_alone(found: dict[measuring.Key, dict[int, float]]) -> None:
    """The fault: the other rounds are forgotten."""
    for key, rounds in found.items():
        found[key] = {2: rounds[2]}


def rounds_mixed_up(found: dict[measuring.Key, dict[int, float]]) -> None:
    """The fault: the engine of one round is held against the contenders of another."""
    key = ("W1", "engine", measuring.RATE)
    found[key] = {number: found[key][2 - number] for number in range(3)}


def test_ratios_are_medians_of_the_rounds_against_the_better_set_up() -> None:
    assert sums_are_right(measured())


@pytest.mark.parametrize("fault", [worse_set_up, last_round_alone, rounds_mixed_up])
def test_ratios_of_a_faulty_sum_are_found(fault: Callable[[Any], None]) -> None:
    faulty = measured()
    fault(faulty)
    assert not sums_are_right(faulty)


@pytest.mark.parametrize(("number", "ratio"), [(0, 90 / 5), (3, None)])
def test_a_contender_of_fewer_rounds_is_held_against_the_engine_of_those(number: int, ratio: float | None) -> None:
    found = report.summarize({**measured(), ("W1", "naive_scan", measuring.RATE): {number: 5.0}})
    key = ("W1", "naive_scan", report.ENGINE_RATIO)
    assert (found[key].median if key in found else None) == ratio


def test_what_is_compared_is_compared_within_a_round() -> None:
    read: Summaries = report.summarize(measured())
    cost = read["W1", "engine_watched", "statistics_cost"]
    assert (cost.median, cost.n) == (pytest.approx(0.25), 3)
    rates = read["W1", "engine", measuring.RATE]
    assert (rates.low, rates.high) == (pytest.approx(92), pytest.approx(132))
    assert read["W1", "torch_eager", measuring.RATE] == read["W1", "torch_eager/2x1", measuring.RATE]
    ratio = read["W1", "nnx_loop", report.ENGINE_RATIO]
    assert (ratio.median, ratio.low, ratio.high) == (3, pytest.approx(2.2), pytest.approx(3.8))


# The command, and what it leaves behind.


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    return main.main()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["W9"], "workload=W9 is not valid: choose one of W1, W2, W3, W3b"),
        (["--contenders", "caffe"], "--contenders=caffe is not valid: choose one of engine, "),
        (["--rounds", "0"], "--rounds=0 is not valid: must be 1 to 1000"),
        (["--rounds", "many"], "argument --rounds: invalid int value: 'many'; see --help"),
        (["--device", "gpu"], "--device=gpu is not valid: JAX finds no GPU here; choose cpu"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_runs(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    monkeypatch.setattr(main, "accelerator", lambda: "cpu")
    assert call(monkeypatch, *words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {says}")
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_where_its_folder_should_be_is_one_line_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bench").write_text("")
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    races = scripted_rounds(monkeypatch)
    assert call(monkeypatch, "W1", "--part", "speed") == 2
    assert "bench cannot be written to: choose another folder" in capsys.readouterr().err
    assert not races


def scripted_rounds(monkeypatch: pytest.MonkeyPatch, passed: bool = True) -> list[tuple[str, list[str]]]:
    """Let rounds give what `measured` has; returns what races in each, as it comes."""
    races: list[tuple[str, list[str]]] = []

    def scripted(self: Benchmark, workload: Workload, number: int) -> None:
        races.append((workload.name, list(self.names)))
        for (_, label, metric), rounds in measured().items():
            self.add(workload, label, number, {metric: rounds[number]})
        self.add_gates(workload, "engine", {"no_scatter": passed})

    monkeypatch.setattr(main, "accelerator", lambda: "cpu")
    monkeypatch.setattr(Benchmark, "speed_round", scripted)
    return races


@pytest.mark.parametrize("passed", [True, False])
def test_json_holds_cells_ratios_and_gates_and_the_same_is_written(
    passed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    races = scripted_rounds(monkeypatch, passed)
    assert call(monkeypatch, "W1", "--quick", "--json") == (0 if passed else 1)
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert {"device", "versions", "cells", "ratios", "gates"} <= set(document)
    assert set(document["cells"][0]) == {"workload", "contender", "metric", "median", "low", "high", "n", "rounds"}
    assert document["gates"] == {"W1 engine: no_scatter": passed}
    assert "vs_torch_compile" not in document["ratios"]["W1"]
    # without PyTorch its contenders are named and left out
    assert "torch_eager" in document["skipped"]
    assert "pip install" in err
    assert ("FAILED W1 engine: no_scatter" in err) == (not passed)
    # the limit is always measured
    assert races == [("W1", ["engine", "nnx_loop", "naive_scan", "matrix_product"])] * 2
    (folder,) = (tmp_path / "bench").iterdir()
    assert json.loads((folder / "quick.json").read_text()) == document
    assert (folder / "quick.png").stat().st_size > 10_000
    assert {path.name for path in folder.iterdir()} == {"quick.json", "quick.png"}
    # every round's value is there
    raw = {(cell["contender"], cell["metric"]): cell["rounds"] for cell in document["cells"]}
    for (_, label, metric), rounds in measured().items():
        assert raw[label, metric] == {str(number): value for number, value in rounds.items() if number < 2}


def test_a_slow_contender_races_in_the_first_round_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = {"engine": Script(100, [2.0]), "naive_scan": Script(10, [2.0])}
    script(scripts, monkeypatch)
    results = benchmark(names=list(scripts), rounds=3, turns=1)
    assert len(list(results.measure())) == 3
    assert [len(results.values["W1", name, measuring.RATE]) for name in scripts] == [3, 1]


def test_the_engine_on_a_users_module_is_held_against_the_loop_of_the_same_round() -> None:
    rates = {"engine": (8.0, 8.0), "engine_module": (4.0, 10.0), "nnx_loop": (2.0, 6.0)}
    found = report.summarize({("W1", name, measuring.RATE): dict(enumerate(own)) for name, own in rates.items()})
    assert {key[1] for key in found if key[2] == report.LOOP_TIME} == {"engine_module"}
    assert found["W1", "engine_module", report.LOOP_TIME].rounds == {0: 0.5, 1: 0.6}
    out = Console(file=io.StringIO(), width=200)
    out.print(report.table(found))
    assert "0.55 [0.51-0.59] n=2" in out.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_names_every_contender_and_its_ratio() -> None:
    out = Console(file=io.StringIO(), width=200)
    out.print(report.table(report.summarize(measured())))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    for label in ("engine", "torch_eager/1x2", "torch_eager/2x1", "nnx_loop", "matrix_product"):
        assert report.describe(label) in text
    assert "3.00 [2.20-3.80] n=3" in text
    assert "+25%" in text
    # what was not measured has no column
    assert "warm s" not in text


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
    used = {path.stem for path in files if any(map(_imports_torch, ast.walk(ast.parse(path.read_text()))))}
    assert used == {"torch_eager", "torch_compile", "torch_cuda_graphs", "torch_func"}
    assert torch_at_import("try:\n    import torch.nn as nn\nexcept ImportError:\n    pass\n")
    assert torch_at_import("class A:\n    from torch import nn\n")
    assert not torch_at_import("def f():\n    import torch\n")


def test_contenders_are_the_files_of_their_folder_and_say_what_they_are() -> None:
    folder = ROOT / "experiments" / "bench" / "contenders"
    assert names() == tuple(sorted(path.stem for path in folder.glob("[!_]*.py")))
    found = {name: contender.contender(name) for name in names()}
    assert len({one.description for one in found.values()}) == len(found)
    for one in found.values():
        assert one.description
        assert isinstance(one.missing(CPU), str)
        assert all(setup.processes * setup.together >= 1 for setup in one.setups(CPU))
        assert one.setups(GPU)
    assert [name for name, one in found.items() if one.sweeps] == ["engine", "nnx_loop", "torch_eager"]
    assert [name for name, one in found.items() if one.gated] == ["engine", "engine_xla"]
    assert [name for name, one in found.items() if one.slow_steps] == ["naive_scan"]
    for name in ("torch_cuda_graphs", "torch_func", "engine_float32"):
        assert found[name].missing(CPU)
    assert found["engine_xla"].missing(GPU)


def test_the_engine_needs_a_compiler_and_with_xlas_convolutions_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise engine.native.LibraryError("no C++ compiler")

    monkeypatch.setattr(engine.native, "compiler", none)
    assert (Engine.missing(CPU), Engine.missing(GPU), EngineXla.missing(CPU)) == ("no C++ compiler", "", "")


def test_a_part_has_files_of_its_name_and_a_run_cut_short_leaves_what_it_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CNNLAB_RESULTS", str(tmp_path))
    scripted_rounds(monkeypatch)
    assert call(monkeypatch, "W1", "--part", "speed", "--contenders", "engine", "--rounds", "3") == 0
    (folder,) = (tmp_path / "bench").iterdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"speed.json", "speed.png"}
    (folder / "sweep.png").write_bytes(b"of an earlier run")

    def stopped(self: Benchmark, workload: Workload, number: int) -> Iterator[None]:
        self.add(workload, "engine", number, {"sweep_seconds_cold": 35.0, "sweep_compile_share_cold": 0.5})
        yield
        raise KeyboardInterrupt

    monkeypatch.setattr(Benchmark, "sweep_round", stopped)
    with pytest.raises(KeyboardInterrupt):
        call(monkeypatch, "W1", "--part", "sweep", "--contenders", "engine")
    cells = json.loads((folder / "sweep.json").read_text())["cells"]
    assert {cell["metric"]: cell["rounds"] for cell in cells} == {
        "sweep_seconds_cold": {"0": 35.0},
        "sweep_compile_share_cold": {"0": 0.5},
    }
    assert not (folder / "sweep.png").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.stem == "speed"} == before


@pytest.mark.slow
def test_a_stopped_run_ends_at_once_with_its_processes_and_says_what_it_leaves(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "experiments.bench", "W1", "--quick", "--contenders", "nnx_loop", "--rounds", "9"]
    variables = {**os.environ, "CNNLAB_RESULTS": str(tmp_path / "results"), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert next(line for line in process.stderr if "samples models per second" in line)
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            assert "stopped; what was measured so far is kept" in process.stderr.read()
            assert process.wait(10) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert not psutil.wait_procs(children, 10)[1]
    assert not list(tmp_path.glob("cnnlab-bench-*"))
