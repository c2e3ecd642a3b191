"""The card of a user's own pictures, as it is printed before anything trains."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from cnnlab.data.own import content
from cnnlab.spec.task import Task


def show(tasks: Iterable[Task], console: Console) -> None:
    """Print the cards of those tasks that are own pictures of this command; nothing for others."""
    for task in {task.name: task for task in tasks}.values():
        card = content.card(task.name)
        if card is None:
            continue
        console.print(f"own pictures: {card.name}")
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        drawn = f"{task.train_images} to train and {task.validation_images} to validate with"
        for what, how in (*card.rows, ("each seed", f"draws {drawn}; all test with the same")):
            table.add_row(f"  {what}", "".join(char if char.isprintable() else repr(char)[1:-1] for char in how))
        console.print(table)
