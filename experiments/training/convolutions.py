"""Which convolutions train: our own where this machine has a compiler for them, else XLA's; provenance says which.

Their last digits differ, as those of two processors do.
"""

from pathlib import Path

from rich.console import Console

from cnnlab.spec.invalid import InvalidError
from cnnlab.training.workers import accelerator
from experiments.config.resolve import Settings
from experiments.config.schema import AUTO, NATIVE, XLA


def check(settings: Settings, gpus: int | None = None) -> None:
    """Look, before anything is trained, whether our own convolutions can be had if they are asked for by name.

    Args:
        gpus: that jobs of a launcher have; None where this machine trains.

    Raises:
        InvalidError: they cannot be had.
    """
    if settings.convolutions != NATIVE:
        return
    if gpus:
        raise _unavailable("these are for a CPU, and hydra.launcher.gpus asks for GPUs")
    if gpus is None and (problem := _missing()):
        raise _unavailable(problem)


def library(settings: Settings, compiled: Path, console: Console) -> Path | None:
    """The library of our own convolutions, compiled into a folder if need be; None for XLA's.

    Raises:
        InvalidError: our own are asked for by name and cannot be had.
    """
    if settings.convolutions == XLA:
        return None
    from cnnlab.zoo import native  # here, since it brings JAX

    problem = _missing()
    if not problem:
        try:
            return native.build(compiled)
        except native.LibraryError as error:
            problem = str(error)
    if settings.convolutions != AUTO:
        raise _unavailable(problem)
    if accelerator() == "cpu":
        console.print(f"{problem}: convolutions are XLA's, which take up to twice as long")
    return None


def _unavailable(problem: str) -> InvalidError:
    return InvalidError("convolutions", NATIVE, f"{problem}; choose xla")


def _missing() -> str:
    """Why this machine has no use or no compiler for our own convolutions, as far as can be said without trying."""
    if accelerator() != "cpu":
        return "these are for a CPU, and here arms train on a GPU"
    from cnnlab.zoo import native

    try:
        native.compiler()
    except native.LibraryError as error:
        return str(error)
    return ""
