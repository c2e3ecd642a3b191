"""Trace a Flax module to the network it computes, and count its cost by XLA."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import partial_eval

from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.network import Network, Pair
from cnnlab.tracing.forward import Forward, failed, forward, images
from cnnlab.tracing.graph import IMAGE, TracedGraph
from cnnlab.tracing.pointwise import spread
from cnnlab.tracing.settle import is_layer, settle
from cnnlab.tracing.values import BATCH, SPATIAL, Held, Part, Refused, Role, TracedArray, TracingError, Value, whole
from cnnlab.tracing.walk import MarkedModule, Walker

KNOWN = (
    "a trace knows convolutions, transposed convolutions, pools, dense layers, norms, dropout, elementwise functions, "
    "add, multiply, concat, pad, crop, flatten, resize, and whatever is done to numbers that see the whole image"
)


def trace(module: Any, size: Pair, channels: int) -> Network:
    """Follow a module's forward pass, in evaluation mode, on an image; nothing is computed.

    Layers with weights, norms and dropout have their module's path as a name (`blocks.0.conv`), others a number
    (`add_2`). A dense layer on a map is a 1x1 convolution. Norms, whatever they average over, look at one pixel. Only
    what the module's output needs is followed; of several outputs it is the first. A module that is used twice gives
    two layers, of which the second is not `counted`.

    Args:
        module: an `nnx.Module`, whose arrays may be abstract (`nnx.eval_shape`), a `linen.Module`, or a function
            without arguments that makes one, of which no weight is drawn. It is called with a batch of images,
            channels last, and the switches of evaluation mode that its signature has (`cnnlab.tracing.calling`).
        size: (height, width) of the image.
        channels: of the image.

    Raises:
        InvalidError: the module cannot be called so, or its output needs a step that no layer of a `Network` stands
            for; names the step, its shape, the line that asks for it, and what is known.
    """
    return traced(module, size, channels).network


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A module's forward pass, and the network that it is.

    Attributes:
        steps: of the forward pass: (arrays of the module, images) -> output.
        arrays: of the module, without numbers. image: a batch of images, likewise.
        places: for each layer the step that makes its map (number and place), and the map's axes.
    """

    network: Network
    steps: core.ClosedJaxpr
    arrays: tuple[jax.ShapeDtypeStruct, ...]
    image: jax.ShapeDtypeStruct
    places: Mapping[str, tuple[tuple[int, int], TracedArray]]


def traced(module: Any, size: Pair, channels: int) -> Traced:
    """As `trace`, with the steps that were followed."""
    require(min(size) >= 1 and channels >= 1, "size", f"{size[0]},{size[1]}x{channels}", "must be at least 1,1x1")
    image = images(BATCH, size, channels)
    taken = forward(module, image)
    jaxpr, marks = steps(module, taken, image)
    parts = [Part(path=leaf.path, size=leaf.array.size) for leaf in taken.leaves if leaf.learned]
    graph = TracedGraph(size, channels)
    walker = Walker(graph, marks, parts)
    inputs: list[Value] = [_held(leaf.path, leaf.learned, leaf.array) for leaf in taken.leaves]
    roles: tuple[Role, ...] = ("batch", "height", "width", "channel")
    inputs.append(TracedArray(node=IMAGE, shape=image.shape, roles=roles, taps=whole(roles, image.shape)))
    (output,) = walker.run(jaxpr.jaxpr, jaxpr.consts, inputs)
    name = _output(graph, module, output)
    _, names = graph.kept(name)
    places = {}
    for place, made in walker.made.items():
        value = graph.current(made)
        if value.node in names and is_layer(graph, value):
            places[names[value.node]] = (place, value)
    return Traced(network=graph.network(name), steps=jaxpr, arrays=tuple(taken.arrays), image=image, places=places)


def steps(module: Any, taken: Forward, image: jax.ShapeDtypeStruct) -> tuple[core.ClosedJaxpr, list[MarkedModule]]:
    """The steps of the forward pass that its first output needs, and the modules that are marked in them.

    Raises:
        InvalidError: the user's code fails.
    """
    with taken.marking() as marks:
        jaxpr = _jaxpr(module, taken, image)
    needed, _ = partial_eval.dce_jaxpr(jaxpr.jaxpr, [True] * len(jaxpr.jaxpr.outvars), instantiate=True)
    return core.ClosedJaxpr(needed, jaxpr.consts), marks


def xla_macs(module: Any, size: Pair, channels: int) -> float:
    """Half the floating-point operations that XLA counts in the forward pass of one image, before it compiles it.

    Unlike `cnnlab.geometry.cost` it counts biases, norms, activations and pools, and not the taps that fall on padding.
    Compiling would take seconds and change the counts of VGG-16, ResNet-50 and Inception-v3 by less than 1 %.

    Raises:
        InvalidError: as `trace`, or XLA does not say.
    """
    image = images(1, size, channels)
    taken = forward(module, image)
    try:
        counted = jax.jit(taken.run).lower(taken.arrays, image).cost_analysis()
    except (Exception, SystemExit) as problem:
        raise failed(module, image, problem) from problem
    if not isinstance(counted, dict) or "flops" not in counted:
        raise InvalidError("module", type(module).__name__, f"XLA counts no operations on {jax.default_backend()}")
    return float(counted["flops"]) / 2


def _jaxpr(module: Any, taken: Forward, image: jax.ShapeDtypeStruct) -> Any:
    """The steps of the forward pass."""
    try:
        return jax.make_jaxpr(taken.run)(taken.arrays, image)
    except InvalidError:
        raise
    except (Exception, SystemExit) as problem:
        raise failed(module, image, problem) from problem


def _held(path: str, learned: bool, array: jax.ShapeDtypeStruct) -> Held:
    """One array of the module."""
    parts = frozenset([Part(path=path, size=array.size)] if learned else [])
    return Held(shape=array.shape, parts=parts, varying=tuple(length > 1 for length in array.shape))


def _output(graph: TracedGraph, module: Any, output: Value) -> str:
    """Name of the layer that gives the output; raises `InvalidError`, naming the step that could not be followed."""
    if isinstance(output, Refused):
        raise InvalidError("module", output.what, f"this step {output.why}; {KNOWN}")
    if not isinstance(output, TracedArray):
        raise InvalidError("module", type(module).__name__, "its output does not depend on the image")
    try:
        return _as_map(graph, output).node
    except TracingError as problem:
        raise InvalidError("module", type(module).__name__, f"its output {problem}; {KNOWN}") from problem


def _as_map(graph: TracedGraph, output: TracedArray) -> TracedArray:
    """The output as a layer; what repeats one pixel at the very end is a map, too."""
    missing = [role for role in SPATIAL if role not in output.roles]
    roles = list(output.roles)
    for axis, (role, length) in enumerate(zip(output.roles, output.shape, strict=True)):
        if role == "free" and length > 1 and missing and len(roles) == 4:
            roles[axis] = missing.pop(0)
    return settle(graph, output) if roles == list(output.roles) else spread(graph, output, roles, output.shape)
