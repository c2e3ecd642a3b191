"""What the words of a command line may be, whatever the command: none that would silently be left out."""

from collections.abc import Collection, Sequence

from experiments.cli.errors import UsageError


def check_once(words: Sequence[str]) -> None:
    """Raise UsageError if a key is given twice: only the last of its values would count."""
    given: dict[str, str] = {}
    for word in words:
        key, equals, _ = word.partition("=")
        name = key.lstrip("+")
        if equals and not word.startswith("-"):
            if name in given:
                raise UsageError(f"{name} is given twice, {given[name]} and {word}: leave one out")
            given[name] = word


def require_keys(words: Sequence[str], known: Collection[str]) -> None:
    """Raise UsageError unless every word is key=value of a known key."""
    for word in words:
        if word.partition("=")[0] not in known or "=" not in word:
            raise UsageError(f"{word} is not valid here: choose {' or '.join(f'{key}=VALUE' for key in known)}")
