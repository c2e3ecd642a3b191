"""The list of tasks: every module in `cnnlab.data.tasks` is a task of that name, and so is a user's own."""

from types import ModuleType

from cnnlab.data import raw
from cnnlab.rooms import Room

ROOM = Room(
    package="cnnlab.data.tasks",
    folder="tasks",
    needs=("DIALS", "check", "load"),
    taken=("cifar10", *raw.CONTENT),  # TFDS datasets that arms of the suite are trained on
)


def names() -> tuple[str, ...]:
    """List the tasks that are modules; every other name is looked for in TFDS."""
    return ROOM.names()


def family(name: str) -> ModuleType | None:
    """Import the module that serves the task of that name; None if there is none."""
    return ROOM.load(name) if name in names() else None
