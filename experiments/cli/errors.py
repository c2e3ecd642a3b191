"""Errors that a user can mend, as one line each."""

from cnnlab.records import RecordError
from cnnlab.spec.invalid import InvalidError


class UsageError(ValueError):
    """A wrong command line or file; its text is the one line that the user reads."""


USER_ERRORS = (UsageError, InvalidError, RecordError)
"""Everything that ends a command with one line and exit code 2."""


LONGEST = 2000
"""Characters of an error that are printed, its middle left out: what the user gave may be long without end."""


def format_error(problem: Exception) -> str:
    """An error as it is printed: one line, whatever characters the user's words are made of, and however many."""
    line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in f"error: {problem}")
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
