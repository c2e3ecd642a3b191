"""Nets in different styles, each trained for real as an arm of `model=module`."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from cnnlab.data import Source
from cnnlab.modules.own import VARIABLES
from cnnlab.training import members
from cnnlab.training.program import State, program
from cnnlab.training.run import MemberRun
from experiments.config.grid import grid

from .conftest import Written

STYLES: dict[str, tuple[str, int]] = {
    "RunningAverage": ("Conv_0", 2),
    "TrainKeyword": ("conv", 2),
    "RandomOrNot": ("conv", 0),
    "Gated": ("Conv_1", 0),
    "Shared": ("stem", 0),
    "Decoder": ("encode", 0),
    "Inverted": ("depth", 2),
    "DenselyConnected": ("Conv_1", 5),
    "sequential": ("layers.0", 0),
}
"""A layer whose statistics are looked at, and how many arrays the net holds beside its parameters."""
STILL = {"DenselyConnected": ["variable ['activity'][0]"]}
"""What is sown as a net is initialised lies there, and is not carried on."""
FEW = ("scale=smoke", "scale.members=2", "scale.max_train_images=64", "scale.max_epochs=1", "train.rates=1")
FROZEN = """
class Net(nnx.Module):
    def __init__(self, width, in_channels, classes, rngs):
        self.conv = nnx.Conv(in_channels, width, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x):
        return self.head(jax.lax.stop_gradient(self.norm(self.conv(x), use_running_average=True)).mean((1, 2)))
"""


def wrong(make: str, layer: str, batch_statistics: int, cache: Path) -> list[str]:
    """What is not as it must be after one member was trained as the command line would have it."""
    words = ("tracker=off", "model=module", f"model.make={make}", "model.args.width=4", "data=digits12", *FEW)
    (point,) = grid(list(words)).points
    ends: list[State] = []
    run = MemberRun(arm=point.arm, seed=3, learning_rate=0.01)
    (made,) = members.train([run], Source(cache_dir=cache), "sequential", lambda _, state: ends.append(state))
    first, last = program(point.arm).init(3), ends[-1]
    found = [] if np.isfinite(made.history["loss/train"]).all() else ["a loss is not finite"]
    for name in (f"grad_norm/{layer}/kernel", f"update_to_weight/{layer}/kernel", f"activation_grad_norm/{layer}"):
        found += [] if all(value > 0 for value in made.history["stats"][name]) else [name]
    found += [f"parameter {path}" for path in still(first.params, last.params)]
    found += [f"variable {path}" for path in still(first.statistics[VARIABLES], last.statistics[VARIABLES])]
    count = len(jax.tree.leaves(last.statistics[VARIABLES]))
    return found if count == batch_statistics else [*found, f"{count} variables"]


def still(before: Any, after: Any) -> list[str]:
    """Paths of the arrays that have not moved, or to where no number is."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(before), jax.tree.leaves(after), strict=True)
    return [
        jax.tree_util.keystr(path)
        for (path, one), other in pairs
        if (np.asarray(one) == np.asarray(other)).all() or not np.isfinite(other).all()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
def test_a_net_in_any_style_is_trained(style: str, tmp_path: Path) -> None:
    assert wrong(f"styles:{style}", *STYLES[style], tmp_path) == (STILL[style] if style in STILL else [])


@pytest.mark.slow
def test_a_net_that_learns_in_its_head_alone_is_noticed(written: Written, tmp_path: Path) -> None:
    """The twin: no gradient reaches its convolution, and its batch statistics never move."""
    found = wrong(written(FROZEN, "Net").make, "conv", 2, tmp_path)
    assert {"grad_norm/conv/kernel", "activation_grad_norm/conv", "parameter ['conv']['kernel']"} <= set(found)
    assert "variable ['norm']['mean']" in found
    assert "parameter ['head']['kernel']" not in found
