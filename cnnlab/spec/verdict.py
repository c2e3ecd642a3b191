"""What judging produces: intervals, effects and verdicts, as frozen values."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from cnnlab.spec.invalid import require

Call = Literal["pos", "neg", "null", "open"]
Match = Literal["none", "macs", "params"]
Word = Literal["supported", "refuted", "qualified", "inconclusive", "untested", "untestable"]
WORDS: tuple[Word, ...] = get_args(Word)

HEADROOM = 0.05
"""A task counts for a claim only if the reference arm beats logistic regression by this much accuracy."""

ERROR_RATIOS = ("test_accuracy", "over_linear", "over_chance")
"""Metrics that are compared by the ratio of errors: their values are -log(errors + 1/2), so that a difference of 0.34
is 1.4 times as many errors on the worse side."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A two-sided confidence interval; unbounded ends are infinite.

    Attributes:
        low, high: the ends. level: nominal coverage in (0, 1).
        kind: how it was made: `paired t`, `signed rank`, `wilson`, `bca` or `bootstrap`.
    """

    low: float
    high: float
    level: float
    kind: str

    def inside(self, low: float, high: float) -> bool:
        """Say whether the whole interval lies strictly between `low` and `high`."""
        return low < self.low and self.high < high

    def outside(self, low: float, high: float) -> bool:
        """Say whether the whole interval lies strictly below `low` or strictly above `high`."""
        return self.high < low or high < self.low


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where and how one contrast was measured.

    Attributes:
        task: name with its dials, unique within a claim. real: False for a generated task.
        construction: what the task is built from; two dial settings of one construction share it.
        margin: smallest difference of `metric` that matters (delta), in units of the metric: of an error ratio its log.
        headroom: accuracy by which the sweep's reference arm beats logistic regression here.
        metric: what is compared; higher is better. measures: the same in words; empty where its name says enough.
        match: what the arms were re-widthed to share.
        contrast: which of the claim's contrasts it is; empty where that has no name.
        better, worse: the two sides in words, such as "two convolutions before the first pool"; empty where unnamed.
    """

    task: str
    real: bool
    construction: str
    margin: float
    headroom: float
    metric: str = "test_accuracy"
    match: Match = "none"
    contrast: str = ""
    better: str = ""
    worse: str = ""
    measures: str = ""

    @property
    def quantity(self) -> str:
        """What is compared, in words: never the path of a probe where the claim has words for it."""
        return self.measures or self.metric.replace("_", " ").replace("/", ", ")

    @property
    def eligible(self) -> bool:
        """True if a design effect can be read on this task."""
        return self.headroom >= HEADROOM

    @property
    def ratio(self) -> bool:
        """True if a difference is the log of a ratio of errors (see `ERROR_RATIOS`)."""
        return self.metric in ERROR_RATIOS


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one contrast, better minus worse, says on one task.

    Of an error ratio all numbers are logs: `math.exp(estimate)` is how many times as many errors the worse side makes.

    Attributes:
        setting: task, metric, match and margin.
        seeds: of the pairs compared, ascending. note: what was left out or capped and why, or empty.
        mean: mean paired difference. sd: its standard deviation over members (not a standard error).
        estimate: the centre that belongs to the intervals, and that calls use: the mean beside a t interval, the
            Hodges-Lehmann estimate beside a signed-rank one.
        interval95, interval90: `pos` and `neg` are called from the 95 % one, `null` from the 90 % one.
        p_greater, p_less: one-sided p of "better wins" and of "worse wins", before the family is paid for.
        call: `pos`, `neg`, `null` or `open`. reason: why the call is open, or empty.
        diverged_better, diverged_worse: diverged members of each side; diverged_p: Fisher's exact p of the two.
        smallest_detectable: true effect that this n calls `pos` with power .8; infinite when nothing is known.
        points, points95: mean difference of accuracy, a fraction, and its 95 % interval, printed beside an error ratio;
            None for other metrics.
        sign_flip_p, bca95: printed checks, never gates; None until `with_printed_checks` fills them.
    """

    setting: Setting
    seeds: tuple[int, ...]
    note: str
    mean: float
    sd: float
    estimate: float
    interval95: Interval
    interval90: Interval
    p_greater: float
    p_less: float
    call: Call
    reason: str
    diverged_better: int
    diverged_worse: int
    diverged_p: float
    smallest_detectable: float
    points: float | None = None
    points95: Interval | None = None
    sign_flip_p: float | None = None
    bca95: Interval | None = None

    @property
    def n(self) -> int:
        """How many pairs were compared."""
        return len(self.seeds)


@dataclass(frozen=True, kw_only=True)
class Number:
    """The one number that decides a claim, as a table prints it.

    Attributes:
        name: what it is, such as `counterexamples` or `ratio of medians`. value: the number, in `unit`.
        low, high: its 95 % interval; None where it is exact.
        unit: `` (a plain number), `%`, `pp` or `x`; value and interval are already in it.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""

    @property
    def printed(self) -> str:
        """The number with its interval, as short as it can be read."""
        span = "" if self.low is None or self.high is None else f" [{self.low:.4g}, {self.high:.4g}]"
        space = " " if self.unit in ("%", "pp") else ""
        return f"{self.value:.4g}{span}{space}{self.unit}"


Scalar = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Evidence as a reader looks at it: a title, the names of the columns, and rows of as many values."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            require(len(row) == len(self.columns), "table.rows", row, f"{len(self.columns)} values, as the columns")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judgement of one claim.

    Attributes:
        word: one of the six words. reason: the statistics behind it, in one line.
        sentence: what was found, in plain words for a teacher; no rule leaves it empty.
        effects: everything the verdict rests on, contrasts of the other match included.
        evidence: the numbers behind the reason, as plain values.
        nearest_true: for a refuted universal, what is true instead. condition: what a qualified claim needs.
        mechanism: True if synthetic tasks alone carry it; printed as "supported (mechanism)".
        capped: why the word could not exceed `inconclusive` whatever the effects say, or empty.
        number, n: the number that decides, and how many cases, entries, rounds or pairs it rests on.
        counterexample: one line, to the plain reading of a claim that fails.
        tables: the evidence as a reader looks at it.
    """

    word: Word
    reason: str
    sentence: str = ""
    effects: tuple[Effect, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)
    nearest_true: str | None = None
    condition: str | None = None
    mechanism: bool = False
    capped: tuple[str, ...] = ()
    number: Number | None = None
    n: int | None = None
    counterexample: str | None = None
    tables: tuple[Table, ...] = ()

    @property
    def printed(self) -> str:
        """The word as a table prints it."""
        return f"{self.word} (mechanism)" if self.mechanism else self.word
