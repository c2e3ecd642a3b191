"""Tries a user's module with numbers, once, before it is trained."""

import functools

import jax
import numpy as np
from jax import Array

from cnnlab.modules.making import ImageSizes
from cnnlab.modules.own import BATCH, structure, trainable
from cnnlab.modules.source import KEY, one_line
from cnnlab.spec.invalid import require
from cnnlab.spec.own_module import OwnModule

QUICKLY_COMPILED = {"xla_backend_optimization_level": 0}
"""Compiling takes longer than running."""


@functools.lru_cache(maxsize=256)
def check(net: OwnModule, sizes: ImageSizes) -> None:
    """Call a module on a batch of noise, as it begins.

    Raises:
        InvalidError: its logits are not finite, in training or in evaluation, or it draws random numbers in evaluation.
    """
    found, functions = structure(net, sizes), trainable(net, sizes)
    images = np.random.default_rng(0).standard_normal((BATCH, sizes.side, sizes.side, sizes.channels), np.float32)

    def both(key: Array) -> tuple[Array, Array]:
        images_ = jax.numpy.asarray(images)
        params, statistics = functions.init(begin) if made is None else made  # with the rest, it compiles at once
        trained = functions.train(params, {}, statistics, images_)[0]
        return trained, found.forward(params, {}, statistics["variables"], images_, key, training=False)[0]

    with one_line(KEY, net.make, "its module fails"):
        begin = jax.random.key(0)
        made = None if found.abstract else functions.init(begin)
        run = jax.jit(both, compiler_options=QUICKLY_COMPILED)
        trained, first = (np.asarray(logits) for logits in run(jax.random.key(1)))
        second = np.asarray(run(jax.random.key(2))[1])
    for word, logits in (("training", trained), ("evaluation", first)):
        require(bool(np.isfinite(logits).all()), KEY, net.make, f"its output in {word} is not finite before any step")
    must = "its output in evaluation is random: dropout must be off there, by train=, deterministic= or module.eval()"
    require(bool((first == second).all()), KEY, net.make, must)
