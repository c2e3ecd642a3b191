"""The door of publishing: its last step is the page, of what was published and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cnnlab.spec.verdict import Verdict
from experiments import publish
from experiments.analysis.results import SweepResults
from experiments.page import building
from experiments.page.document import document
from experiments.page.evidence import Judged
from experiments.page.view import choose_views
from experiments.reports import publication

from .conftest import Door

PLANTED = {"cov-table": Verdict(word="refuted", reason="a planted reason")}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published folder, and a publication that gives one planted verdict."""
    folder = tmp_path / "published"
    monkeypatch.setenv("CNNLAB_PUBLISHED", str(folder))

    def published_there(*_: Any) -> tuple[dict[str, Verdict], dict[str, SweepResults]]:
        folder.mkdir()
        return PLANTED, {}

    monkeypatch.setattr(publication, "chosen", lambda *_: None)
    monkeypatch.setattr(publication, "publish", published_there)
    return folder


def test_the_page_is_written_last_from_the_published_verdicts(
    root: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, asked_for = building.context, []

    def board_alone(asked: building.Asked, _: Any, console: Console, found: Judged) -> Any:
        asked_for.append(asked)
        return honest(asked, choose_views(["board"]), console, found)

    def shown(_: Any, context: Any) -> bytes:
        return document(choose_views(["board"]), context)

    monkeypatch.setattr(building, "context", board_alone)
    monkeypatch.setattr(building, "document", shown)
    done = door(publish.main)
    assert (done.code, done.err) == (0, "")
    assert asked_for == [building.Asked(results=root)]
    page = (root / "report.html").read_text()
    assert "a planted reason" in page
    assert "1 claim about convolutional networks: 1 refuted." in page


def test_nothing_is_written_where_nothing_was_published(
    root: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise publication.UsageError("planted")

    monkeypatch.setattr(publication, "publish", refused)
    done = door(publish.main)
    assert (done.code, done.err) == (2, "error: planted\n")
    assert not root.exists()
