"""Gates: what the compiled step of the engine must not contain, read from XLA's text, without timing anything.

Each is a function of the text of a compiled module; it lists what offends, so that an empty list passes.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from cnnlab.zoo.native.convolution import TARGETS
from experiments.bench.contract import Kind

CANONICAL = "b01f_01io->b01f"
"""Batch, rows, columns, features; the one order in which XLA:CPU runs a convolution inside a loop at full speed."""
WIDEST_WINDOW = 7
"""Pixels. A larger window is a weight gradient that was taken for a convolution with an image-sized kernel."""
KERNELS = {"W1": 60, "W2": 45, "W3": 110, "W3b": 170}
"""Most kernels a step on a GPU launches."""

Gate = Callable[[str], list[str]]

_HEAD = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\) -> .* \{$")
_CALLED = re.compile(r"(?:calls|to_apply|body|condition|true_computation|false_computation)=%?([\w.-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_LABELS = re.compile(r"dim_labels=(\w+->\w+)")
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?[\w.-]+ = .*?\)?\}?\s([a-z][\w-]*)\(")


def computations(text: str) -> dict[str, list[str]]:
    """Lines of every computation of a module, by name; the entry's name is `ENTRY`."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if head := _HEAD.match(line):
            lines = found.setdefault("ENTRY" if head[1] else head[2], [])
        elif line.startswith("}"):
            lines = []
        else:
            lines.append(line)
    return found


def reached(text: str, start: Sequence[str]) -> Iterator[str]:
    """Lines of the named computations and of all that they call."""
    every, waiting, seen = computations(text), list(start), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in every:
            continue
        seen.add(name)
        for line in every[name]:
            yield line
            waiting += _CALLED.findall(line)
            waiting += [word.strip(" %") for group in _BRANCHES.findall(line) for word in group.split(",")]


def loops(text: str) -> list[str]:
    """Names of the computations that are the bodies of loops."""
    found: list[str] = re.findall(r" while\(.*\bbody=%?([\w.-]+)", text)
    return found


def scatters(text: str) -> list[str]:
    """Scatters, which are serial loops on a CPU, among them the gradient of a max-pool by `reduce_window`."""
    return _containing(text, " scatter(", " select-and-scatter(")


def convolutions_in_loops(text: str) -> list[str]:
    """Convolutions in a loop whose axes are not in canonical order: a scalar loop on a CPU."""
    inside = [line.strip() for line in reached(text, loops(text)) if " convolution(" in line]
    return [line for line in inside if _labels(line) != CANONICAL]


def batch_groups(text: str) -> list[str]:
    """Convolutions grouped over the batch, for which XLA:CPU has no kernel."""
    return [line for line in _containing(text, "batch_group_count=") if "batch_group_count=1," not in line]


def grouped(text: str) -> list[str]:
    """Convolutions in feature groups, which nets of dense convolutions have only under `vmap`."""
    return _containing(text, "feature_group_count=")


def ynn(text: str) -> list[str]:
    """Work given to YNNPACK, which has silent wrong results on record in jaxlib 0.10 and 0.11."""
    return _containing(text, '"__ynn')


def spare_convolutions(text: str, convolutions: int, channels: int) -> list[str]:
    """Convolutions beyond three for each of the net's: value, gradient at the kernel, gradient at what it reads.

    The first needs but two, since nothing asks for the gradient at the image, and none of XLA's where that has one
    channel: then it is a matrix product.
    """
    own = _containing(text, *(f'custom_call_target="{target}"' for target in TARGETS))
    needed = 3 * convolutions - (3 if channels == 1 and not own else 1)
    return [*own, *_containing(text, " convolution(")][needed:]


def image_sized_windows(text: str) -> list[str]:
    """Forward convolutions with a window larger than any layer's: a weight gradient that no library routine runs."""
    lines = _containing(text, " convolution(", "__cudnn$convForward")
    return [line for line in lines if max(_window(line), default=0) > WIDEST_WINDOW]


def weight_gradients_elsewhere(text: str, convolutions: int) -> list[str]:
    """One entry for every weight gradient that is neither cuDNN's backward filter nor a matrix product.

    A convolution that is a product has three of them, so that of the products at most a third are weight gradients.
    """
    filters = len(_containing(text, "__cudnn$convBackwardFilter"))
    products = len(_containing(text, "__cublas$gemm", "__cublas$lt$matmul", '"kind":"__triton'))
    return [f"a weight gradient of {convolutions} is missing"] * max(0, convolutions - filters - products // 3)


def kernels(text: str) -> int:
    """Kernels that a step launches, at most: all of the entry, or of the loop over steps, but views and parameters."""
    views = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "reshape")
    every = computations(text)
    steps = [body for body in loops(text) if body in every] or ["ENTRY"]
    return max(
        sum(match[1] not in views for line in every.get(body, []) if (match := _INSTRUCTION.match(line)))
        for body in steps
    )


CPU: dict[str, Gate] = {
    "no_scatter": scatters,
    "no_convolution_in_loop": convolutions_in_loops,
    "no_batch_group": batch_groups,
    "no_feature_group": grouped,
    "no_ynnpack": ynn,
}
GPU: dict[str, Gate] = {"no_scatter": scatters, "no_image_sized_window": image_sized_windows}


def inspect(text: str, programs: int, kind: Kind, convolutions: int, channels: int, budget: int) -> dict[str, bool]:
    """Whether each gate passes.

    Args:
        text: of the compiled step.
        programs: how many were compiled for the steps of one architecture and batch size.
        kind: of device. convolutions: in the net. channels: of the image.
        budget: kernels that a step may launch on a GPU.
    """
    passed = {name: not gate(text) for name, gate in (CPU if kind == "cpu" else GPU).items()}
    if kind == "cpu":
        passed["no_spare_convolution"] = not spare_convolutions(text, convolutions, channels)
    if kind == "gpu":
        passed["weight_gradients_by_library"] = not weight_gradients_elsewhere(text, convolutions)
        passed["few_kernels"] = kernels(text) <= budget
    return {**passed, "one_program": programs == 1}


def _containing(text: str, *words: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if any(word in line for word in words)]


def _labels(line: str) -> str:
    found = _LABELS.search(line)
    return found[1] if found else ""


def _window(line: str) -> list[int]:
    found = re.search(r"window=\{size=([\dx]+)", line)
    return [int(size) for size in found[1].split("x")] if found else []
