"""What a configured value may be, said once, beside its field: `depth: Annotated[int, Between(1, 100)] = 6`.

Errors, `--help` and the checks of every spec read it from there.
"""

import dataclasses
import functools
import numbers
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cnnlab.spec.invalid import require

MOST_IMAGES, MOST_EPOCHS, MOST_SEED = 100_000_000, 10_000, 2**31 - 1001
"""Of a task; of a recipe; of a first member, so that a thousand fit into 31 bits."""


@dataclass(frozen=True)
class Between:
    """A number of a range. Both ends belong to it, unless `above` or `below` leaves one out; NaN never does.

    Attributes:
        low, high: the ends. above, below: whether `low`, `high` itself is left out.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False

    def holds(self, value: Any) -> bool:
        """Whether a number lies in the range."""
        over = value > self.low if self.above else value >= self.low
        return bool(over and (value < self.high if self.below else value <= self.high))

    def __str__(self) -> str:
        """The range as `--help` prints it, such as `1 to 100` or `above 0 to 1000`."""
        return f"{'above ' * self.above}{_short(self.low)} to {'below ' * self.below}{_short(self.high)}"

    @property
    def valid(self) -> str:
        """The range as an error says it."""
        if not self.above and not self.below:
            return f"must lie between {_short(self.low)} and {_short(self.high)}"
        low = f"above {_short(self.low)}" if self.above else f"at least {_short(self.low)}"
        high = f"below {_short(self.high)}" if self.below else f"at most {_short(self.high)}"
        return f"must be {low} and {high}"


@dataclass(frozen=True)
class OneOf:
    """A word of a list."""

    words: tuple[str, ...]

    def holds(self, value: Any) -> bool:
        """Whether it is one of them."""
        return value in self.words

    def __str__(self) -> str:
        """The words as `--help` prints them."""
        return ", ".join(word or "''" for word in self.words)

    @property
    def valid(self) -> str:
        """The words as an error says them."""
        return f"choose one of {', '.join(self.words)}"


Limit = Between | OneOf


TYPES: dict[type, tuple[Any, str]] = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "text"),
}
"""What a value of a declared type may be, and how an error and `--help` say it."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a dataclass declares of one field; of a tuple or a list, of each of its entries.

    Attributes:
        type: of the value, or of an entry. limit: what it may be; None for any value of the type.
        many: whether the field is a list. named: whether it is a mapping, or a tuple of (name, value) pairs.
        empty: whether it may be None.
    """

    type: Any
    limit: Limit | None
    many: bool = False
    named: bool = False
    empty: bool = False


@functools.cache
def declared(kind: type) -> Mapping[str, Declared]:
    """What a dataclass declares of its fields, by name."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {item.name: _declared(hints[item.name]) for item in dataclasses.fields(kind)}


def check(spec: object, section: str) -> None:
    """Raise InvalidError unless every field of a spec is what its class declares.

    Args:
        section: that the fields are keys of, such as `model`; empty for those at the root.
    """
    kind: Any = type(spec)
    check_values({name: getattr(spec, name) for name in declared(kind)}, kind, section)


def check_values(values: Mapping[str, Any], kind: type, section: str) -> None:
    """The same of values by name, as `kind` declares them; those that it does not are left alone."""
    wanted_of = declared(kind)
    for name, value in values.items():
        if name not in wanted_of:
            continue
        wanted, key = wanted_of[name], f"{section}.{name}" if section else name
        if wanted.named:
            for inner, one in dict(value).items():
                _require(wanted, f"{key}.{inner}", one, one, "")
        elif wanted.many:
            require(isinstance(value, (tuple, list)), key, value, "must be a list")
            for one in value:
                _require(wanted, key, one, list(value), "every entry ")
        elif value is not None or not wanted.empty:
            _require(wanted, key, value, value, "")


def _require(wanted: Declared, key: str, value: Any, shown: Any, begin: str) -> None:
    """Raise InvalidError unless one value is of the declared type, and within its limit."""
    if wanted.type in TYPES:
        kind, words = TYPES[wanted.type]
        fits = isinstance(value, kind) and (wanted.type is bool or not isinstance(value, bool))
        require(fits, key, shown, f"{begin}must be {words}")
    elif kinds := _classes(wanted.type):
        words = " or ".join(f"a {kind.__name__}" for kind in kinds)
        require(isinstance(value, kinds), key, shown, f"{begin}must be {words}")
    if wanted.limit is not None:
        require(wanted.limit.holds(value), key, shown, f"{begin}{wanted.limit.valid}")


def _classes(hint: Any) -> tuple[type, ...]:
    """The dataclasses that a type names, itself or as a union; none of any other type."""
    every = typing.get_args(hint) or (hint,)
    return tuple(one for one in every if isinstance(one, type) and dataclasses.is_dataclass(one))


def _declared(hint: Any) -> Declared:
    """What one type says."""
    if typing.get_origin(hint) is Annotated:
        limit = next((one for one in hint.__metadata__ if isinstance(one, Limit)), None)
        return dataclasses.replace(_declared(hint.__origin__), limit=limit)
    origin, inner = typing.get_origin(hint), [one for one in typing.get_args(hint) if one is not Ellipsis]
    if origin in (list, tuple) and typing.get_origin(inner[0]) is tuple:
        return dataclasses.replace(_declared(typing.get_args(inner[0])[1]), named=True)
    if origin is dict:
        return dataclasses.replace(_declared(inner[1]), named=True)
    if origin in (list, tuple):
        return dataclasses.replace(_declared(inner[0]), many=True)
    if origin is typing.Literal:
        return Declared(type=str, limit=OneOf(tuple(inner)))
    if origin in (types.UnionType, typing.Union) and type(None) in inner:
        (one,) = [one for one in inner if one is not type(None)]
        return dataclasses.replace(_declared(one), empty=True)
    return Declared(type=hint, limit=None)


def _short(value: float) -> str:
    """A number with all of its digits, and no more."""
    return str(int(value)) if value == int(value) and abs(value) < 1e12 else f"{value:g}"
