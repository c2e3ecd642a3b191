"""The one exception for a value that cannot be: it names the key, the value and what is valid."""

from collections.abc import Iterable


class InvalidError(ValueError):
    """A configured value is impossible.

    Args:
        key: dotted name of the value as a user writes it, such as `model.kernel`.
        value: what was given.
        valid: one phrase that says what would be valid.
    """

    def __init__(self, key: str, value: object, valid: str) -> None:
        self.key, self.value, self.valid = key, value, valid
        super().__init__(f"{key}={value!s} is not valid: {valid}")

    def __reduce__(self) -> tuple[type["InvalidError"], tuple[object, ...]]:
        """Pickle by its three parts; a worker may raise it."""
        return type(self), (self.key, self.value, self.valid)


def require(condition: bool, key: str, value: object, valid: str) -> None:
    """Raise `InvalidError` unless `condition` holds."""
    if not condition:
        raise InvalidError(key, value, valid)


def require_choice(key: str, value: str, choices: Iterable[str]) -> None:
    """Raise `InvalidError`, listing the choices, unless `value` is one of them."""
    names = tuple(choices)
    require(value in names, key, value, f"choose one of {', '.join(names)}")
