"""A user's module as what the one training step needs: its arrays, its state and its random numbers made explicit."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from cnnlab.modules.making import ImageSizes, prepared, some_key
from cnnlab.modules.recording import dotted, recording
from cnnlab.modules.signature import is_linen
from cnnlab.modules.source import KEY, one_line, said
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.own_module import OwnModule
from cnnlab.tracing.calling import Convention, convention
from cnnlab.zoo.trainable import Layers, Parameters, Trainable, Tree

OUTPUT = "(logits)"
"""What the logits are called: no layer of a module has such a path."""
ROOT = "(module)"
"""What the weights of the outermost module itself are filed under."""
VARIABLES, STREAM = "variables", "stream"
BATCH = 4
"""Images of the batch that a module is tried on."""
DROPOUT = 0xD0
"""Tag of the random numbers of training: they are none of those that the initial weights come from."""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A module without its arrays, and how it is called.

    Attributes:
        build: key -> the module; a Linen one by `flax.nnx.bridge`. linen: that one itself.
        pooled: see `OwnModule.pooled_image`.
        graph: its structure. params, streams, variables: its trainable weights, random streams and all other state,
            as `nnx.State` of shapes.
        abstract: whether it can be made inside `jax.jit`, where numbers are not known.
        collections: what training may change of a Linen module; None of an NNX one.
        layers: dotted paths of the layers with weights. sites: those whose outputs can be had, in the order of calls.
        unseen: why there are no sites, in one line; empty where there are.
    """

    build: Callable[[Array], Any]
    graph: Any
    params: Any
    streams: Any
    variables: Any
    abstract: bool
    convention: Convention
    collections: tuple[str, ...] | None
    layers: frozenset[str]
    linen: Any = None
    pooled: bool = False
    sites: tuple[str, ...] = ()
    unseen: str = ""

    @property
    def draws(self) -> bool:
        """Whether training may draw random numbers."""
        return self.collections is not None or bool(self.convention.random or jax.tree.leaves(self.streams))

    def merged(self, params: Tree, variables: Tree, key: Array) -> Any:
        """The module with these arrays, its random streams begun anew from the key."""
        leaves, treedef = jax.tree.flatten(self.streams)
        streams = jax.tree.unflatten(treedef, [_begun(leaf, key, place) for place, leaf in enumerate(leaves)])
        return nnx.merge(
            self.graph, _filled(self.params, params), streams, _filled(self.variables, variables), copy=True
        )

    def call(self, model: Any, images: Array, key: Array, *, training: bool) -> Any:
        """The module's output in training or in evaluation."""
        given = self.convention.given(key, training=training)
        if self.collections is not None and training:
            return model(images, rngs=nnx.Rngs(key), mutable=list(self.collections) or False, **given)
        return model(images, **given)

    def forward(
        self, params: Tree, nudges: Layers, variables: Tree, images: Array, key: Array, *, training: bool
    ) -> tuple[Array, Layers, Tree]:
        """Logits as float32, outputs of the sites, and the module's state afterwards."""
        model = self.merged(params, variables, key)
        if self.pooled:
            images = jnp.broadcast_to(images.max((1, 2), keepdims=True), images.shape)
        if training:
            model.train()
        else:
            model.eval()
        with recording(model, self.sites, nudges) as recorder:
            output = self.call(model, images, key, training=training)
        logits = output.astype(jnp.float32) if isinstance(output, jax.Array) else output
        return logits, recorder.outputs, pure(_parts(model)[3])


def trainable(net: OwnModule, sizes: ImageSizes) -> Trainable:
    """The functions of a user's net. Raises InvalidError as `structure`."""
    found = structure(net, sizes)

    def arrays(key: Array) -> tuple[Tree, Tree]:
        _, params, _, variables = _parts(found.build(key))
        return pure(params), pure(variables)

    drawn = jax.jit(arrays) if found.abstract else arrays

    def init(key: Array) -> tuple[Tree, Tree]:
        params, variables = drawn(key)
        stream = {"key": jax.random.key_data(jax.random.fold_in(key, DROPOUT)), "step": jnp.zeros((), jnp.uint32)}
        return params, {VARIABLES: variables, STREAM: stream} if found.draws else {VARIABLES: variables}

    def train(params: Tree, nudges: Layers, statistics: Tree, images: Array) -> tuple[Array, Layers, Tree]:
        key, after = some_key(), {}
        if found.draws:
            stream = statistics[STREAM]
            # other numbers at every step, and the same ones whenever the step is taken again
            key = jax.random.fold_in(jax.random.wrap_key_data(stream["key"]), stream["step"])
            after = {STREAM: {"key": stream["key"], "step": stream["step"] + 1}}
        logits, layers, variables = found.forward(params, nudges, statistics[VARIABLES], images, key, training=True)
        return logits, layers, {VARIABLES: variables, **after}

    def evaluate(params: Tree, statistics: Tree, images: Array) -> Layers:
        logits, layers, _ = found.forward(params, {}, statistics[VARIABLES], images, some_key(), training=False)
        return {**layers, OUTPUT: logits}

    return Trainable(
        init=init,
        train=train,
        evaluate=evaluate,
        parameters=by_layer,
        output=OUTPUT,
        sites=found.sites,
        activations=(),
        activation="identity",
        loops=False,
    )


def by_layer(params: Tree) -> Parameters:
    """Weights by the dotted path of their layer and their own name."""
    found: Parameters = {}
    for path, value in jax.tree_util.tree_flatten_with_path(params)[0]:
        *layer, name = (str(entry.key) for entry in path)
        found.setdefault(".".join(layer) or ROOT, {})[name] = value
    return found


@functools.lru_cache(maxsize=64)
def structure(net: OwnModule, sizes: ImageSizes) -> Structure:
    """Make a module and try it on a batch of images, without numbers where its code allows.

    Raises:
        InvalidError: it cannot be made, called in training and in evaluation, or carried from step to step; its output
            is not [batch, classes].
    """
    if net.pooled_image:  # the same module, which is shown something else
        return replace(structure(replace(net, pooled_image=False), sizes), pooled=True)
    build, how, collections, linen = _builder(net, sizes)
    graphs: list[Any] = []

    def parts(key: Array) -> Any:
        model = build(key)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in _plain_attributes(model)):
            raise TypeError("flax.nnx takes an array that is traced for a constant")
        graph, *states = _parts(model)
        graphs.append(graph)
        return states

    abstract = True
    try:
        states = jax.eval_shape(parts, some_key())
    except (
        Exception,
        SystemExit,
    ) as problem:  # also code that looks at numbers, such as float(rate): it is made in earnest
        abstract = False
        states = _in_earnest(net, parts, problem)
    params, streams, variables = (jax.tree.map(_shape, state) for state in states)
    layers = frozenset(by_layer(pure(params)))
    found = Structure(
        build=build,
        graph=graphs[-1],
        params=params,
        streams=streams,
        variables=variables,
        abstract=abstract,
        convention=how,
        collections=collections,
        layers=layers,
        linen=linen,
    )
    _require_carried(net, found)
    sites, unseen = _sites(net, found, sizes)
    found = replace(found, sites=sites, unseen=unseen)
    _try(net, found, sizes)
    return found


def _in_earnest(net: OwnModule, make: Callable[[Array], Any], problem: BaseException) -> Any:
    """What could not be made without numbers, made with them. Raises InvalidError, saying why neither can be."""
    try:
        with one_line(KEY, net.make, "its module cannot be taken apart"):
            return make(some_key())
    except InvalidError as again:
        first, second = (_raised(net, one) for one in (problem, again))
        if first == second:
            raise
        raise InvalidError(again.key, again.value, f"{again.valid}; without numbers: {first}") from again


def _raised(net: OwnModule, problem: BaseException) -> str:
    """What the user's code raised at first, in one line."""
    while isinstance(problem, InvalidError) and problem.__cause__ is not None:
        problem = problem.__cause__
    return said(problem, net.make)


def weights(found: Structure) -> int:
    """How many numbers a module learns."""
    return sum(leaf.size for leaf in jax.tree.leaves(found.params))


def _builder(
    net: OwnModule, sizes: ImageSizes
) -> tuple[Callable[[Array], Any], Convention, tuple[str, ...] | None, Any]:
    """What makes the module from a key, how it is called, and what a Linen one may change in training."""
    make = prepared(net, sizes)
    seen: list[Any] = []

    def look(key: Array) -> Array:
        module = make(key)
        seen.append(module if is_linen(module) else type(module))
        return key

    try:
        jax.eval_shape(look, some_key())
    except (Exception, SystemExit) as problem:  # made in earnest, it may succeed, or say why not
        _in_earnest(net, look, problem)
    module = seen[-1]
    if not is_linen(module):
        return make, convention(module, KEY, net.make), None, None
    how = convention(type(module), KEY, net.make)
    images, given = _batch(sizes), how.given(some_key(), training=False)
    with one_line(KEY, net.make, f"its module cannot be initialised on {_shown(sizes)} images"):
        made = jax.eval_shape(lambda key: module.init(key, images, **given), some_key())
    kept = set(made) - {"params", "intermediates"} - _sown(module, made, images, how)

    def build(key: Array) -> Any:
        bridged: Any = nnx.bridge.ToNNX(module, rngs=nnx.Rngs(key))
        bridged.lazy_init(images, **given)
        bridged.to_nnx__rngs = None  # in evaluation it is to have none
        return bridged

    return build, how, tuple(sorted(kept)), module


def _sown(module: Any, made: Tree, images: Array, how: Convention) -> set[str]:
    """Collections that a Linen module sows into: they grow at every call, and nothing of them is carried on.

    None where it cannot be called in training: why is told when it is tried.
    """

    def called(variables: Tree, key: Array) -> Tree:
        streams, given = {"params": key, "dropout": key}, how.given(key, training=True)
        after: Tree = module.apply(variables, images, rngs=streams, mutable=True, **given)[1]
        return after

    try:
        after = jax.eval_shape(called, made, some_key())
    except (Exception, SystemExit):
        return set()
    return {
        name
        for name, before in made.items()
        if name != "params"
        and str(jax.tree.structure(before)) != str(jax.tree.structure(after[name] if name in after else None))
    }


def _require_carried(net: OwnModule, found: Structure) -> None:
    """Raise InvalidError unless every array can be trained, or carried from step to step."""
    learned = jax.tree.leaves(found.params)
    require(bool(learned), KEY, net.make, "its module has no parameters (nnx.Param), so there is nothing to train")
    whole = [leaf.dtype.name for leaf in learned if not jnp.issubdtype(leaf.dtype, jnp.floating)]
    require(not whole, KEY, net.make, f"its parameters must be of a floating type, not {', '.join(whole)}")
    keys = [
        dotted(tuple(entry.key for entry in path))
        for path, leaf in jax.tree_util.tree_flatten_with_path(pure(found.variables))[0]
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    ]
    must = f"its state {', '.join(keys)} is a random key, which is not carried: keep nnx.Rngs or its streams instead"
    require(not keys, KEY, net.make, must)


def _sites(net: OwnModule, found: Structure, sizes: ImageSizes) -> tuple[tuple[str, ...], str]:
    """The layers whose output can be had, in the order of calls: those called once, and by no transform of Flax.

    Returns:
        the layers, and why there are none.
    """
    watching = replace(found, sites=tuple(sorted(found.layers)))
    order: list[str] = []

    def look(params: Tree, variables: Tree) -> Layers:
        model = watching.merged(params, variables, some_key())
        model.train()
        with recording(model, watching.sites, {}) as recorder:
            watching.call(model, _batch(sizes), some_key(), training=True)
        order.extend(name for name in recorder.outputs if recorder.calls[name] == 1)
        return {name: recorder.outputs[name] for name in order}

    try:
        shapes = jax.eval_shape(look, pure(found.params), pure(found.variables))
    except (
        Exception,
        SystemExit,
    ) as problem:  # of an inner transform, or a mistake, which is told where nothing is recorded
        return (), said(problem, net.make)
    return tuple(name for name in order if jnp.issubdtype(shapes[name].dtype, jnp.floating)), ""


def _try(net: OwnModule, found: Structure, sizes: ImageSizes) -> None:
    """Call a module in training and in evaluation, without numbers. Raises InvalidError."""
    images = _batch(sizes)
    for training in (True, False):
        word = "training" if training else "evaluation"
        with one_line(KEY, net.make, f"its module fails in {word} on {_shown(sizes)} images"):
            logits, _, variables = jax.eval_shape(
                functools.partial(found.forward, training=training),
                pure(found.params),
                {},
                pure(found.variables),
                images,
                some_key(),
            )
        shape = getattr(logits, "shape", None)
        what = f"a {type(logits).__name__}" if shape is None else str(list(shape))
        must = (
            f"its output on {BATCH} images is {what}: must be logits, [batch, classes], here {[BATCH, sizes.classes]}"
        )
        require(shape == (BATCH, sizes.classes), KEY, net.make, must)
        before, after = _kinds(pure(found.variables)), _kinds(variables)
        must = "its module changes the shape or the number of its variables as it is called, which cannot be carried on"
        require(not training or before == after, KEY, net.make, must)


def _parts(model: Any) -> tuple[Any, Any, Any, Any]:
    """Structure, trainable weights, random streams and other state; what a forward pass sows is left out."""
    parts: Any = nnx.split(model, nnx.Param, nnx.RngState, nnx.Intermediate, ...)
    graph, params, streams, _, variables = parts
    return graph, params, streams, variables


def pure(state: Any) -> Tree:
    """An `nnx.State` as plain dicts."""
    return nnx.to_pure_dict(state)


def _filled(template: Any, values: Tree) -> Any:
    """A copy of an `nnx.State` with other arrays."""
    state = jax.tree.map(lambda leaf: leaf, template)
    nnx.replace_by_pure_dict(state, values)
    return state


def _begun(leaf: Any, key: Array, place: int) -> Array:
    """A random stream's key, its own by its place, or its count at zero."""
    if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jnp.zeros(leaf.shape, leaf.dtype)
    own = jax.random.fold_in(key, place)
    return jax.random.split(own, leaf.shape) if leaf.shape else own


def _plain_attributes(model: Any) -> list[Any]:
    """What modules hold beside variables and other modules, flat."""
    kept = [value for _, part in nnx.iter_modules(model) for value in vars(part).values()]
    inner = (nnx.Variable, nnx.Module)
    flat = jax.tree.leaves(kept, is_leaf=lambda value: isinstance(value, inner))
    return [leaf for leaf in flat if not isinstance(leaf, inner)]


def _kinds(variables: Tree) -> Any:
    """Shapes and types of variables, by their place."""
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype.name), variables)


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)  # type: ignore[no-untyped-call]


def _batch(sizes: ImageSizes) -> Array:
    return jnp.zeros((BATCH, sizes.side, sizes.side, sizes.channels))


def _shown(sizes: ImageSizes) -> str:
    return f"{sizes.side}x{sizes.side}x{sizes.channels}"
