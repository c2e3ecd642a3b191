"""The page from a results folder: what its views are made from, gathered, and one file written."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from cnnlab.files import write_bytes
from cnnlab.spec.network import Pair
from experiments.analysis.selection import best_views, sources
from experiments.claims.registry import entries
from experiments.page import trained
from experiments.page.document import document
from experiments.page.evidence import Judged, judged, statements, trials
from experiments.page.member import Image, reader_image
from experiments.page.networks import networks
from experiments.page.untrained import digit_images, members
from experiments.page.view import Context, View, choose_views

NAME = "report.html"
BOARD = "board"
NEED_NETS = ("field", "checkerboard")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be shown.

    Attributes:
        results: folder of records and timings. only: views by name; none for all.
        nets, modules, size, channels: see `experiments.page.networks.networks`. images: picture files.
        fast: leave out what takes long, see the views.
    """

    results: Path
    only: Sequence[str] = ()
    nets: Sequence[str] = ()
    modules: Sequence[str] = ()
    size: Pair | None = None
    channels: int | None = None
    images: Sequence[str] = ()
    fast: bool = False


def write_page(path: Path, asked: Asked, console: Console, found: Judged | None = None) -> None:
    """Build the page and write it to a file.

    Args:
        found: verdicts that are there already; None judges from the results folder.

    Raises:
        PageError: as `document`.
        UsageError, InvalidError, RecordError: a view, net, module, image or record that is of no use.
    """
    chosen = choose_views(asked.only)
    page = document(chosen, context(asked, chosen, console, found))
    write_bytes(path, page)
    console.print(f"{path}: {len(page):,} bytes, {page.count(b'<section ')} views", soft_wrap=True, markup=False)


def context(asked: Asked, chosen: Mapping[str, View], console: Console, found: Judged | None = None) -> Context:
    """What the chosen views are made from; arguments and errors as `write_page`."""
    made = Context(fast=asked.fast)
    if asked.nets or asked.modules or set(NEED_NETS) & set(chosen):
        nets = networks(asked.nets, asked.modules, asked.size, asked.channels, fast=asked.fast)
        made = dataclasses.replace(made, networks=nets)
    own = own_images(asked.images)  # a mistake is told before anything is judged
    if BOARD in chosen:
        found = found or judged(asked.results, asked.fast)
        made = with_verdicts(made, found)
        for line in sources(found.views):
            console.print(line, soft_wrap=True, markup=False)
    if any(view.reads_members for view in chosen.values()):
        views = best_views([trained.SWEEP], (), asked.results) if found is None and not asked.fast else {}
        made = with_members(made, own, views if found is None else found.views, console)
    return made


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


def with_members(made: Context, own: tuple[Image, ...], views: trained.Views, console: Console) -> Context:
    """The context with untrained nets, and before them a trained one in both states, where there is a record of it."""
    pair = None if made.fast else trained.trained(views, own, console)
    told = trained.LEFT_OUT if made.fast else trained.NO_RECORD if pair is None else pair.told
    both = () if pair is None else pair.members
    return dataclasses.replace(made, members=(*both, *members((*own, *digit_images()))), trained=told)


def own_images(paths: Sequence[str]) -> tuple[Image, ...]:
    """The reader's pictures, at the size of the digits. Raises UsageError where one is none."""
    side = digit_images()[0].pixels.shape[0]
    return tuple(Image(title=Path(path).name, pixels=reader_image(Path(path), side)) for path in paths)
