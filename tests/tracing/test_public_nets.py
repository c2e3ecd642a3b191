"""Nets in the styles of public repositories: what a trace says is where the module's own input gradient arrives."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from cnnlab.geometry.cost import cost
from cnnlab.geometry.fields import fields
from cnnlab.geometry.sizes import sizes
from cnnlab.geometry.windows import pixels
from cnnlab.spec.network import Conv, Network
from cnnlab.tracing.calling import evaluate, evaluate_linen, initialise_linen
from cnnlab.tracing.opinion import opinions
from cnnlab.tracing.tracing import Traced, traced
import nets

RNGS = lambda kind: lambda: kind(rngs=nnx.Rngs(0))  # noqa: E731

FIELDS: dict[str, tuple[Callable[[], Any], tuple[int, int], tuple[Any, Any, Any]]] = {
    # rf, stride, padding along the height
    "UNet": (nets.UNet, (16, 24), (24, 1, 23 / 2)),
    "ResizeUNet": (nets.ResizeUNet, (15, 17), (0, 0, 0)),
    "ResizeUNet nearest": (lambda: nets.ResizeUNet("nearest"), (16, 16), (0, 0, 0)),
}
MAPS: dict[str, tuple[Callable[[], Any], tuple[int, int]]] = {
    "UNet": (nets.UNet, (16, 24)),
    "ResizeUNet": (nets.ResizeUNet, (15, 18)),
    "ResizeUNet nearest": (lambda: nets.ResizeUNet("nearest"), (17, 16)),
    "ResizeUNet cubic": (lambda: nets.ResizeUNet("cubic"), (32, 16)),
    "Dense": (nets.Dense, (17, 18)),
    "MobileNetV2": (RNGS(nets.MobileNetV2), (21, 24)),
    "ConvNeXt": (RNGS(nets.ConvNeXt), (33, 32)),
    "SpatialGate": (RNGS(nets.SpatialGate), (15, 16)),
    "Pyramid": (RNGS(nets.Pyramid), (21, 24)),
    "Atrous": (nets.Atrous, (31, 24)),
    "Shuffle": (RNGS(nets.Shuffle), (9, 10)),
    "GroupNormed": (nets.GroupNormed, (9, 10)),
    "Inception": (nets.Inception, (33, 32)),
    "SpaceToDepth": (RNGS(nets.SpaceToDepth), (20, 24)),
    "BlurPooled": (RNGS(nets.BlurPooled), (17, 16)),
    "PixelCNN": (RNGS(nets.PixelCNN), (11, 12)),
    "Shared": (RNGS(nets.Shared), (15, 16)),
    "Halved": (nets.Halved, (32, 23)),
    "Halved cubic": (lambda: nets.Halved("cubic"), (32, 30)),
    "Halved lanczos3": (lambda: nets.Halved("lanczos3"), (40, 41)),
    "Standardised": (RNGS(nets.Standardised), (9, 10)),
    "Rolled": (RNGS(nets.Rolled), (9, 10)),
}


if __name__ == "__main__":
    import sys, time
    which = sys.argv[1:]
    cases = {**MAPS, **{f"gate {how}": ((lambda how=how: nets.SqueezeExcite(how)), (9, 12)) for how in nets.GATES},
      "ResponseNorm": (RNGS(nets.ResponseNorm), (9,10)), "Decoder": (RNGS(nets.Decoder), (9,10)), "StripPool": (RNGS(nets.StripPool), (9,10)),
      "ImagePool": (nets.ImagePool,(9,10)), "ImagePool nearest": (lambda: nets.ImagePool("nearest"),(9,10))}
    for name, (make, size) in cases.items():
        if which and name not in which: continue
        t = time.time()
        try:
            found = traced(make, size, 3)
        except Exception as e:
            print(name, type(e).__name__, str(e)[:300]); continue
        try:
            f = fields(found.network, size)[found.network.output]
            print(name, f.rf, f.stride, f.padding, f.axes, cost(found.network,size).params, end=' ')
            for o in opinions(found, [found.network.output]):
                if not o.agree: print("DISAGREE", o, end=' ')
        except Exception as e:
            import traceback
            print(type(e).__name__, str(e)[:300])
        print(f"{time.time()-t:.1f}")
