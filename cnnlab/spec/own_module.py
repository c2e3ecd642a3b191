"""A net that a user's own function makes: which function, with which arguments, from which source."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from cnnlab.spec.invalid import InvalidError, require

Scalar = int | float | bool | str | None
Argument = Scalar | tuple[Scalar, ...]
LONGEST_LABEL = 60
VARIABLE = "CNNLAB_EXTRA"
"""Names the folder in which a user's modules are looked for, beside the current one."""


@dataclass(frozen=True, kw_only=True)
class OwnModule:
    """A Flax module by the function that makes it; `cnnlab.modules` says how it is called.

    Attributes:
        make: `package.module:function`, or a class in the function's place.
        args: (name, value) pairs for it, sorted by name: numbers, texts, flags, null, or tuples of these.
        sources: (module, SHA-256 of its file) of every file of the user's that takes part, sorted by module. Where one
            has changed it is another net.
        pooled_image: whether it sees of each image the maximum of every channel alone, at every pixel: the check
            `positive`, as the parametric net has it with a pool of the image's size before its first convolution.
    """

    make: str
    args: tuple[tuple[str, Argument], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    pooled_image: bool = False

    def __post_init__(self) -> None:
        fits = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", self.make) is not None
        must = f"must be package.module:function, such as nets:make{not_its_file(self.make)}"
        require(fits, "model.make", self.make, must)

    @property
    def label(self) -> str:
        """Short name for folders: the function and its arguments, as far as there is room. Not unique; the hash is."""
        words = [self.make.rpartition(":")[2], *(f"{name}{_short(value)}" for name, value in self.args)]
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", "-".join(words))[:LONGEST_LABEL].rstrip("-_.")

    @property
    def digest(self) -> str:
        """The sources in ten hexadecimal digits."""
        text = " ".join(f"{module} {sha}" for module, sha in self.sources)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def not_its_file(make: str) -> str:
    """What to write, as the end of a line, where a place names a file instead of a module; empty where it does not."""
    file = PurePath(make.partition(":")[0].replace("\\", "/"))
    if len(file.parts) < 2 and file.suffix != ".py":
        return ""
    if file.is_absolute() or ".." in file.parts or file.parts[0] == "~":
        return f": name the module, {file.stem}, not its file, and set {VARIABLE} to its folder"
    return f": name the module, {'.'.join(file.with_suffix('').parts)}, not its file"


def arguments(given: Mapping[str, Any]) -> tuple[tuple[str, Argument], ...]:
    """Arguments as `OwnModule.args`. Raises InvalidError for a value that is neither plain nor a list of plain ones."""
    return tuple((name, _frozen(f"model.args.{name}", given[name])) for name in sorted(given))


def _frozen(key: str, value: Any) -> Argument:
    if isinstance(value, (list, tuple)):
        return tuple(_scalar(key, item) for item in value)
    return _scalar(key, value)


def _scalar(key: str, value: Any) -> Scalar:
    if value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    raise InvalidError(key, value, "must be a finite number, a text, true, false, null, or a list of these")


def _short(value: Argument) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
