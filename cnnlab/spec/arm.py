"""An arm: one net with one recipe on one task, addressed by the hash of exactly that."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cnnlab.spec.net import Net
from cnnlab.spec.recipe import Recipe
from cnnlab.spec.task import Task

HASH_DIGITS = 10


def plain(value: Any) -> Any:
    """A spec as plain JSON data: dataclasses become dicts, tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def digest(value: Any) -> str:
    """SHA-256 of a spec's canonical JSON text, in hexadecimal. Equal specs give equal digests on every machine."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One net with one recipe on one task. Which sweep asked for it is not part of it."""

    net: Net
    recipe: Recipe
    task: Task

    @property
    def key(self) -> str:
        """Folder name: readable, and ending in the hash of net, recipe and task."""
        return f"{self.task.name}-{self.net.label}-{digest(self)[:HASH_DIGITS]}"
