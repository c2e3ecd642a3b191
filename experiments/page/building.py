"""The page from a results folder: what its views are made from, gathered, and one file written."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from cnnlab.files import write_bytes
from cnnlab.records import Store
from cnnlab.spec.network import Pair
from cnnlab.training.workers import ONE_THREAD, environment
from experiments.analysis.results import SweepResults
from experiments.analysis.selection import best_views, sources
from experiments.claims.registry import entries
from experiments.cli.console import hung
from experiments.cli.errors import UsageError
from experiments.geometry.network import MeasuredNetwork
from experiments.page import trained
from experiments.page.document import document
from experiments.page.evidence import Judged, begin, found_views, shown_views, statements, trials
from experiments.page.member import Image, reader_image
from experiments.page.networks import networks
from experiments.page.untrained import digit_images, members
from experiments.page.view import Context, View, choose_views
from experiments.page.weights import from_file

NAME = "report.html"
BOARD = "board"
PROCESSES = 2
"""For evidence and what views compute apart; a third one trains. Together they take some three minutes of one core."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be shown.

    Attributes:
        results: folder of records and timings. only: views by name; none for all.
        nets, modules, size, channels: see `experiments.page.networks.networks`. images: picture files.
        seed: of the trained member; None for the record's first. weights: a file of weights, shown without training.
        fast: leave out what takes long, see the views.
        overrides: with which the records were made, as for `experiments.judge`.
        cache: where what claims compute is kept between commands; None computes it.
    """

    results: Path
    only: Sequence[str] = ()
    nets: Sequence[str] = ()
    modules: Sequence[str] = ()
    size: Pair | None = None
    channels: int | None = None
    images: Sequence[str] = ()
    seed: int | None = None
    weights: Path | None = None
    fast: bool = False
    overrides: Sequence[str] = ()
    cache: Path | None = None


def write_page(path: Path, asked: Asked, console: Console, found: Judged | None = None) -> None:
    """Build the page and write it to a file.

    Args:
        found: verdicts that are there already; None judges from the results folder.

    Raises:
        PageError: as `document`.
        UsageError, InvalidError, RecordError: a view, net, module, image, member, weights or record of no use.
        BrokenProcessPool: a process died.
    """
    chosen = choose_views(asked.only)
    page = document(chosen, context(asked, chosen, console, found))
    write_bytes(path, page)
    count = page.count(b"<section ")
    told = f"{path}: {len(page):,} bytes, {count} view{'' if count == 1 else 's'}"
    console.print(told, soft_wrap=True, markup=False)


def context(asked: Asked, chosen: Mapping[str, View], console: Console, found: Judged | None = None) -> Context:
    """What the chosen views are made from; arguments and errors as `write_page`.

    Evidence, training and what views compute apart run side by side in other processes.
    """
    made = Context(fast=asked.fast)
    if asked.nets or asked.modules or any(view.reads_networks for view in chosen.values()):
        nets = networks(asked.nets, asked.modules, asked.size, asked.channels, fast=asked.fast)
        made = dataclasses.replace(made, networks=nets)
    if asked.seed is not None and asked.fast and asked.weights is None:
        raise UsageError(f"--seed {asked.seed} is not valid with --fast: no trained net is shown")
    own = own_images(asked.images)  # a mistake is told before anything is judged
    reads_members = any(view.reads_members for view in chosen.values())
    with pools() as (trainer, pool):
        begun = None
        views: Mapping[str, SweepResults] = {}
        if found is not None:
            views = shown_views(found.views)
        elif any(view.reads_records for view in chosen.values()):
            views = found_views(asked.results, asked.overrides)
            begun = begin(views, asked.results, asked.fast, pool, asked.cache) if BOARD in chosen else None
        elif reads_members and (asked.weights is not None or not asked.fast):
            views = best_views([trained.SWEEP, trained.STRIDED_SWEEP], asked.overrides, asked.results)
        again = strided = None
        if reads_members and not asked.fast and asked.weights is None:
            job = trained.job(views, console, asked.seed, draw="features" in chosen)
            with environment(ONE_THREAD):  # the process starts here
                again = None if job is None else trainer.submit(trained.train, job)
                other = trained.strided_job(views, console)
                strided = None if other is None else trainer.submit(trained.train, other)
        bare = tuple(_bare(net) for net in made.networks)
        apart = {
            name: pool.submit(view.apart, bare)
            for name, view in chosen.items()
            if view.apart is not None and not asked.fast
        }
        if reads_members:
            given = None if asked.weights is None else from_file(asked.weights, views, asked.seed)
            first = given if again is None else again.result()
            made = with_members(made, own, first, None if strided is None else strided.result())
        found = begun.result() if begun is not None else found
        made = dataclasses.replace(made, apart={name: one.result() for name, one in apart.items()})
    if found is not None and BOARD in chosen:
        made = with_verdicts(made, found)
    for line in sources(views):
        console.print(*hung(line, console.width), sep="\n", soft_wrap=True, markup=False)
    return dataclasses.replace(made, views=views, provenance=provenance(views))


@contextmanager
def pools() -> Iterator[tuple[Executor, Executor]]:
    """A process that trains as a worker does, on one thread of the CPU, and some for everything else.

    None is started before it is needed.
    """
    both = [ProcessPoolExecutor(count, mp_context=get_context("spawn")) for count in (1, PROCESSES)]
    try:
        yield both[0], both[1]
    finally:
        for pool in both:  # after a mistake nobody waits for what was begun
            pool.shutdown(cancel_futures=True)


def _bare(net: MeasuredNetwork) -> MeasuredNetwork:
    """A net without what cannot leave this process."""
    return MeasuredNetwork(network=net.network, size=net.size, title=net.title, notes=net.notes)


def with_verdicts(made: Context, found: Judged) -> Context:
    """The context with everything about the claims that were judged, in the order of the register."""
    names = [name for name in entries() if name in found.verdicts]
    return dataclasses.replace(
        made,
        verdicts=found.verdicts,
        statements=statements(names),
        trials={name: behind for name in names if (behind := trials(name, found.views))},
        not_judged=len(entries()) - len(names),
    )


def with_members(
    made: Context, own: tuple[Image, ...], again: trained.Again | None, strided: trained.Again | None = None
) -> Context:
    """The context with untrained nets, and before them a trained one in both states, where there is one.

    Args:
        own: the reader's images. again: a trained member with its pictures. strided: another, which strides.
    """
    pair = None if again is None else trained.pair(again, own)
    told = pair.told if pair is not None else trained.LEFT_OUT if made.fast else trained.NO_RECORD
    both, features = ((), ()) if pair is None else (pair.members, pair.features)
    if strided is not None:
        other = trained.pair(strided, own, both=False)
        both, told = (*both, *other.members), f"{told} {other.told}" if pair is not None else other.told
    every = (*both, *members((*own, *digit_images())))
    return dataclasses.replace(made, members=every, trained=told, features=features)


def provenance(views: Mapping[str, SweepResults]) -> tuple[Mapping[str, object], ...]:
    """What is known of how the records of these views were made, each once, in the order of their arms."""
    found = {}
    for view in views.values():
        store = Store(view.settings.runs)
        for cell in (*view.cells, *view.checks):
            if cell.record is not None:
                found[cell.record.arm] = store.provenance(cell.record.arm)
    return tuple(found[arm] for arm in sorted(found))


def own_images(paths: Sequence[str]) -> tuple[Image, ...]:
    """The reader's pictures, at the size of the digits. Raises UsageError where one is none."""
    side = digit_images()[0].pixels.shape[0]
    return tuple(Image(title=Path(path).name, pixels=reader_image(Path(path), side)) for path in paths)
