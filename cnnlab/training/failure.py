"""Why an arm failed, as text: where it happened, and the cause on the last line."""

import traceback


def failure_text(problem: BaseException) -> str:
    """The traceback of a problem. Its last line is the cause, in one line.

    An error of several lines would end with some other one, and an error that passed through JAX with JAX's note
    about its frames.
    """
    text = "".join(traceback.format_exception(problem))
    last = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
    return text if text.splitlines()[-1] == last else f"{text.rstrip()}\n{last}\n"
