"""What cannot be trained is told in one line before anything trains; what looks odd and can be trained is."""

from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from cnnlab.modules import own as module_of_own
from cnnlab.modules.check import check
from cnnlab.modules.making import ImageSizes
from cnnlab.modules.own import structure, trainable
from cnnlab.modules.recording import recording
from cnnlab.spec.invalid import InvalidError
from cnnlab.spec.own_module import OwnModule

from .conftest import Written, own

SIZES = ImageSizes(side=8, channels=1, classes=10)
NET = """
class Net(nnx.Module):
    def __init__(self, width=4, classes=10, *, rngs):
        {more}
        self.out = nnx.Linear(64, classes, rngs=rngs)

    def __call__(self, x{arguments}):
        x = x.reshape((x.shape[0], -1))
        {before}
        return {result}
"""
CALL = "self.out(x)"


def net(more: str = "pass", arguments: str = "", before: str = "pass", result: str = CALL) -> str:
    return NET.format(more=more, arguments=arguments, before=before, result=result)


REFUSED: dict[str, tuple[str, str, dict[str, object], str]] = {
    "unknown argument": (net(), "Net", {"widht": 8}, "model.args.widht=8 is not valid: .*takes width, classes"),
    "missing argument": ("def make(depth, rngs): ...", "make", {}, "needs depth: add model.args.depth=VALUE"),
    "no rngs": (f"{net()}\ndef make(): return Net(rngs=nnx.Rngs(0))", "make", {}, "must take rngs"),
    "raises": ("def make(rngs): raise ValueError('no luck')", "make", {}, "making the module fails: ValueError: no"),
    "exits": ("def make(rngs): raise SystemExit(3)", "make", {}, "making the module fails: SystemExit: 3"),
    "no module": ("def make(rngs): return 5", "make", {}, "returned a int: must return a flax.nnx.Module or"),
    "no such function": ("make = 5\ndef other(rngs): ...", "mace", {}, "has no mace; it has .*other"),
    "no function": ("make = 5", "make", {}, "make is a int, not a function"),
    "call needs more": (net(arguments=", mask"), "Net", {}, "needs mask: beside the images it is given train"),
    "fails in training": (net(before="x = x @ jnp.ones((3, 3))"), "Net", {}, "fails in training on 8x8x1 images"),
    "exits when called": (net(before="raise SystemExit(3)"), "Net", {}, "fails in training .*: SystemExit: 3"),
    "a pair": (net(result="(self.out(x), x)"), "Net", {}, "its output on 4 images is a tuple: must be logits"),
    "a map": (net(result="self.out(x)[:, None]"), "Net", {}, r"is \[4, 1, 10\]: must be logits, \[batch, classes\]"),
    "class count": (net(), "Net", {"classes": 7}, r"its output on 4 images is \[4, 7\]: .* here \[4, 10\]"),
    "no weights": (net(result="x[:, :10]").replace("self.out =", "unused ="), "Net", {}, "has no parameters"),
    "a key": (net("self.key = rngs.params()"), "Net", {}, "its state key is a random key, which is not carried"),
    "grows": (
        net(
            "self.seen = nnx.Variable(jnp.zeros(2))",
            before="self.seen[...] = jnp.zeros(2); self.more = nnx.BatchStat(x)",
        ),
        "Net",
        {},
        "changes the shape or the number of its variables",
    ),
}
NUMBERS: dict[str, tuple[str, str]] = {
    "not finite": (net(result="self.out(x) / 0"), "its output in training is not finite"),
    "random in evaluation": (
        net("self.drop = nnx.Dropout(0.5, rngs=rngs)", before="x = self.drop(x, deterministic=False)"),
        "its output in evaluation is random",
    ),
}
TAKEN: dict[str, tuple[str, dict[str, object]]] = {
    "plain": (net(), {}),
    "a list": (net("self.taken = tuple(width)"), {"width": [1, 2]}),
    "looks at numbers": (net("self.rate = float(jnp.linspace(0.0, 0.5, 3)[1])"), {}),
    "a plain array": (net("self.shift = jnp.ones(64)", before="x = x + self.shift"), {}),
    "a key as argument": (
        net(arguments=", key=None", before="x = x if key is None else jax.random.permutation(key, x)"),
        {},
    ),
    "remat": (net(before="x = nnx.remat(lambda m, y: y + m.out(y).mean())(self, x)"), {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_told_in_one_line(written: Written, name: str) -> None:
    text, function, args, said = REFUSED[name]
    with pytest.raises(InvalidError, match=said) as told:
        structure(written_net(written, text, function, args), SIZES)
    assert "\n" not in str(told.value)
    assert told.value.key.startswith("model.")


def written_net(written: Written, text: str, function: str, args: dict[str, object]) -> OwnModule:
    return written(text, function, **args)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_cannot_be_trained_on_are_told(written: Written, name: str) -> None:
    text, said = NUMBERS[name]
    with pytest.raises(InvalidError, match=said):
        check(written(text, "Net"), SIZES)


@pytest.mark.parametrize("name", TAKEN)
def test_what_looks_odd_and_can_be_trained_is_taken(written: Written, name: str) -> None:
    """The twin: the same net with another line is none of those above."""
    text, args = TAKEN[name]
    check(written(text, "Net", **args), SIZES)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("no_such_module_anywhere:make", "there is no module no_such_module_anywhere"),
        ("mynets.nothing:make", "has no Python file"),
        ("itertools", "must be package.module:function"),
        ("a b:c", "must be package.module:function"),
        ("zlib:compress", "has no Python file"),
        ("./mynets.py:make", "must be package.module:function, .*: name the module, mynets, not its file"),
        ("sub/inner:make", ": name the module, sub.inner, not its file"),
        ("sub/inner.py:make", ": name the module, sub.inner, not its file"),
        ("/abs/mynets.py:make", ": name the module, mynets, not its file, and set CNNLAB_EXTRA to its folder"),
        ("../mynets.py:make", ": name the module, mynets, not its file, and set CNNLAB_EXTRA to its folder"),
        ("mynets.py:make", "has no Python file that could be read: name the module, mynets, not its file"),
    ],
)
def test_a_place_that_is_none(make: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        own(make)


def test_a_mistake_is_told_with_its_place_in_the_users_file(written: Written) -> None:
    text = net(before="y = self.out(x)\n        raise KeyError('mask')")
    place = text.splitlines().index("        raise KeyError('mask')") + 5  # behind the four lines of `written`
    said = rf"in training on 8x8x1 images: KeyError: 'mask' \(written_.*\.py:{place}\)$"
    with pytest.raises(InvalidError, match=said):
        structure(written(text, "Net"), SIZES)


def test_both_reasons_are_told_where_a_net_can_be_made_neither_with_numbers_nor_without(written: Written) -> None:
    """The first attempt knows no numbers, the second does; neither's reason may be lost."""
    more = "rate = float(jnp.ones(())); raise ValueError('a rate of 1')"
    with pytest.raises(InvalidError) as told:
        structure(written(net(more), "Net"), SIZES)
    assert "making the module fails: ValueError: a rate of 1 (written_" in told.value.valid
    assert "; without numbers: ConcretizationTypeError: " in told.value.valid
    assert "\n" not in str(told.value)


def test_outputs_of_layers_that_cannot_be_had_are_told_with_their_reason(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(model: Any, names: Collection[str], nudges: Any) -> Any:
        if names:
            raise RuntimeError("planted")
        return recording(model, names, nudges)

    plain = structure(written(net(), "Net"), SIZES)
    assert (plain.sites, plain.unseen) == (("out",), "")
    monkeypatch.setattr(module_of_own, "recording", refused)
    found = structure(written(net(), "Net"), SIZES)
    assert found.sites == ()
    assert found.unseen.startswith("RuntimeError: planted")


TRANSFORMED = {
    "scan": "x = jax.lax.scan(lambda y, _: (y + self.inner(y), None), x, length=2)[0]",
    "checkpoint": "x = jax.checkpoint(lambda y: y + self.inner(y))(x)",
    "vmap": "x = jax.vmap(self.inner)(x)",
    "jit": "x = jax.jit(self.inner)(x)",
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_what_a_layer_gives_inside_a_transform_does_not_leave_it(written: Written, name: str) -> None:
    """It would be a tracer that has leaked, which JAX refuses in the first step and not before."""
    text = net("self.inner = nnx.Linear(64, 64, rngs=rngs)", before=TRANSFORMED[name])
    made = trainable(written(text, "Net"), SIZES)
    assert made.sites == ("out",)
    params, statistics = made.init(jax.random.key(0))
    _, layers, _ = jax.jit(made.train)(params, {}, statistics, jnp.ones((4, 8, 8, 1)))
    assert {name: value.shape for name, value in layers.items()} == {"out": (4, 10)}


def test_a_file_that_cannot_be_imported(written: Written) -> None:
    with pytest.raises(InvalidError, match="cannot be imported: ZeroDivisionError: division by zero"):
        structure(written("1 / 0\ndef make(rngs): ..."), SIZES)
    with pytest.raises(InvalidError, match="cannot be read"):
        written("def make(:")
