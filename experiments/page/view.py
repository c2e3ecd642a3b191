"""What a view is, what it is made from, and which views there are."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnlab.rooms import Room
from cnnlab.spec.invalid import require
from cnnlab.spec.verdict import Verdict
from experiments.analysis.results import SweepResults
from experiments.cli.errors import UsageError
from experiments.geometry.network import MeasuredNetwork
from experiments.page.member import Member
from experiments.page.statement import Statement
from experiments.page.trials import Trial
from experiments.training.feature_pictures import Features

Json = Any
"""A value that `json.dumps` writes."""
ROOM = Room(package="experiments.page.views", folder="views", needs=("VIEW",))


@dataclass(frozen=True, kw_only=True)
class Context:
    """What views are made from.

    Attributes:
        networks: nets whose receptive fields are shown, the first one first.
        members: nets with weights, whose numbers are shown; none leaves their view out.
        verdicts: by claim; None leaves the board out. statements: what each of these claims says.
        trials: the nets behind a claim's contrasts, by claim; a claim may have none.
        not_judged: how many registered claims were left out.
        trained: what is to be said of the trained member, or why there is none; empty for nothing.
        features: feature pictures of the trained member, by layer. views: results by sweep, whose histories are shown.
        provenance: of the records behind the page: the code, packages and machines that made them.
        apart: what other processes made for a view, by its name.
        fast: whether what takes more than a few seconds is left out.
    """

    networks: tuple[MeasuredNetwork, ...] = ()
    members: tuple[Member, ...] = ()
    verdicts: Mapping[str, Verdict] | None = None
    statements: Mapping[str, Statement] = field(default_factory=dict)
    trials: Mapping[str, tuple[Trial, ...]] = field(default_factory=dict)
    not_judged: int = 0
    trained: str = ""
    features: tuple[Features, ...] = ()
    views: Mapping[str, SweepResults] = field(default_factory=dict)
    provenance: tuple[Mapping[str, Any], ...] = ()
    apart: Mapping[str, Any] = field(default_factory=dict)
    fast: bool = False

    @property
    def net_names(self) -> list[str]:
        """The members, as a menu names them."""
        return [f"{member.title} ({member.state})" for member in self.members]


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a view shows.

    Attributes:
        finding: one sentence above the picture, made from the numbers below it.
        script: data for the view's script. static: data for its template, which is all that a reader without scripts
            sees.
    """

    finding: str
    script: Json = None
    static: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class View:
    """One view of the page.

    Attributes:
        order: views stand by ascending order. title: of its tab. question: what a reader asks here.
        caveat: one sentence below the picture: what it does not show.
        claims: ids of the claims it bears on.
        make: makes its content; None where the context lacks what it needs.
        apart: what it computes in another process, from the nets of the page, unless the page is to be fast; `make`
            finds it in the context.
        reads_members: whether its script reads the members, which the page then holds once for all views.
        reads_networks, reads_records: whether it is made from the nets of the page, and from the records of sweeps.
        lacks: what to say on the page where `make` gives None.
    """

    order: int
    title: str
    question: str
    caveat: str
    make: Callable[[Context], Content | None]
    apart: Callable[[tuple[MeasuredNetwork, ...]], Any] | None = None
    claims: tuple[str, ...] = ()
    reads_members: bool = False
    reads_networks: bool = False
    reads_records: bool = False
    lacks: str = ""


@functools.cache
def views() -> Mapping[str, View]:
    """All views by the names of their files, in the order of the page."""
    found: dict[str, View] = {}
    for name in ROOM.names():
        found[name] = ROOM.load(name).VIEW
        with ROOM.telling(name):
            require(isinstance(found[name], View), "VIEW", found[name], "must be a View of experiments.page.view")
    return dict(sorted(found.items(), key=lambda pair: pair[1].order))


def choose_views(names: Sequence[str]) -> Mapping[str, View]:
    """The named views, or all if none is named. Raises UsageError with the choices."""
    for name in names:
        if name not in views():
            raise UsageError(f"--only {name} is not valid: choose of {', '.join(views())}")
    return {name: view for name, view in views().items() if name in names or not names}
