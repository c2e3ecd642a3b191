"""Gates: what the compiled step of the engine must not contain, read from XLA's text, without timing anything.

Each is a function of the text of a compiled module; it lists what offends, so that an empty list passes.
"""

import re
from collections.abc import Callable

from cnnlab.zoo.native.convolution import TARGETS
from experiments.bench.workloads import Workload

CANONICAL = "dim_labels=b01f_01io->b01f"
"""Batch, rows, columns, features; the one order in which XLA:CPU runs a convolution inside a loop at full speed."""
WIDEST_WINDOW = 7  # pixels; a larger one is a weight gradient taken for a convolution with an image-sized kernel
KERNELS = {"W1": 60, "W2": 45, "W3": 110, "W3b": 170}  # at most a step on a GPU
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.-]+) \([^\n]*\) -> [^\n]* \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?[\w.-]+ = .*?\)?\}?\s([a-z][\w-]*)\(", re.MULTILINE)
_LOOP = re.compile(r" while\(.*\bbody=%?([\w.-]+)")


def containing(text: str, *words: str) -> list[str]:
    """Lines with any of the words."""
    return [line.strip() for line in text.splitlines() if any(word in line for word in words)]


def convolutions_in_loops(text: str) -> list[str]:
    """Convolutions, in a program with a loop, whose axes are not in canonical order: a scalar loop on a CPU."""
    return [line for line in containing(text, " convolution(") if CANONICAL not in line and _LOOP.search(text)]


def batch_groups(text: str) -> list[str]:
    """Convolutions grouped over the batch, for which XLA:CPU has no kernel."""
    return [line for line in containing(text, "batch_group_count=") if "batch_group_count=1," not in line]


def spare_convolutions(text: str, convolutions: int, channels: int) -> list[str]:
    """Convolutions beyond three for each of the net's: value, gradient at the kernel, gradient at what it reads.

    The first needs but two, since nothing asks for the gradient at the image, and none of XLA's where that has one
    channel: then it is a matrix product.
    """
    own = containing(text, *(f'custom_call_target="{target}"' for target in TARGETS))
    needed = 3 * convolutions - (3 if channels == 1 and not own else 1)
    return [*own, *containing(text, " convolution(")][needed:]


def image_sized_windows(text: str) -> list[str]:
    """Forward convolutions with a window larger than any layer's: a weight gradient that no library routine runs."""
    forward = containing(text, " convolution(", "__cudnn$convForward")
    sizes = {line: size[1].split("x") for line in forward if (size := re.search(r"window=\{size=([\dx]+)", line))}
    return [line for line, size in sizes.items() if max(map(int, size)) > WIDEST_WINDOW]


def weight_gradients_elsewhere(text: str, convolutions: int) -> list[str]:
    """One entry for every weight gradient that is neither cuDNN's backward filter nor a matrix product.

    A convolution that is a product has three of them, so that of the products at most a third are weight gradients.
    """
    filters = len(containing(text, "__cudnn$convBackwardFilter"))
    products = len(containing(text, "__cublas$gemm", "__cublas$lt$matmul", '"kind":"__triton'))
    return [f"a weight gradient of {convolutions} is missing"] * max(0, convolutions - filters - products // 3)


def kernels(text: str) -> int:
    """Kernels that a step launches, at most: all of the entry, or of the loop over steps, but views and parameters."""
    views = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element", "reshape")
    every = {"ENTRY" if entry else name: body for entry, name, body in _COMPUTATION.findall(text)}
    steps = [body for body in _LOOP.findall(text) if body in every] or ["ENTRY"]
    return max(sum(name not in views for name in _INSTRUCTION.findall(every[body])) for body in steps)


Gate = Callable[[str], list[str]]
# serial loops on a CPU, among them the gradient of a max-pool by `reduce_window`
_SCATTER: dict[str, Gate] = {"no_scatter": lambda text: containing(text, " scatter(", " select-and-scatter(")}
CPU: dict[str, Gate] = {
    **_SCATTER,
    "no_convolution_in_loop": convolutions_in_loops,
    "no_batch_group": batch_groups,
    "no_feature_group": lambda text: containing(text, "feature_group_count="),  # dense ones have them only under `vmap`
    "no_ynnpack": lambda text: containing(text, '"__ynn'),  # silent wrong results on record in jaxlib 0.10 and 0.11
}
GPU: dict[str, Gate] = {**_SCATTER, "no_image_sized_window": image_sized_windows}


def inspect(text: str, programs: int, kind: str, workload: Workload) -> dict[str, bool]:
    """Whether each gate passes: of a compiled step's text, and of the number of programs compiled for all steps."""
    convolutions = workload.net.depth
    passed = {name: not gate(text) for name, gate in (CPU if kind == "cpu" else GPU).items()}
    if kind == "cpu":
        passed["no_spare_convolution"] = not spare_convolutions(text, convolutions, workload.channels)
    else:
        passed["weight_gradients_by_library"] = not weight_gradients_elsewhere(text, convolutions)
        passed["few_kernels"] = kernels(text) <= KERNELS[workload.name]
    return {**passed, "one_program": programs == 1}
