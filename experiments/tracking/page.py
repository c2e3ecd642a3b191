"""The offline page of one sweep, for its W&B run: its claims, what they rest on, and how its layers fared."""

import logging
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from cnnlab.spec.verdict import Verdict
from experiments.analysis.results import SweepResults

VIEWS = ("board", "health", "method")
log = logging.getLogger(__name__)


def of_sweep(results: SweepResults, verdicts: Mapping[str, Verdict]) -> str | None:
    """The page as one HTML file; None, and a line of warning, where it cannot be made.

    Made in a process of its own: this one stays without JAX, and can be interrupted at any moment.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(built, results, dict(verdicts)).result()
    except Exception as problem:
        log.warning("the page of %s was not made (%s)", results.settings.sweep_name, problem)
        return None


def built(results: SweepResults, verdicts: Mapping[str, Verdict]) -> str:
    """The page. Raises PageError where there is nothing to show."""
    # here, since the page's views load JAX
    from experiments.page.building import provenance, with_verdicts
    from experiments.page.document import document
    from experiments.page.evidence import Judged
    from experiments.page.view import Context, choose_views

    views = {results.settings.sweep_name: results}
    made = with_verdicts(Context(views=views, provenance=provenance(views)), Judged(verdicts=verdicts, views=views))
    return document(choose_views(VIEWS), made).decode()
