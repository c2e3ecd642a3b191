"""The network a geometry command asks about: a graph file, a user's own Flax module, or a net of the zoo."""

import contextlib
import dataclasses
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.geometry.cost import cost
from cnnlab.geometry.graph_json import LARGEST, load
from cnnlab.geometry.sizes import shown
from cnnlab.modules.source import look_here
from cnnlab.spec.invalid import InvalidError, require
from cnnlab.spec.net import Classic, Net
from cnnlab.spec.network import Network, Pair
from cnnlab.spec.own_module import OwnModule, not_its_file
from cnnlab.spec.task import Task
from experiments.cli.errors import UsageError

if TYPE_CHECKING:
    from cnnlab.tracing.opinion import Opinion


@dataclass(frozen=True, kw_only=True)
class MeasuredNetwork:
    """A network to measure.

    Attributes:
        title: what it is, for a reader. notes: what else a reader should know, a sentence each.
        size: (height, width) of the image; None if unknown.
        xla: asks XLA for its own count of multiply-accumulates; None where there is no program to ask about.
        measure: holds layers, by name, against the gradient of the user's own module; None for a net that is no module.
    """

    network: Network
    size: Pair | None
    title: str
    notes: tuple[str, ...] = ()
    xla: Callable[[], float] | None = None
    measure: "Callable[[Sequence[str]], Sequence[Opinion]] | None" = None


@dataclass(frozen=True, kw_only=True)
class InputImages:
    """What a net classifies: side in pixels, channels and classes."""

    side: int
    channels: int
    classes: int


IMAGENET = InputImages(side=224, channels=3, classes=1000)
CIFAR = InputImages(side=32, channels=3, classes=10)

CUSTOMARY = {
    "lenet5": InputImages(side=32, channels=1, classes=10),
    "tiny_vgg": InputImages(side=64, channels=3, classes=10),
    "all_cnn": CIFAR,
    "network_in_network": CIFAR,
    "alexnet": dataclasses.replace(IMAGENET, side=227),
    "inception_v3": dataclasses.replace(IMAGENET, side=299),
}
"""The images of a classic's own paper, where they are not ImageNet's 224 x 224; AlexNet's maps need 227."""


def from_graph(path: Path, size: Pair | None) -> MeasuredNetwork:
    """Read a graph file; `size` replaces its `input_size`. Raises InvalidError as `cnnlab.geometry.graph_json.load`."""
    graph = load(path)
    found = graph.input_size if size is None else size
    return MeasuredNetwork(network=graph.network, size=found, title=f"{path.name} on {shown(found)} images")


def from_model(words: Sequence[str], size: Pair | None, channels: int | None) -> MeasuredNetwork:
    """Bind a net of the zoo, or a user's own (`model=module`), to images: those of `data=`, or those customary for it.

    Args:
        words: such as `model=vgg16` and `data=cifar10`, as for experiments.run.
        size: (height, width) in place of the images' own. channels: likewise.

    Raises:
        UsageError, InvalidError: a word cannot be understood, or the net does not fit the images.
    """
    from cnnlab.modules.graph import network_of
    from experiments.config.grid import net_and_task

    net, task = net_and_task(list(words))
    images = _images(net, task, any(word.startswith("data") for word in words))
    height, width = (images.side, images.side) if size is None else size
    colours = images.channels if channels is None else channels
    title = f"{net.label} on {height}x{width}x{colours} images, {images.classes} classes"
    if isinstance(net, OwnModule):
        require(height == width, "size", f"{height},{width}", "must be one side: an arm's images are square")
        traced = network_of(net, height, colours, images.classes)
        return MeasuredNetwork(network=traced, size=(height, width), title=title)
    built = dataclasses.replace(network_of(net, min(height, width), colours, images.classes), size=(height, width))

    def xla() -> float:
        import jax
        from flax import nnx

        from cnnlab.tracing import xla_macs
        from cnnlab.zoo.module import Net as Module

        module = nnx.eval_shape(lambda: Module(built, jax.random.key(0)))
        return xla_macs(module, (height, width), colours)

    return MeasuredNetwork(network=built, size=(height, width), title=title, notes=_said(net), xla=xla)


def from_module(place: str, size: Pair | None, channels: int | None) -> MeasuredNetwork:
    """Trace a user's own module: `package.module:make`, importable from the current folder and `CNNLAB_EXTRA` too.

    `make` is called without arguments, or with `rngs` if it asks for them. What the user's code prints goes to stderr.

    Raises:
        UsageError, InvalidError: the module cannot be imported, made or traced; in one line.
    """
    if size is None:
        raise UsageError("--module needs the image: add --size 224 or --size HEIGHT,WIDTH")
    colours = 3 if channels is None else channels
    with contextlib.redirect_stdout(sys.stderr):
        make = _factory(place)
        from cnnlab.tracing.forward import FAILS, forward, images
        from cnnlab.tracing.tracing import traced

        try:
            found = traced(make, size, colours)
        except InvalidError as problem:
            if not problem.valid.startswith(FAILS) or channels is not None:
                raise
            more = f"{problem.valid}; the image is taken to have 3 channels, --channels 1 gives it another number"
            raise UsageError(f"--module {place} is not valid: {more}") from problem
        learned = forward(make, images(1, size, colours)).parameters
    read = cost(found.network, size).params
    notes = () if read == learned else (f"The module learns {learned:,} numbers; its output reads {read:,} of them.",)

    def xla() -> float:
        from cnnlab.tracing import xla_macs

        with contextlib.redirect_stdout(sys.stderr):
            return xla_macs(make, size, colours)

    def measure(names: Sequence[str]) -> "Sequence[Opinion]":
        from cnnlab.tracing.opinion import opinions

        return opinions(found, names)

    title = f"{place} on {shown(size)}x{colours} images"
    return MeasuredNetwork(network=found.network, size=size, title=title, notes=notes, xla=xla, measure=measure)


def _images(net: Net, task: Task, named: bool) -> InputImages:
    """The images a net is measured on."""
    if named or not isinstance(net, Classic):
        return InputImages(side=task.side, channels=task.channels, classes=task.classes)
    if (net.name, net.variant) == ("alexnet", "one_tower"):
        return IMAGENET
    return CUSTOMARY[net.name] if net.name in CUSTOMARY else IMAGENET


def _said(net: Net) -> tuple[str, ...]:
    """What a classic's own file says of itself: its first line, its variant, where its strides and paddings sit."""
    if not isinstance(net, Classic):
        return ()
    said = importlib.import_module(f"cnnlab.zoo.classics.{net.name}").__doc__ or ""
    name = net.variant or "(empty)"
    entry = re.search(rf"^    {re.escape(name)} (.*(?:\n     .*)*)", said, re.MULTILINE)
    paragraphs = [" ".join(paragraph.split()) for paragraph in said.split("\n\n")]
    where = [paragraph for paragraph in paragraphs[1:] if paragraph.startswith("Where ")]
    variant = [f"variant {name}: {' '.join(entry[1].split())}"] if entry else []
    return paragraphs[0], *variant, *where


def _factory(place: str) -> Callable[[], Any]:
    """The user's function that makes a module, ready to be called."""
    name, _, attribute = place.partition(":")
    if not name or not attribute:
        raise UsageError(f"--module {place} is not valid: must be package.module:make")
    look_here()
    hint = not_its_file(place)
    if hint and not _is_module(name):
        raise UsageError(f"--module {place} is not valid{hint}")
    with _one_line(f"--module {place}: {name} cannot be imported"):
        found: Any = importlib.import_module(name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise UsageError(f"--module {place} is not valid: {name} has no {attribute}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"--module {place} is not valid: {attribute} is no function that makes a module")
    with _one_line(f"--module {place}: what {attribute} takes cannot be found out"):
        parameters = inspect.signature(found.__init__ if inspect.isclass(found) else found).parameters.values()
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in free and p.name != "self"]
    if set(needed) - {"rngs"}:
        must = "must be callable without arguments, or with rngs alone (model=module takes model.args.NAME=VALUE)"
        raise UsageError(f"--module {place} is not valid: {attribute} needs {', '.join(needed)}; it {must}")
    return _with_streams(found) if any(p.name == "rngs" for p in parameters) else found


def _is_module(name: str) -> bool:
    """Whether Python finds a module of that name; what is around it is imported for that."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, TypeError):
        return False


def _with_streams(make: Callable[..., Any]) -> Callable[[], Any]:
    """The function with fresh random streams each time it is called."""

    def call() -> Any:
        from flax import nnx

        return make(rngs=nnx.Rngs(0))

    return call


@contextlib.contextmanager
def _one_line(what: str) -> Any:
    """Turn whatever the user's code raises, or its exit, into one line."""
    try:
        yield
    except (Exception, SystemExit) as problem:
        said = next((line.strip() for line in str(problem).splitlines() if line.strip()), "")
        raise UsageError(f"{what}: {type(problem).__name__}: {said}") from problem


def size_of(text: str) -> Pair:
    """Read a size, `224` or `HEIGHT,WIDTH`. Raises InvalidError."""
    parts = [number(part, LARGEST) for part in text.replace("x", ",").split(",")]
    first, last = parts[0], parts[-1]
    if len(parts) > 2 or first is None or last is None or min(first, last) < 1:
        valid = f"must be SIDE or HEIGHT,WIDTH in whole pixels from 1 to {LARGEST}, such as 224 or 192,256"
        raise InvalidError("size", text, valid)
    return first, last


def number(text: str, largest: int) -> int | None:
    """A whole number of at most `largest`, or its negative; None for any other text, however long."""
    digits = text.strip().removeprefix("-")
    if not digits.isdecimal() or len(digits.lstrip("0")) > len(str(largest)):
        return None
    value = int(digits.lstrip("0") or "0") * (-1 if text.strip().startswith("-") else 1)
    return value if abs(value) <= largest else None
