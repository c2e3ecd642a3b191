"""What is computed once: kept under a key of the code, and computed anew wherever that, or the entry, is another."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlab.inference.rules.exact import Enumerated, Exact, Restricted
from cnnlab.spec.verdict import Number, Table, Verdict
from experiments.analysis import kept
from experiments.analysis.verdicts import claim_case, conclude
from experiments.claims.base import Claim, Computed
from experiments.claims.registry import claims

NAME = "cov-table"
FOUND = Enumerated(
    cases=3,
    counterexamples=("2 is even",),
    restricted=Restricted(condition="odd", cases=2, counterexamples=0),
    number=Number(name="ratio", value=2.0, low=1.5, high=2.5, unit="x"),
    tables=(Table(title="t", columns=("a", "b", "c"), rows=(("x", 1, 0.5), ("y", None, float("nan")))),),
)


class Counting:
    """A claim that counts how often it is computed."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Enumerated:
        self.times += 1
        return FOUND


@pytest.fixture
def counting() -> Counting:
    return Counting()


def judged(counting: Counting, cache: Path | None) -> Verdict:
    claim = Claim(says="s", notes="n", kind="exact", evidence=Computed(compute=counting), rule=Exact())
    return conclude({NAME: claim_case(NAME, claim, {}, Path("none"), cache)}, {})[NAME]


def test_an_entry_says_what_computing_says_and_is_computed_once(tmp_path: Path, counting: Counting) -> None:
    first, again, bare = judged(counting, tmp_path), judged(counting, tmp_path), judged(Counting(), None)
    assert counting.times == 1
    assert str(first) == str(again) == str(bare)  # NaN is not equal to itself
    assert type(again.tables[0].rows[0][1]) is int
    assert kept.to_compute([NAME], tmp_path) == ()
    assert kept.to_compute([NAME], tmp_path / "elsewhere") == (NAME,)


def edited(path: Path) -> None:
    content = json.loads(path.read_text())
    content["content"]["word"] = "supported"
    path.write_text(json.dumps(content))


def linked(path: Path) -> None:
    shutil.move(path, path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


SPOILED: dict[str, Callable[[Path], object]] = {
    "edited": edited,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "no JSON object": lambda path: path.write_text("[]"),
    "binary": lambda path: path.write_bytes(b"\x80\x04."),
    "a link": linked,
    "writable by all": lambda path: path.chmod(0o666),
    "in a folder that others may write to": lambda path: path.parent.chmod(0o777),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_wrong_or_foreign_entry_is_ignored(how: str, tmp_path: Path, counting: Counting) -> None:
    judged(counting, tmp_path)
    SPOILED[how](kept.entry(tmp_path, NAME, ""))
    assert judged(counting, tmp_path).word == "qualified"
    assert counting.times == 2


def test_an_entry_of_another_claim_is_ignored(tmp_path: Path, counting: Counting) -> None:
    judged(counting, tmp_path)
    shutil.copy(kept.entry(tmp_path, NAME, ""), kept.entry(tmp_path, "cov-5x5-rule", ""))
    assert kept.read(kept.entry(tmp_path, "cov-5x5-rule", ""), kept.key_of("cov-5x5-rule", "")) is None


def checkout(root: Path) -> Path:
    """Two folders of code, and one file of data."""
    for name, text in (("cnnlab/a.py", "A = 1"), ("experiments/claims/b.py", "B = 1"), ("cnnlab/data/c.csv", "1,2")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_changed_code_recomputes_and_compiled_code_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counting: Counting
) -> None:
    """The twin: without the change nothing is computed again."""
    root = checkout(tmp_path / "checkout")
    monkeypatch.setattr(kept, "ROOT", root)
    judged(counting, tmp_path)
    (root / "cnnlab" / "__pycache__").mkdir()
    (root / "cnnlab" / "__pycache__" / "a.pyc").write_bytes(b"x")
    kept.surroundings.cache_clear()
    judged(counting, tmp_path)
    assert counting.times == 1
    for file in ("cnnlab/a.py", "experiments/claims/b.py", "cnnlab/data/c.csv"):
        (root / file).write_text("changed")
        kept.surroundings.cache_clear()
        before = counting.times
        judged(counting, tmp_path)
        assert counting.times == before + 1, file


def test_other_versions_processors_and_publications_have_other_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = checkout(tmp_path)

    def key() -> str:
        kept.surroundings.cache_clear()
        return kept.surroundings(root, tmp_path / "published")

    first = key()
    assert key() == first
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "manifest.json").write_text("{}")
    second = key()
    monkeypatch.setattr(kept, "with_vectors", lambda: "another processor")
    third = key()
    monkeypatch.setattr(kept, "_versions", lambda: {"jax": "9.9"})
    assert len({first, second, third, key()}) == 4


def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(tmp_path: Path, counting: Counting) -> None:
    (tmp_path / "file").write_text("")
    assert judged(counting, tmp_path / "file").word == "qualified"


@pytest.mark.parametrize("name", ["cov-table", "mp-shrinks-spatial", "in-224-all"])
def test_real_claims_are_kept_as_they_are(name: str, tmp_path: Path) -> None:
    first, again, bare = (
        conclude({name: claim_case(name, claims()[name], {}, Path("none"), cache)}, {})[name]
        for cache in (tmp_path, tmp_path, None)
    )
    assert kept.to_compute([name], tmp_path) == ()
    assert dataclasses.asdict(first) == dataclasses.asdict(again) == dataclasses.asdict(bare)
