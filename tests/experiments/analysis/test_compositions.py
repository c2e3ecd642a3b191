"""Compositions that are kept: as composed anew, byte for byte; another key after any change that bears on them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnlab.spec.arm import digest
from experiments.analysis import compositions, kept
from experiments.config.grid import Grid, grid

WORDS = ["+sweep=mine", "scale=quick"]
SWEEP = """\
# @package _global_
sweep:
  bank: OWN
  question: Does width matter?
  held: depth
  factor: model.width
  reference: "4"
  levels: {smoke: "2,4", quick: "2,4", full: "2,4"}
  tasks: {smoke: digits12, quick: digits12, full: digits12}
hydra:
  mode: MULTIRUN
  sweeper:
    params: {data: "${sweep.tasks.${scale.name}}", model.width: "${sweep.levels.${scale.name}}", match: none}
"""


class Counting:
    """Stands for `grid`, and counts how often it is asked."""

    def __init__(self, made: Grid) -> None:
        self.times, self.made = 0, made

    def __call__(self, words: list[str]) -> Grid:
        self.times += 1
        return self.made


@pytest.fixture
def counting(composed: Callable[..., Grid]) -> Counting:
    return Counting(composed("pool_position", "smoke"))


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of an own sweep."""
    path = tmp_path / "extra" / "conf" / "sweep" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(SWEEP)
    monkeypatch.setenv("CNNLAB_EXTRA", str(tmp_path / "extra"))
    return path


def levels(made: Grid) -> list[str]:
    return sorted({point.level for point in made.points})


def test_a_kept_grid_is_the_composed_one(tmp_path: Path, counting: Counting) -> None:
    words = ["+sweep=pool_position", "scale=smoke"]
    first, again = (compositions.whole_grid(words, tmp_path, counting) for _ in range(2))
    assert counting.times == 1
    assert (again.settings, again.points, again.checks) == (first.settings, first.points, first.checks)
    keys = [[point.arm.key for point in (*one.points, *one.checks)] for one in (first, again)]
    assert keys[0] == keys[1]
    point = compositions.first(words, tmp_path, lambda _: first.points[0])
    assert point == first.points[0] == compositions.first(words, tmp_path, _never)


def _never(words: list[str]) -> None:
    raise AssertionError(f"{words} was composed again")


def edit_levels(sweep: Path) -> None:
    sweep.write_text(SWEEP.replace('"2,4"', '"3,4"'))


def edit_quietly(sweep: Path) -> None:
    """As many bytes, and the same time of change: what a stamp does not see in one process, a key does in the next."""
    facts = sweep.stat()
    edit_levels(sweep)
    os.utime(sweep, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    compositions._configuration.cache_clear()


def override_group(sweep: Path) -> None:
    """A file of another group, which this sweep does not name, in a folder that is there now."""
    other = sweep.parent.parent / "scale" / "other.yaml"
    other.parent.mkdir()
    other.write_text("# @package _global_\nscale: {name: quick}\n")


EDITS: dict[str, Callable[[Path], None]] = {
    "levels": edit_levels,
    "as many bytes at the same time": edit_quietly,
    "another file": override_group,
}


@pytest.mark.parametrize("how", EDITS)
def test_an_edit_of_configuration_composes_anew(how: str, sweep: Path, tmp_path: Path, counting: Counting) -> None:
    for _ in range(2):
        compositions.whole_grid(WORDS, tmp_path / "cache", counting)
    assert counting.times == 1
    EDITS[how](sweep)
    compositions.whole_grid(WORDS, tmp_path / "cache", counting)
    assert counting.times == 2


@pytest.mark.parametrize("forgets", [False, True])
def test_an_edit_is_seen_and_twin_a_key_that_forgets_configuration_gives_what_was(
    forgets: bool, sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if forgets:
        monkeypatch.setattr(compositions, "_configuration", lambda stamp: ("", ()))
    assert levels(compositions.whole_grid(WORDS, tmp_path / "cache", grid)) == ["2", "4"]
    edit_levels(sweep)
    now = levels(compositions.whole_grid(WORDS, tmp_path / "cache", grid))
    assert now == (["2", "4"] if forgets else ["3", "4"])


def test_code_and_variables_that_are_named_belong_to_the_key(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.write_text(SWEEP.replace("full: digits12}", 'full: "${oc.env:MINE,digits12}"}'))
    keys = [compositions.key_of("grid", WORDS)]
    monkeypatch.setenv("OTHER", "1")
    assert compositions.key_of("grid", WORDS) == keys[0]
    for name in ("MINE", "CNNLAB_RESULTS", "CNNLAB_CACHE", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
        keys.append(compositions.key_of("grid", WORDS))
    monkeypatch.setattr(kept, "surroundings", lambda *_: "other code")
    keys.append(compositions.key_of("grid", WORDS))
    keys.append(compositions.key_of("first", WORDS))
    keys.append(compositions.key_of("grid", [*WORDS, "model.depth=4"]))
    assert None not in keys
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "text",
    [
        "${now:%H}",
        "${oc.env:${scale.name}}",
        "${oc.env:MI${scale.name}}",
        "${ oc.env:MINE}",
        "${oc.${scale.name}:MINE}",
        "${${scale.name}:MINE}",
        "${oc.create:3}",
        r"\x24{now:%H}",
    ],
)
def test_a_resolver_of_which_the_key_knows_nothing_keeps_nothing(text: str, sweep: Path) -> None:
    assert compositions.key_of("grid", WORDS) is not None
    assert compositions.key_of("grid", [*WORDS, f"tracker.project={text}"]) is None
    sweep.write_text(SWEEP.replace("depth\n", f'"{text}"\n'))
    assert compositions.key_of("grid", WORDS) is None


@pytest.mark.parametrize("words", [["data.raw_dir=raw"], ["model=module", "model.make=mine:Net"]])
def test_what_stands_for_files_elsewhere_is_composed_each_time(
    words: list[str], tmp_path: Path, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "import flax.linen as nn\n\n\nclass Net(nn.Module):\n    @nn.compact\n    def __call__(self, x):\n"
        "        return nn.Dense(10)(nn.Conv(4, (3, 3))(x).mean((1, 2)))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    counting.made = grid(words)
    for _ in range(2):
        compositions.whole_grid(words, tmp_path / "cache", counting)
    assert counting.times == 2


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{}"), lambda path: path.chmod(0o666)])
def test_an_entry_that_is_wrong_or_foreign_is_ignored(
    spoil: Callable[[Path], object], tmp_path: Path, counting: Counting
) -> None:
    words = ["model.width=4"]
    made = compositions.whole_grid(words, tmp_path, counting)
    spoil(compositions.entry(tmp_path, "grid", words))
    assert compositions.whole_grid(words, tmp_path, counting).points == made.points
    assert counting.times == 2


def test_no_cache_composes(counting: Counting) -> None:
    compositions.whole_grid(["model.width=4"], None, counting)
    assert counting.times == 1


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["smoke", "quick", "full"])
def test_every_sweep_reads_back_as_it_is(scale: str, tmp_path: Path, composed: Callable[..., Grid]) -> None:
    """Every key of every arm is the same; and every sweep is kept."""
    for path in sorted(Path("conf/sweep").glob("*.yaml")):
        made = composed(path.stem, scale)
        words = [f"+sweep={path.stem}", f"scale={scale}"]
        compositions.whole_grid(words, tmp_path, lambda _, made=made: made)
        again = compositions.whole_grid(words, tmp_path, _never)  # type: ignore[arg-type]
        assert [one.arm.key for one in (*again.points, *again.checks)] == [
            one.arm.key for one in (*made.points, *made.checks)
        ]
        assert digest(compositions.data(compositions.Composed(settings=made.settings, points=made.points))) == digest(
            compositions.data(compositions.Composed(settings=again.settings, points=again.points))
        )
