"""The command `cnnlab`: every door of the suite as a subcommand, `cnnlab run +sweep=pool_position`."""

import difflib
import importlib.metadata
import runpy
import sys

from cnnlab.spec.record import PROTOCOL
from experiments.cli import signals
from experiments.cli.command import ExitCode, command
from experiments.cli.console import terminal
from experiments.cli.doors import doors
from experiments.cli.errors import UsageError

HELP = ("-h", "--help")
COMPLETION = ("-sc", "--shell-completion")


@command
def main() -> int:
    """Everything but a door itself: the list of them, the version, completion, and a word that is no door."""
    words = sys.argv[1:]
    if not words or words[0] in HELP:
        show()
    elif words == ["--version"]:
        print(f"cnnlab {importlib.metadata.version('cnnlab')}, records of protocol {PROTOCOL}")
    elif words[0] in COMPLETION and len(words) == 2:
        from experiments import completion  # here, since it brings Hydra

        completion.answer(words[1])
    else:
        close = difflib.get_close_matches(words[0], doors(), n=2)
        meant = f"did you mean {' or '.join(close)}? " if close else ""
        raise UsageError(f"{words[0]} is no door: {meant}choose of {', '.join(doors())}; or --help, --version")
    return ExitCode.DONE


def show() -> None:
    """Print the doors with a line each."""
    console, width = terminal(), max(map(len, doors()))
    console.print("cnnlab: claims about convolutional networks, put to the test\n\nusage: cnnlab DOOR ...\n")
    for name, does in doors().items():  # no table, which would fill its lines up with blanks
        console.print(f"{name:<{width}}  {does}", markup=False, soft_wrap=True)
    console.print("\ncnnlab DOOR --help says more; --version; python -m experiments.DOOR is the same")
    console.print('completion of this shell: eval "$(cnnlab -sc install=bash)" (zsh: the same)')


def cnnlab() -> None:
    """Run a door as `python -m experiments.DOOR` does, or what stands beside them; ends the process."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if not name.isidentifier() or name not in doors():
        signals.door(main, signals.STOPPED)
    sys.argv = [sys.argv[0], *sys.argv[2:]]
    runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    cnnlab()
