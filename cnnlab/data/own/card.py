"""What is told of own data before anything trains: counts, classes, numbers, and what was changed or left out."""

from dataclasses import asdict, dataclass
from typing import Any

MOST_CLASSES = 12
"""Classes whose counts are listed one by one."""
Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A dataset card.

    Attributes:
        name: of the task, which ends in a digest of the arrays.
        side, channels, classes: of the pictures. pool, test: how many a seed draws from, and how many test.
        rows: the card as it is printed, what and how.
    """

    name: str
    side: int
    channels: int
    classes: int
    pool: int
    test: int
    rows: Rows

    def plain(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self)


def card_of(content: Any) -> Card:
    """A card from JSON data. Raises ValueError, KeyError or TypeError for anything but what `plain` makes."""
    card = Card(**{**content, "rows": tuple((what, how) for what, how in content["rows"])})
    texts = (card.name, *(text for row in card.rows for text in row))
    numbers = (card.side, card.channels, card.classes, card.pool, card.test)
    if not all(type(text) is str for text in texts) or not all(type(number) is int for number in numbers):
        raise ValueError("it has other types than a card has")
    return card
