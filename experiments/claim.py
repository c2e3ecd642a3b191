"""A claim: one sentence of the notes, the evidence that bears on it, and the rule that decides. It runs nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnnlab.inference.rules.contract import Rule
from cnnlab.spec.invalid import require_choice

KINDS = ("exact", "structural", "survey", "cost", "empirical")


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Two groups of levels of a sweep's factor; a group counts by the mean of its arms, seed by seed."""

    name: str
    better: tuple[str, ...]
    worse: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Moderator:
    """A property of a task on which the claim may depend: two values of one dial of one synthetic task."""

    name: str
    task: str
    dial: str
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Evidence from a sweep's records.

    Attributes:
        sweep: name of the sweep, its path in conf/sweep/.
        contrasts: one for each part of the rule; all of them must hold.
        metric: of `Finals`; higher is better.
        moderators: what may qualify the claim; without records of both values it stays inconclusive.
        needs: clauses of the rule whose evidence no sweep makes yet; while there are any the claim is inconclusive.
    """

    sweep: str
    contrasts: tuple[Contrast, ...]
    metric: str = "test_accuracy"
    moderators: tuple[Moderator, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Computed:
    """Evidence that a function computes, exactly and in seconds, as the rule wants it: no records needed."""

    compute: Callable[[], Any]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim. Its id and family are the path of its file.

    Attributes:
        says: the claim in our own words.
        notes: where in the notes it stands, and the few words that decide.
        kind: as registered: `exact`, `structural`, `survey`, `cost`, `empirical`, joined by `+` where mixed.
        rule: a rule of `cnnlab.inference.rules`, as data; every contrast is judged by it, and all must hold.
    """

    says: str
    notes: str
    kind: str
    evidence: Trained | Computed
    rule: Rule[Any]

    def __post_init__(self) -> None:
        for part in self.kind.split("+"):
            require_choice("claim.kind", part, KINDS)
