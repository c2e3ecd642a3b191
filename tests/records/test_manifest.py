"""The manifest of published evidence: every edit is found out, and what is not evidence may change."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlab.records import RecordError, manifest

RECORD, PROVENANCE, TIMING = "runs/arm/record.json.gz", "runs/arm/provenance.json", "costs/claim/cpu.json"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Evidence of two arms and a timing, a table that is made from it, and the manifest."""
    folder = tmp_path / "published"
    for name in (RECORD, PROVENANCE, "runs/other/record.json.gz", TIMING, "sweeps/one/quick/table.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    manifest.write(folder)
    return folder


def test_what_was_published_passes_and_is_written_alike(published: Path, tmp_path: Path) -> None:
    manifest.check(published)
    shutil.copytree(published, tmp_path / "copy")
    manifest.check(tmp_path / "copy")
    assert manifest.write(tmp_path / "copy").read_bytes() == (published / manifest.NAME).read_bytes()
    assert len(json.loads((published / manifest.NAME).read_text())[manifest.FILES]) == 4


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def linked(path: Path) -> None:
    path.rename(path.parents[2] / "moved")
    path.symlink_to(path.parents[2] / "moved")


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def foldered(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", [RECORD, PROVENANCE, TIMING])
@pytest.mark.parametrize("spoil", [flip, Path.unlink, linked, piped, foldered])
def test_every_edit_is_found_out_and_named(published: Path, name: str, spoil: Callable[[Path], None]) -> None:
    spoil(published / name)
    with pytest.raises(RecordError) as caught:
        manifest.check(published)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_added_is_found_out(published: Path) -> None:
    shutil.copytree(published / "runs/arm", published / "runs/planted")
    with pytest.raises(manifest.ManifestError, match=r"runs/planted/provenance\.json was not published"):
        manifest.check(published)


def test_tables_are_no_evidence(published: Path) -> None:
    """The twin: not every change is a mistake."""
    flip(published / "sweeps/one/quick/table.csv")
    manifest.check(published)


WRONG = [
    b"",
    b"[]",
    b"{",
    b"\xff",
    b'{"files": []}',
    b'{"files": {}}',
    b'{"other": {}}',
    b"[" * 100_000,
    b'{"files": {"../x": "y"}}',
]


@pytest.mark.parametrize("content", WRONG)
def test_a_spoiled_manifest_is_one_line(published: Path, content: bytes) -> None:
    (published / manifest.NAME).write_bytes(content)
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.check(published)
    assert "\n" not in str(caught.value)


def test_without_a_manifest_there_may_be_no_evidence(published: Path, tmp_path: Path) -> None:
    (published / manifest.NAME).unlink()
    with pytest.raises(manifest.ManifestError, match=r"manifest\.json is missing"):
        manifest.check(published)
    manifest.check(tmp_path / "nothing")
