"""The graph of a net and its exact properties: lowered where it is one of the zoo, traced where it is a user's own."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import AlignmentError, fields
from cnnlab.geometry.measured import measured
from cnnlab.geometry.sizes import sizes
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.net import Net
from cnnlab.spec.network import Network
from cnnlab.spec.own_module import OwnModule
from cnnlab.spec.record import Measured
from cnnlab.zoo.lowering import network


@dataclass(frozen=True, kw_only=True)
class Graph:
    """What is known of a net on images of one size.

    Attributes:
        network: its layers; None where a user's module cannot be followed.
        measured: its exact properties; of a module that cannot be followed the parameters alone, and no receptive field
            of one whose paths do not meet.
        refused: why something is missing, in one line; empty if nothing is.
    """

    network: Network | None
    measured: Measured
    refused: str = ""


@functools.lru_cache(maxsize=256)
def graph(net: Net, side: int, channels: int, classes: int) -> Graph:
    """The graph of a net on square images of `side` pixels.

    Raises:
        InvalidError: a net of the zoo does not fit the image, or a user's module cannot be made and called.
    """
    if not isinstance(net, OwnModule):
        lowered = network(net, side, channels, classes)
        return Graph(network=lowered, measured=measured(lowered, (side, side)))
    if net.pooled_image:  # the same module, which is shown something else
        return graph(dataclasses.replace(net, pooled_image=False), side, channels, classes)
    return _traced(net, side, channels, classes)


def zoo_network(net: Net, side: int, channels: int, classes: int) -> Network:
    """The graph of a net of the zoo. Raises InvalidError for a user's own, and as `zoo.lowering.network`."""
    if isinstance(net, OwnModule):
        raise InvalidError("model", net.label, "must be a net of the zoo: of an own module no layer's output is known")
    return network(net, side, channels, classes)


def network_of(net: Net, side: int, channels: int, classes: int) -> Network:
    """The graph of a net, be it a user's own. Raises InvalidError as `graph`, and where a module cannot be followed."""
    found = graph(net, side, channels, classes)
    if found.network is None:
        raise InvalidError("model", net.label, f"it cannot be followed: {found.refused}")
    return found.network


def _traced(net: OwnModule, side: int, channels: int, classes: int) -> Graph:
    """Follow a user's module; what cannot be followed is no reason not to train it."""
    from cnnlab.modules.making import ImageSizes
    from cnnlab.modules.own import structure, weights

    found = structure(net, ImageSizes(side=side, channels=channels, classes=classes))
    params, size = weights(found), (side, side)
    try:
        traced = trace_evaluation(found, side, channels)
        priced, last = cost(traced, size), sizes(traced, size)[traced.features]
        exact = Measured(
            params=params, macs=priced.macs, output_size=last, activation_elements=priced.activation_elements
        )
    except InvalidError as problem:
        return Graph(network=None, measured=Measured(params=params), refused=" ".join(str(problem).split()))
    try:
        field = fields(traced, size)[traced.features].rf
    except AlignmentError as problem:  # a fact about the net: a unit sees no one window
        return Graph(network=traced, measured=exact, refused=f"no receptive field: misaligned at {problem}")
    return Graph(network=traced, measured=dataclasses.replace(exact, receptive_field=field))


def trace_evaluation(found: Any, side: int, channels: int) -> Network:
    """Trace a module as it is called in evaluation. Raises InvalidError as `cnnlab.tracing.trace`."""
    from flax import nnx

    from cnnlab.modules.making import some_key
    from cnnlab.tracing import trace

    if found.collections is not None:
        return trace(found.linen, (side, side), channels)
    make = found.build
    module = nnx.eval_shape(lambda: make(some_key())) if found.abstract else make(some_key())
    return trace(module, (side, side), channels)
