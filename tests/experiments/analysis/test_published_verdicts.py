"""What comes with the suite: records that this code reads, and verdicts that are what those records say."""

import json
from pathlib import Path

import pytest

from cnnlab.records import Store
from experiments.analysis.results import SweepResults
from experiments.analysis.selection import MADE, best_views
from experiments.analysis.verdicts import judge_claims
from experiments.claims.base import Trained
from experiments.claims.registry import claims, register
from experiments.paths import published
from experiments.reports.claim import verdict_data

MOST = 8_000_000
"""Bytes of records, tables and figures of sweeps that a clone should have to fetch at most."""

KEYS = ("verdict", "reason", "n")
"""What is the same on every machine; last digits of an interval need not be."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CNNLAB_PUBLISHED")
    if not list(published().glob(f"sweeps/*/*/{MADE}")):
        pytest.skip("no sweep is published yet: python -m experiments.publish")
    return published()


@pytest.fixture
def views(root: Path, tmp_path: Path) -> dict[str, SweepResults]:
    sweeps = sorted({path.parent.parent.name for path in root.glob(f"sweeps/*/*/{MADE}")})
    found = best_views(sweeps, (), tmp_path)
    assert sorted(found) == sweeps, "a published sweep is not complete"
    return found


def test_every_published_record_is_read_by_this_code(root: Path) -> None:
    store = Store(root / "runs")
    names = list(store.arms())
    assert names
    for name in names:
        store.read(name)
    assert sum(path.stat().st_size for part in ("runs", "sweeps") for path in (root / part).rglob("*.*")) < MOST


@pytest.mark.slow
def test_published_verdicts_are_what_the_published_records_say(root: Path, views: dict[str, SweepResults]) -> None:
    """Of the claims that rest on training alone: what else is computed has tests of its own, and takes longer."""
    written = {row["id"]: row for row in json.loads((root / "claims" / "verdicts.json").read_text())}
    names = [
        name
        for name, claim in claims().items()
        if all(isinstance(source, Trained) and source.sweep in views for source in claim.sources.values())
    ]
    assert names
    for name, verdict in judge_claims(names, views, root).items():
        found = verdict_data(register()[name], verdict)
        assert [found[key] for key in KEYS] == [written[name][key] for key in KEYS], name
