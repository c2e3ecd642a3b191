"""A record as the rows and the summary that a tracker shows: pure functions, no W&B."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.spec.curve import Finals, at_chance, capped
from cnnlab.spec.record import Record

AXIS = "images_seen"
"""The x-axis of every series, in training images a member has seen."""

BEST = {"accuracy/": "max", "loss/": "min"}
"""Which value of a series is its best, by the prefix of its name."""

HISTOGRAMS = "log2_histogram/"
"""Series of this prefix hold counts of log2 |g|, one list a moment, and not numbers."""

LOWEST_EXPONENT = -40
"""The second bin of a histogram begins at 2^-40, as in `cnnlab.gradients`, which is not imported: it needs JAX."""

Values = dict[int, list[Any]]
"""Images seen -> what the members recorded there; a null (not finite, or not measured there) is left out."""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts summed over members, and their edges as exponents of two.

    The first of `n` counts belongs to zeros and anything too small for the others, the last to anything too large and
    not finite; each is drawn as one octave beside the others.

    Attributes:
        counts: `n` whole numbers.
        edges: `n + 1` exponents, one octave apart.
    """

    counts: tuple[int, ...]
    edges: tuple[int, ...]


Row = dict[str, int | float | Histogram]


def rows(record: Record) -> list[Row]:
    """What to log at each recorded moment, by ascending images seen, which stand in the row as `AXIS`.

    A series appears as the mean over members under its own name. Where there are several, series of whole epochs also
    appear as `lowest/<series>` and `highest/<series>`, the extreme members, and `counted/<series>`, the number of
    members that had a finite value: the mean of a partly diverged arm is a mean of the rest. Histograms are summed.
    """
    moments: dict[int, Row] = {}
    several = len(record.members) > 1
    for name, values in _epochs(record).items():
        for seen, members in values.items():
            row = moments.setdefault(seen, {AXIS: seen})
            if members:
                row[name] = statistics.fmean(members)
            if members and several:
                row |= {f"lowest/{name}": min(members), f"highest/{name}": max(members)}
                row[f"counted/{name}"] = len(members)
    for name, values in _stats(record).items():
        for seen, members in values.items():
            row = moments.setdefault(seen, {AXIS: seen})
            if members:
                row[name] = _histogram(members) if name.startswith(HISTOGRAMS) else statistics.fmean(members)
    return [moments[seen] for seen in sorted(moments)]


def best(record: Record) -> dict[str, str]:
    """Series whose summary is their best value, and whether that is the `max` or the `min`."""
    return {
        name: extreme
        for name, values in sorted(_epochs(record).items())
        for prefix, extreme in BEST.items()
        if name.startswith(prefix) and any(values.values())
    }


def summary(record: Record) -> dict[str, int | float | bool | None]:
    """The arm in single numbers: finals where members are read, geometry, probes, and the last value of every series.

    Series of which `best` names the moment that counts are not among them. Standard deviations are over members with
    divisor n - 1, and absent with fewer than two members. A series whose last moment is finite for no member ends as
    None, whatever it was before.
    """
    return (
        {"members": len(record.members)}
        | _finals(record.finals)
        | _geometry(record)
        | {"learning_rate/tried": len(record.rates), "learning_rate/capped": capped(record.rates)}
        | {"at_chance": at_chance(record.rates)}
        | _probes(record)
        | _last(record)
    )


def _finals(finals: Finals) -> dict[str, int | float | bool]:
    """Every member where it is read: mean and standard deviation of each result."""
    flat: dict[str, int | float | bool] = {
        "final/learning_rate": statistics.geometric_mean(finals.learning_rate),
        "final/diverged": sum(finals.diverged),
    }
    measured = {
        "test_accuracy": finals.test_accuracy,
        "test_loss": finals.test_loss,
        "validation_accuracy": finals.validation_accuracy,
        "train_loss": finals.train_loss,
    }
    for name, members in measured.items():
        known = _known(members)
        if known:
            flat[f"final/{name}/mean"] = statistics.fmean(known)
        if len(known) > 1:
            flat[f"final/{name}/std"] = statistics.stdev(known)
    return flat


def _geometry(record: Record) -> dict[str, int]:
    """Exact properties of the net, those that are known; pairs are [height, width] and become two numbers."""
    measured = record.geometry
    field, last = measured.receptive_field or (None, None), measured.output_size or (None, None)
    found = {
        "geometry/params": measured.params,
        "geometry/macs": measured.macs,
        "geometry/activation_elements": measured.activation_elements,
        "geometry/receptive_field_height": field[0],
        "geometry/receptive_field_width": field[1],
        "geometry/output_height": last[0],
        "geometry/output_width": last[1],
    }
    return {name: value for name, value in found.items() if value is not None}


def _probes(record: Record) -> dict[str, float]:
    """Mean of every probe of the trained members, over those that have it: a diverged one has none."""
    paths = dict.fromkeys(path for member in record.probes for path in member)
    return {f"probe/{path}": statistics.fmean(m[path] for m in record.probes if path in m) for path in paths}


def _last(record: Record) -> dict[str, float | None]:
    """Mean over members of every series of numbers, at the last moment that any member recorded."""
    last: dict[str, float | None] = {}
    otherwise = best(record)
    for name, values in (_epochs(record) | _stats(record)).items():
        if name not in otherwise and not name.startswith(HISTOGRAMS):
            members = values[max(values)]
            last[name] = statistics.fmean(members) if members else None
    return last


def _epochs(record: Record) -> dict[str, Values]:
    """Series by name that have a value an epoch."""
    return _gather([{name: values for name, values in h.items() if name != "stats"} for h in record.histories])


def _stats(record: Record) -> dict[str, Values]:
    """Gradient statistics by name, at their own moments."""
    return _gather([history["stats"] for history in record.histories if "stats" in history])


def _gather(histories: Sequence[dict[str, list[Any]]]) -> dict[str, Values]:
    """Series by name, members side by side at each moment. A member that stopped early is missing at the later ones."""
    gathered: dict[str, Values] = {}
    for history in histories:
        for name in history.keys() - {AXIS}:
            values = gathered.setdefault(name, {})
            for seen, value in zip(history[AXIS], history[name], strict=True):
                values.setdefault(seen, []).extend(_known([value]))
    return gathered


def _known(values: Sequence[Any]) -> list[Any]:
    """Values that are there and finite; lists of counts always are."""
    return [value for value in values if value is not None and (isinstance(value, list) or math.isfinite(value))]


def _histogram(members: Sequence[Sequence[int]]) -> Histogram:
    """Sum counts over members, bin by bin."""
    counts = tuple(sum(column) for column in zip(*members, strict=True))
    first = LOWEST_EXPONENT - 1
    return Histogram(counts=counts, edges=tuple(range(first, first + len(counts) + 1)))
