"""How much larger or smaller a gradient gets with every layer on its way down, before any training."""

import math

from cnnlab.records.coding import build
from cnnlab.spec.net import Classic, ConvNet
from cnnlab.spec.network import Activation
from cnnlab.spec.record import Record
from cnnlab.zoo.lowering import network

STATISTIC = "activation_grad_norm"
STATISTICS = (STATISTIC,)


def values(record: Record) -> tuple[float, ...]:
    """log10 of the factor per layer, from the last activation down to the first, on the first batch of training.

    (log10 g_first - log10 g_last) / (layers - 1), where g is the L2 norm of the loss gradient at a layer's output:
    -1 means that every layer leaves a tenth. NaN where a norm is zero or not finite, or there is one activation only.
    """
    sites = activations(record)
    return tuple(_decay(history["stats"], sites) for history in record.histories)


def activations(record: Record) -> tuple[str, ...]:
    """The layers of the record's net that carry the activation, from the image to the logits; none of an own module."""
    written, task = record.config["net"], record.config["task"]
    if "make" in written:  # of a user's module it is not known which layer comes first
        return ()
    net = build(ConvNet if "depth" in written else Classic, written, "config.net")
    graph = network(net, task["side"], task["channels"], task["classes"])
    return tuple(node.name for node in graph.nodes if isinstance(node, Activation))


def _decay(stats: dict[str, list[float | None]], sites: tuple[str, ...]) -> float:
    """The log10 factor of one member, from what was recorded at the first look."""
    if len(sites) < 2:
        return math.nan
    first, last = (stats[f"{STATISTIC}/{site}"][0] for site in (sites[0], sites[-1]))
    if not first or not last:
        return math.nan
    return (math.log10(first) - math.log10(last)) / (len(sites) - 1)
