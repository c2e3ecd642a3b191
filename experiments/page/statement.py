"""What a claim says, as the page prints it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One registered claim in words.

    Attributes:
        says: the claim in one sentence. notes: where it stands in the notes.
        kind: as registered. rule: what decides, a line each.
        source: empty for one of the 57; else the register that it stands in, of who added it.
    """

    family: str
    kind: str
    says: str
    notes: str = ""
    source: str = ""
    rule: tuple[str, ...] = ()
