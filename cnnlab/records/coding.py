"""Records as canonical JSON bytes and back; a value of a wrong type is an error that names it."""

import dataclasses
import functools
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

from cnnlab.spec.arm import HASH_DIGITS, digest, plain
from cnnlab.spec.record import PROTOCOL, Record

ROUNDING = 1e-7
"""Of an accuracy that was divided in float32."""


class RecordError(ValueError):
    """A record that cannot be used: which file, and what is wrong with it, in one line."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        super().__init__(f"{path} {why}; set it aside with force=true, or take the file away")


def encode(record: Record) -> bytes:
    """Canonical JSON: sorted keys, no NaN, a final newline. Equal records give equal bytes."""
    text = json.dumps(plain(record), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def decode(content: bytes, path: Path) -> Record:
    """Parse what `encode` wrote. Raises RecordError, naming `path`, for anything else, and for another protocol."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise RecordError(path, "is not JSON (cut off, or edited)") from None
    # before the structure, which may be another protocol's, too
    protocol = data["protocol"] if isinstance(data, dict) and "protocol" in data else PROTOCOL
    if protocol != PROTOCOL:
        raise RecordError(path, f"was made by protocol {protocol!r}, this code is protocol {PROTOCOL}")
    try:
        record: Record = build(Record, data, "record")
        require_consistent(record)
    except (TypeError, ValueError) as problem:
        raise RecordError(path, f"is not a record of this code: {problem}") from None
    return record


def require_consistent(record: Record) -> None:
    """Hold a record against itself and its arm. Raises ValueError, saying what does not fit."""
    members = len(record.members)
    seeds = all(0 <= seed < 2**31 for seed in record.members)
    if not members or len(set(record.members)) != members or not seeds:
        raise ValueError(f"record.members must be distinct seeds, at least one, not {list(record.members)}")
    if not record.arm.endswith(f"-{digest(record.config)[:HASH_DIGITS]}"):
        raise ValueError(f"record.config is not that of the arm {record.arm}: another hash")
    lengths = {"histories": len(record.histories), "probes": len(record.probes)}
    rates = [at.learning_rate for at in record.rates]
    if not rates or rates[0] <= 0 or rates != sorted(set(rates)):
        raise ValueError(f"record.rates must be positive learning rates that ascend, not {rates}")
    if record.test_images < 1:
        raise ValueError("record.test_images must be at least 1")
    for place, at in enumerate(record.rates):
        values = {name: getattr(at, name) for name in vars(at) if name != "learning_rate"}
        lengths |= {f"rates[{place}].{name}": len(value) for name, value in values.items()}
        for name in ("test_accuracy", "validation_accuracy"):
            if not all(0 <= value <= 1 for value in values[name]):
                raise ValueError(f"record.rates[{place}].{name} must lie between 0 and 1")
        for value, lost in zip(at.test_accuracy, at.diverged, strict=False):
            counted = round(value * record.test_images) / record.test_images
            if not (abs(value - counted) <= ROUNDING or (lost and value == _chance(record))):
                valid = f"must count whole images of {record.test_images}, not {value}"
                raise ValueError(f"record.rates[{place}].test_accuracy {valid}")
    for name, length in lengths.items():
        if length not in (members, 0 if name in ("histories", "probes") else members):
            raise ValueError(f"record.{name} has {length} entries for {members} members")
    if record.geometry.params < 1 or (record.geometry.macs is not None and record.geometry.macs < 1):
        raise ValueError("record.geometry must count at least one parameter and one multiply-accumulate")


def _chance(record: Record) -> float | None:
    """What a lost member counts as; None where the config does not say how many classes there are."""
    task = record.config["task"] if "task" in record.config else None
    classes = task["classes"] if isinstance(task, dict) and "classes" in task else None
    return 1 / classes if isinstance(classes, int) and classes > 0 else None


def build(kind: Any, data: Any, where: str) -> Any:
    """Give a value of the annotated type `kind` from plain data; TypeError or ValueError says where it does not fit."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = _hints(typing.cast(type, kind))
        if not isinstance(data, dict) or set(data) != set(hints):
            raise ValueError(f"{where} needs exactly the keys {', '.join(sorted(hints))}")
        return typing.cast(Any, kind)(
            **{name: build(hint, data[name], f"{where}.{name}") for name, hint in hints.items()}
        )
    if origin is types.UnionType:
        kinds = [one for one in inner if one is not types.NoneType]
        if len(kinds) > 1 and isinstance(data, tuple(kinds)):
            return data  # one of several scalars
        fits = [one for one in kinds if dataclasses.is_dataclass(one) and isinstance(data, dict) and _named(one, data)]
        return None if data is None else build((fits or kinds)[0], data, where)
    if origin is typing.Literal:
        if data not in inner:
            raise ValueError(f"{where} must be one of {', '.join(map(str, inner))}, not {data!r}")
        return data
    if origin is tuple:
        if not isinstance(data, list):
            raise TypeError(f"{where} must be a list")
        fixed = Ellipsis not in inner
        if fixed and len(data) != len(inner):
            raise ValueError(f"{where} must have {len(inner)} entries")
        each = inner if fixed else inner[:1] * len(data)
        return tuple(build(each[place], item, f"{where}[{place}]") for place, item in enumerate(data))
    if origin is list:
        return list(build(types.GenericAlias(tuple, (inner[0], ...)), data, where))
    if origin is dict:
        if not isinstance(data, dict):
            raise TypeError(f"{where} must be an object")
        return {key: build(inner[1], item, f"{where}.{key}") for key, item in data.items()}
    return _scalar(kind, data, where)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return typing.get_type_hints(kind)


def _named(kind: Any, data: dict[str, Any]) -> bool:
    """Whether these are a dataclass's fields, which tell it from others."""
    return set(data) == set(_hints(kind))


def _scalar(kind: Any, data: Any, where: str) -> Any:
    """A number, string or flag, checked; floats must be finite."""
    if kind is Any:
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if kind is Path and isinstance(data, str):
        return Path(data)
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise TypeError(f"{where} must be {kind.__name__}, not {data!r}")
    if kind is float and not math.isfinite(data):
        raise ValueError(f"{where} must be finite")
    return data
