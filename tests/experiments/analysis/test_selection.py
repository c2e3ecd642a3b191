"""Whose records are judged: published evidence is held against its manifest, timings too, without any sweep."""

from pathlib import Path

import pytest

from cnnlab.records import manifest
from experiments.analysis.selection import MADE, best_views, composing_words, fullest_views
from experiments.paths import sweep_folder


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A published folder with one timing."""
    folder = tmp_path / "published"
    timing = folder / "costs" / "relu-cheap" / "cpu.json"
    timing.parent.mkdir(parents=True)
    timing.write_text("{}")
    manifest.write(folder)
    monkeypatch.setenv("CNNLAB_PUBLISHED", str(folder))
    return folder


def test_whole_evidence_passes(published: Path, tmp_path: Path) -> None:
    assert best_views((), (), tmp_path) == {}
    assert fullest_views((), (), tmp_path) == {}


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[]", b'{"overrides": 3}', b"[" * 100_000])
def test_what_a_published_sweep_was_made_with_is_read_or_told(published: Path, content: bytes) -> None:
    made = sweep_folder("noise", "quick", published) / MADE
    assert composing_words(published, "noise", "quick") is None
    made.parent.mkdir(parents=True)
    made.write_bytes(b'{"overrides": ["model.width=8"]}')
    assert composing_words(published, "noise", "quick") == ["model.width=8", "+sweep=noise", "scale=quick"]
    made.write_bytes(content)
    with pytest.raises(manifest.ManifestError, match=r"made\.json"):
        composing_words(published, "noise", "quick")


def test_an_edited_timing_is_refused_although_no_sweep_is_asked_for(published: Path, tmp_path: Path) -> None:
    (published / "costs" / "relu-cheap" / "cpu.json").write_text("{ }")
    for views in (best_views, fullest_views):
        with pytest.raises(manifest.ManifestError, match=r"cpu\.json is not what was published"):
            views((), (), tmp_path)
