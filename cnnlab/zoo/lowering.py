"""Binds a net to an image: `Net` in, graph of named layers out. No JAX."""

import importlib
import pkgutil
from collections.abc import Mapping

from cnnlab.spec.invalid import require_choice
from cnnlab.spec.net import ConvNet, ZooNet
from cnnlab.spec.network import Network
from cnnlab.zoo import classics
from cnnlab.zoo.convnet import convnet


def network(net: ZooNet, side: int, channels: int, classes: int) -> Network:
    """Lower a net to its graph on square images of `side` pixels.

    Raises:
        InvalidError: no classic has that name or variant, or the net does not fit the image: a map would shrink
            below 1 x 1 (the message names the layer and the size).
    """
    if isinstance(net, ConvNet):
        return convnet(net, side, channels, classes)
    require_choice("model.name", net.name, names())
    module = importlib.import_module(f"{classics.__name__}.{net.name}")
    require_choice("model.variant", net.variant, module.VARIANTS)
    built: Network = module.build(net, side, channels, classes)
    return built


def names() -> tuple[str, ...]:
    """List the names of the classics there are: the files in `cnnlab/zoo/classics`."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(classics.__path__)))


def variants() -> Mapping[str, tuple[str, ...]]:
    """List the variants of every classic; ("",) for one that has none."""
    modules = {name: importlib.import_module(f"{classics.__name__}.{name}") for name in names()}
    return {name: module.VARIANTS for name, module in modules.items()}
