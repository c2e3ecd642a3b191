"""A claim: one sentence of the notes, the evidence that bears on it, and the rule that decides. It runs nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule
from cnnlab.inference.rules.cost import Timings
from cnnlab.spec import ranges
from cnnlab.spec.invalid import require, require_choice

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("exact", "structural", "survey", "cost", "empirical")


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Two groups of levels of a sweep's factor; a group counts by the mean of its arms, seed by seed.

    A level that is named twice counts twice. A side without levels is the number `bound`: without `worse` and at bound
    0 the quantity itself is meant, for rules that hold it against fixed limits (`Within`).

    Attributes:
        name: what is compared, such as "two or three against none".
        better, worse: levels of either side. bound: stands for a side without levels.
        better_is, worse_is: the sides in plain words, as a sentence for a teacher needs them, such as "two convolutions
            before the first pool": "<worse_is> makes 1.4 times as many errors as <better_is>".
    """

    name: str
    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()
    bound: float = 0.0
    better_is: str = ""
    worse_is: str = ""

    def __post_init__(self) -> None:
        _require_tuples(self, "contrast", "better", "worse")
        require(bool(self.better or self.worse), "contrast.better", "none", "one side needs levels")
        fixed = self.bound == 0 or not (self.better and self.worse)
        require(fixed, "contrast.bound", self.bound, "0 unless it stands for the side without levels")

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels of both sides."""
        return (*self.better, *self.worse)


@dataclass(frozen=True, kw_only=True)
class Moderator:
    """A property of a task on which the claim may depend: two values of one dial of one synthetic task."""

    name: str
    task: str
    dial: str
    low: float
    high: float

    def __post_init__(self) -> None:
        ranges.check(self, "moderator")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A property of the nets on which the claim may depend: the contrast between arms of one kind, and of another.

    Attributes:
        name: of the property, such as `head`. The names of `low` and `high` are its two values.
        task: the one task on which it is looked at, as the sweep names it.
    """

    name: str
    task: str
    low: Contrast
    high: Contrast

    def __post_init__(self) -> None:
        ranges.check(self, "variant")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Evidence from a sweep's records.

    Attributes:
        sweep: name of the sweep, its path in conf/sweep/.
        contrasts: one for each part of the rule; all of them must hold. For `Exists` and `Always`: the instances.
        metric: of `Finals`, a file in experiments/metrics/, or a probe; in a contrast, higher is better.
        margin: smallest difference of the metric that matters, of an error ratio its log; None for accuracies, whose
            margin the protocol fixes.
        measures: the metric in plain words; empty for accuracies.
        tasks: the sweep's tasks that the claim is about, as the sweep names them; empty for all.
        along: dials along which the contrast is followed. Judged is then how it changes, at `low` minus at `high`: one
            effect a dial, in place of those of the tasks.
        moderators: what may qualify the claim; without records of both values it stays inconclusive.
    """

    sweep: str
    contrasts: tuple[Contrast, ...]
    metric: str = "test_accuracy"
    margin: float | None = None
    measures: str = ""
    tasks: tuple[str, ...] = ()
    along: tuple[Moderator, ...] = ()
    moderators: tuple[Moderator | Variant, ...] = ()

    def __post_init__(self) -> None:
        _require_tuples(self, "trained", "contrasts", "tasks", "along", "moderators")
        require(bool(self.contrasts), "trained.contrasts", "none", "at least one contrast")


@dataclass(frozen=True, kw_only=True)
class Computed:
    """Evidence that a function computes, exactly and in seconds, as the rule wants it: no records needed.

    Attributes:
        compute: gives the rule's evidence.
        beside: name of a sweep that asks the same question; its run ends with this verdict too. Empty for none.
    """

    compute: Callable[[], Any]
    beside: str = ""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Evidence from a stopwatch: interleaved rounds that `python -m experiments.cost` makes, kept by device.

    Attributes:
        measure: times every cell here and now, and gives the rule's evidence for each; all of them must hold.
        needs: the platform it has to run on, as JAX names it; None for any.
    """

    measure: Callable[[], Mapping[str, Timings]]
    needs: Literal["cpu", "gpu"] | None = None


@dataclass(frozen=True, kw_only=True)
class Untestable:
    """No evidence can be had: one phrase saying why, such as a statement about history."""

    why: str


Source = Trained | Computed | Timed | Untestable
SOURCES = "Trained, Computed, Timed, Untestable"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim. Its id and family are the path of its file.

    Attributes:
        says: the claim in our own words.
        notes: where in the notes it stands, and the few words that decide.
        kind: as registered: `exact`, `structural`, `survey`, `cost`, `empirical`, joined by `+` where mixed.
        evidence: where it comes from; for a claim of several parts, a mapping from the part's name as the rule has it.
        rule: a rule of `cnnlab.inference.rules`, as data; every contrast is judged by it, and all must hold. `AllOf` or
            `Senses` where the evidence has parts.
        figure: draws the claim's picture; no title needed beyond what the reader has to see.
    """

    says: str
    notes: str
    kind: str
    evidence: Source | Mapping[str, Source]
    rule: Rule[Any]
    figure: Callable[[], "Figure"] | None = None

    def __post_init__(self) -> None:
        for key in ("says", "notes", "kind"):
            value = getattr(self, key)
            require(
                isinstance(value, str) and bool(value.strip()), f"claim.{key}", value, "must be text, and not empty"
            )
        for part in self.kind.split("+"):
            require_choice("claim.kind", part, KINDS)
        for source in self.sources.values():
            require(
                isinstance(source, Source), "claim.evidence", source, f"must be one of {SOURCES}, or a mapping to it"
            )
        for rule in self.rules.values():
            known = hasattr(rule, "__dataclass_fields__") and hasattr(rule, "conclude")
            require(known, "claim.rule", rule, "must be a rule of cnnlab.inference.rules, or a dataclass like one")
            ranges.check(rule, "rule")
        must = "must be a function that draws the figure"
        require(self.figure is None or callable(self.figure), "claim.figure", self.figure, must)
        named, given = set(self.rules) - {""}, set(self.sources) - {""}
        require(named == given, "claim.evidence", sorted(given), f"the parts of the rule: {sorted(named)}")

    @property
    def sources(self) -> dict[str, Source]:
        """The evidence by part; one nameless part where there are none."""
        return dict(self.evidence) if isinstance(self.evidence, Mapping) else {"": self.evidence}

    @property
    def rules(self) -> dict[str, Rule[Any]]:
        """The rule of every part; one nameless part where there are none."""
        return dict(self.rule.parts) if isinstance(self.rule, (AllOf, Senses)) else {"": self.rule}

    @property
    def trained(self) -> tuple[Trained, ...]:
        """The parts of the evidence that come from records of sweeps."""
        return tuple(source for source in self.sources.values() if isinstance(source, Trained))


def _require_tuples(one: Contrast | Trained, section: str, *names: str) -> None:
    """Raise InvalidError unless these fields are tuples, and every field is what its class declares."""
    for name in names:
        value = getattr(one, name)
        require(isinstance(value, tuple), f"{section}.{name}", value, "must be a tuple: with a single entry it is (x,)")
    ranges.check(one, section)
