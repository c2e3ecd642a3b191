"""What a user adds: found, judged as a family of its own, and told in one line where it is wrong."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cnnlab import rooms
from cnnlab.gradients import measuring
from cnnlab.probes import measuring as probing
from cnnlab.records import Store
from cnnlab.rooms import ExtraError
from experiments import judge, report, run, suite, tasks
from experiments.analysis import contrasts, convergence, metrics, selection, verdicts
from experiments.analysis.results import ArmResults, SweepResults
from experiments.claims import registry
from experiments.config.grid import grid
from experiments.config.resolve import Point
from experiments.new import __main__ as new
from experiments.page import view as page_view
from experiments.paths import ROOT
from experiments.reports import added
from experiments.training.suite_plan import banks

from ..conftest import of_the_suite
from .conftest import Compose, Door, Plant

Extra = Callable[[str, str], Path]
CLAIM = '''
"""A claim of mine."""

from cnnlab.inference.rules.directional import Directional
from experiments.claims.base import Claim, Contrast, Trained

CLAIM = Claim(
    says="A late pool beats an early one.",
    notes='"mine"',
    kind="empirical",
    evidence=Trained(
        sweep="pool_position",
        contrasts=(Contrast(name="late against early", better=("[2,4]",), worse=("[0,4]",)),),
        tasks=("digits12", "textures12"),
    ),
    rule=Directional(match="none"),
)
'''


def forget() -> None:
    for known in (registry.register, registry._written, registry.claim_digests):
        known.cache_clear()


@pytest.fixture
def extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Extra]:
    """Write a file of the folder that `CNNLAB_EXTRA` names."""
    home = tmp_path / "extra"
    home.mkdir()
    monkeypatch.setenv("CNNLAB_EXTRA", str(home))

    def write(path: str, text: str) -> Path:
        place = home / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        forget()
        rooms._check_places.cache_clear()
        return place

    forget()
    yield write
    forget()


@pytest.fixture
def longer(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three times the training arms reach what they did before."""

    def cell(view: SweepResults, shorter: ArmResults) -> ArmResults:
        point = convergence.longer_point(shorter)
        return ArmResults(point=point, record=plant(point, reached(point)))

    monkeypatch.setattr(convergence, "longer_cell", cell)


@pytest.fixture(scope="module")
def before() -> tuple[dict[str, str], object]:
    """Digests of the 57, and the size of their family, without anything added."""
    forget()
    digests = registry.claim_digests()
    return {name: digests[name] for name in registry.register()}, verdicts.registered_family()


def of_the_57() -> tuple[dict[str, str], object]:
    """The same now."""
    digests = registry.claim_digests()
    return {name: digests[name] for name in registry.register()}, verdicts.registered_family()


def test_an_own_claim_changes_nothing_about_the_57(before: tuple[object, object], extra: Extra) -> None:
    extra("claims/mine/late_pool.py", CLAIM)
    assert of_the_57() == before
    assert len(registry.register()) == 57
    assert list(registry.entries()) == [*registry.register(), "late-pool"]
    assert registry.entries()["late-pool"].source == "CNNLAB_EXTRA"
    assert verdicts.own_family("CNNLAB_EXTRA").claims == 1


def test_an_own_claim_that_joined_the_family_would_be_noticed(
    before: tuple[object, object], extra: Extra, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    extra("claims/mine/late_pool.py", CLAIM)
    monkeypatch.setattr(verdicts, "register", registry.entries)
    assert of_the_57() != before


def reached(point: Point) -> float:
    """Early pools, and the checks that must fail, lose a fifth."""
    return 0.7 if point.level.startswith(("[0", "[1")) or point.check in ("positive", "sensitivity") else 0.9


@pytest.fixture(scope="module")
def view(composed: Compose, plant: Plant) -> SweepResults:
    """Four pool positions on two real tasks, with records."""
    plan = composed(
        "pool_position", "quick", "model.pools=[0,4],[1,4],[2,4],[3,4]", "data=digits12,textures12", "match=none"
    )

    def cell(point: Point) -> ArmResults:
        return ArmResults(point=point, record=plant(point, reached(point)))

    return SweepResults(
        settings=plan.settings, cells=tuple(map(cell, plan.points)), checks=tuple(map(cell, plan.checks))
    )


def remade(view: SweepResults, claims: dict[str, str]) -> SweepResults:
    """The same records with these digests of claims."""

    def cell(one: ArmResults) -> ArmResults:
        assert one.record is not None
        return dataclasses.replace(one, record=dataclasses.replace(one.record, claims=claims))

    return dataclasses.replace(view, cells=tuple(map(cell, view.cells)), checks=tuple(map(cell, view.checks)))


def test_own_claims_are_judged_by_themselves(extra: Extra, view: SweepResults, longer: None) -> None:
    """Holm counts one claim for it, and 20 odd for one of the 57 that is judged beside."""
    extra("claims/mine/late_pool.py", CLAIM)
    views = {"pool_position": remade(view, registry.claim_digests())}
    found = verdicts.judge_claims(["late-pool", "mp-after-two-convs"], views, Path("none"))
    assert list(found) == ["late-pool", "mp-after-two-convs"]
    assert found["late-pool"].evidence["holm_registered"] == 1
    theirs = json.dumps(found["mp-after-two-convs"].evidence)
    assert f'"holm_registered": {verdicts.registered_family().claims}' in theirs
    assert found["late-pool"].word == "supported"
    assert "newer" not in found["late-pool"].reason
    alone = verdicts.judge_claims(["mp-after-two-convs"], views, Path("none"))
    assert alone["mp-after-two-convs"] == found["mp-after-two-convs"]


def older(view: SweepResults, name: str) -> SweepResults:
    """The same records, made before a claim was written."""
    return remade(view, {one: value for one, value in registry.claim_digests().items() if one != name})


def test_an_own_claim_that_is_newer_than_its_records_says_so(
    extra: Extra, view: SweepResults, longer: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra("claims/mine/late_pool.py", CLAIM)
    views = {"pool_position": older(view, "late-pool")}
    found = verdicts.judge_claims(["late-pool"], views, Path("none"))["late-pool"]
    assert found.word == "supported"
    assert found.reason.endswith("; the claim's rule is newer than 4 of the 4 records it was judged from")
    # one of the 57 is capped, as ever
    views = {"pool_position": older(view, "mp-after-two-convs")}
    theirs = verdicts.judge_claims(["mp-after-two-convs"], views, Path("none"))["mp-after-two-convs"]
    assert theirs.word == "inconclusive"
    assert "rule changed after data" in theirs.reason
    # and the twin: were the own claim one of them, it would be capped too
    forged = {name: dataclasses.replace(entry, source="") for name, entry in registry.entries().items()}
    monkeypatch.setattr(contrasts, "entries", lambda: forged)
    views = {"pool_position": older(view, "late-pool")}
    assert verdicts.judge_claims(["late-pool"], views, Path("none"))["late-pool"].word == "inconclusive"


def test_the_words_of_an_own_claim_are_no_part_of_its_digest(extra: Extra) -> None:
    digests = []
    for text in (CLAIM, CLAIM.replace("A late pool beats", "A late max-pool beats"), CLAIM.replace("[0,4]", "[1,4]")):
        extra("claims/mine/late_pool.py", text)
        sys.modules.pop("experiments.claims.mine.late_pool", None)
        digests.append(registry.claim_digests()["late-pool"])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("claims/mine/lin_collapse.py", CLAIM, "the id lin-collapse is taken by"),
        ("claims/mine/wrong.py", CLAIM.replace("empirical", "exactly"), "claim.kind=exactly is not valid"),
        ("claims/mine/wrong.py", CLAIM.replace("empirical", "exact"), "kind=exact has no part empirical"),
        ("claims/mine/wrong.py", "CLAIM = 1\n", "CLAIM is no Claim"),
        ("claims/mine/wrong.py", "", "has no CLAIM"),
        ("claims/mine/wrong.py", "import nowhere_at_all\n", "ModuleNotFoundError"),
        ("claims/mine/wrong.py", "import sys\nsys.exit(0)\n", "SystemExit: 0"),
        ("conf/sweep/pool_position.yaml", "sweep: {}\n", "the name is taken by"),
        (
            "claims/mine/wrong.py",
            CLAIM.replace('",)),),', '",))),'),
            r"trained.contrasts=Contrast\(.*: must be a tuple",
        ),
        ("claims/mine/wrong.py", CLAIM.replace('("[2,4]",)', '("[2,4]")'), "contrast.better=.*: must be a tuple"),
        ("claims/mine/wrong.py", CLAIM.replace('("[2,4]",)', "(2,)"), "contrast.better=.*every entry must be text"),
        ("claims/mine/wrong.py", CLAIM.replace('"none"', '"flops"'), "rule.match=flops is .* none, macs, params"),
        ("claims/mine/wrong.py", CLAIM.replace('"A late pool beats an early one."', '""'), "claim.says= is not valid"),
        ("claims/mine/wrong.py", CLAIM.replace("rule=", "figure=3, rule="), "claim.figure=3 is not valid"),
        ("claims/mine/wrong.py", CLAIM.replace('Directional(match="none")', "3"), "claim.rule="),
        ("claims/mine/wrong.py", CLAIM.replace('"[2,4]"', '"[9]"'), r"level of pool_position=\[9\] is not valid"),
        ("claims/mine/wrong.py", CLAIM.replace('"digits12"', '"digits"'), "task of pool_position=digits is not valid"),
        ("claims/mine/wrong.py", CLAIM.replace("tasks=", 'metric="acc", tasks='), "metric=acc is not valid"),
        ("claims/mine/wrong.py", CLAIM.replace('"pool_pos', '"pol_pos'), "sweep=pol_position is not valid"),
    ],
)
def test_a_wrong_addition_is_one_line(extra: Extra, door: Door, path: str, text: str, said: str) -> None:
    place = extra(path, text)
    sys.modules.pop("experiments.claims.mine.wrong", None)
    ended = door(judge.main, "wrong")
    assert ended.code == 2
    assert re.match(f"error: {place}: {said}", ended.err), ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("claim/mine/late.py", "{extra}/claim: is looked for as claims"),
        ("conf/sweeps/mine.yaml", "{extra}/conf/sweeps: is looked for as conf/sweep"),
        ("conf/sweep/mine.yml", "{extra}/conf/sweep/mine.yml: must end in .yaml"),
        ("claims/late.py", "{extra}/claims/late.py: must lie in the folder of a family, such as claims/own/late.py"),
    ],
)
def test_what_nobody_would_find_is_told(extra: Extra, door: Door, path: str, said: str) -> None:
    place = extra(path, CLAIM)
    ended = door(judge.main, "st-usually-one")
    assert ended.code == 2
    assert ended.err.startswith(f"error: {said.format(extra=str(place).removesuffix(f'/{path}'))}")


def test_published_results_that_are_not_there_are_told(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_PUBLISHED", "nowhere_at_all")
    selection._check_published.cache_clear()
    ended = door(judge.main, "st-usually-one")
    assert (ended.code, ended.err) == (
        2,
        "error: CNNLAB_PUBLISHED=nowhere_at_all is not valid: there is no such folder\n",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("return 3.0", "TypeError: statistic returned a float: must return a dict, values by name"),
        ("return {'a': snapshot.activ}", "line 2: AttributeError: 'NoneType' object has no attribute 'activ'"),
        ("raise SystemExit(3)", "line 2: SystemExit: 3"),
    ],
)
def test_a_statistic_that_fails_names_its_file(extra: Extra, text: str, said: str) -> None:
    place = extra("statistics/fails_of_mine.py", f"def statistic(snapshot):\n    {text}\n")
    measuring.statistics.cache_clear()
    try:
        with pytest.raises(ExtraError, match=f"^{place}: {said}"):
            measuring.measure(cast(Any, None), ["fails_of_mine"])
    finally:
        measuring.statistics.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("return 3.0", "TypeError: probe returned a float: must return a dict, values by name"),
        ("return {'a': 'much'}", "ValueError: could not convert string to float: 'much'"),
        ("raise SystemExit(3)", "line 2: SystemExit: 3"),
    ],
)
def test_a_probe_that_fails_names_its_file(extra: Extra, text: str, said: str) -> None:
    place = extra("probes/fails_of_mine.py", f"def probe(member):\n    {text}\n")
    probing.probes.cache_clear()
    try:
        with pytest.raises(ExtraError, match=f"^{place}: {said}"):
            probing.measure(cast(Any, None), ["fails_of_mine"])
    finally:
        probing.probes.cache_clear()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("record.membres", "line 2: AttributeError"),
        ("(1.0,)", "ValueError: values returned 1 numbers for 2 members"),
        ("('a', 'b')", "ValueError: could not convert string to float: 'a'"),
    ],
)
def test_a_metric_that_fails_names_its_file(extra: Extra, text: str, said: str) -> None:
    place = extra("metrics/fails_of_mine.py", f"def values(record):\n    return {text}\n")
    with pytest.raises(ExtraError, match=f"^{place}: {said}"):
        metrics.measured(cast(Any, SimpleNamespace(members=(1, 2))), "fails_of_mine")


@pytest.mark.parametrize(
    ("main", "words"), [(run.main, ("+sweep=pool_position",)), (suite.main, ("only=pool_position", "--dry-run"))]
)
def test_a_claim_that_its_sweep_cannot_serve_is_told_before_anything_trains(
    extra: Extra, door: Door, main: Callable[[], int], words: tuple[str, ...], tmp_path: Path
) -> None:
    place = extra("claims/mine/wrong.py", CLAIM.replace('"[2,4]"', '"[9]"'))
    sys.modules.pop("experiments.claims.mine.wrong", None)
    ended = door(main, *words, "scale=smoke", "tracker=off")
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith(f"error: {place}: level of pool_position=[9] is not valid")
    assert not list(tmp_path.rglob("record.json"))


def test_a_view_that_is_none_is_told(extra: Extra, door: Door) -> None:
    place = extra("views/wrong_of_mine.py", "VIEW = 3\n")
    page_view.views.cache_clear()
    try:
        assert f"error: {place}: VIEW=3 is not valid: must be a View" in door(report.main, "--only", "x").err
    finally:
        page_view.views.cache_clear()


def test_a_second_claim_of_one_name_is_not_written(extra: Extra, door: Door) -> None:
    place = extra("claims/mine/late_pools.py", CLAIM)
    ended = door(new.main, "claim", "late_pools")
    assert (ended.code, ended.err) == (2, f"error: late-pools is the claim of {place}: choose another name\n")


@pytest.mark.parametrize("make", ["fifo", "folder", "dangling link"])
def test_a_file_of_settings_that_is_none_is_one_line(extra: Extra, door: Door, make: str) -> None:
    place = extra("conf/sweep/none_of_mine.yaml", "")
    place.unlink()
    {"fifo": os.mkfifo, "folder": os.mkdir, "dangling link": lambda path: path.symlink_to("/nowhere")}[make](place)
    ended = door(run.main, "scale=smoke", "tracker=off")
    assert ended.code == 2
    assert ended.err == f"error: {place}: is no file, or a link to nothing: rename it or take it away\n"


def test_a_file_of_settings_without_its_schema_is_one_line(extra: Extra, door: Door) -> None:
    extra("conf/train/bare_of_mine.yaml", "optimizer: adam\n")
    ended = door(run.main, "train=bare_of_mine", "scale=smoke", "tracker=off")
    assert ended.code == 2
    assert ended.err.startswith("error: train: conf/train/NAME.yaml must begin as those of the suite")
    assert ended.err.count("\n") == 1


def test_a_task_without_a_setting_is_told(extra: Extra, door: Door) -> None:
    extra("tasks/bare_of_mine.py", "")
    ended = door(tasks.main, "bare_of_mine")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: bare_of_mine has no setting: write one, conf/data/bare_of_mine.yaml")


def test_a_pipe_for_a_module_is_not_waited_for(extra: Extra) -> None:
    place = extra("statistics/pipe_of_mine.py", "")
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(ExtraError, match=f"^{place}: is no module of Python"):
        added.check()


def test_a_task_that_ends_the_process_is_one_line(extra: Extra, door: Door) -> None:
    code = "DIALS = ()\ndef check(task, source): raise SystemExit(0)\ndef load(task, source): ...\n"
    place = extra("tasks/ends_of_mine.py", code)
    keys = "side: 8\nchannels: 1\nclasses: 2\ntrain_images: 8\nvalidation_images: 8\nepochs: 1\nlearning_rate: 0.1\n"
    extra("conf/data/ends_of_mine.yaml", f"defaults: [data_schema, _self_]\nname: {place.stem}\n{keys}")
    ended = door(run.main, f"data={place.stem}", "scale=smoke", "tracker=off", "model.depth=2", "model.pools=[1]")
    assert (ended.code, ended.err) == (2, f"error: task {place.stem}: SystemExit: 0\n")


def test_a_broken_statistic_is_told_before_anything_trains(extra: Extra) -> None:
    place = extra("statistics/broken_of_mine.py", "import nowhere_at_all\n")
    with pytest.raises(ExtraError, match=f"^{place}: ModuleNotFoundError"):
        added.check()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mine,max_pooling,exactly", "'exactly' is no kind"),
        ("Mine!,max_pooling,exact", "'Mine!' is no id"),
        ("mine,nowhere,exact", "there is no family 'nowhere'"),
        ("mine,max_pooling", "must have the columns id,family,kind"),
        ("mine,max_pooling,exact,more", "must have the columns id,family,kind"),
        ("lin-collapse,activations,exact", "the id is there twice"),
        ("mine,max_pooling,empirical", "is not as it was fixed before anything was run"),
    ],
)
def test_a_line_that_somebody_writes_into_the_register_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: Door, line: str, said: str
) -> None:
    """The last one is right in itself, and would have made the family of the 57 larger."""
    folder = tmp_path / "claims"
    folder.mkdir()
    for path in registry.FOLDER.iterdir():
        if path.name != "register.csv":
            (folder / path.name).symlink_to(path)
    (folder / "register.csv").write_text((registry.FOLDER / "register.csv").read_text() + line + "\n")
    monkeypatch.setattr(registry, "FOLDER", folder)
    forget()
    ended = door(judge.main, "all")
    forget()
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_an_own_sweep_and_task_compose_as_those_of_the_suite(extra: Extra, door: Door) -> None:
    assert door(new.main, "sweep", "own_sweep").code == 0
    assert door(new.main, "task", "own_task").code == 0
    found = grid(["+sweep=own_sweep", "scale=smoke", "data=own_task", "tracker=off"])
    assert {point.level for point in found.points} == {"1", "3"}
    assert {point.arm.task.name for point in found.points} == {"own_task"}
    assert banks()["OWN"] == ("own_sweep",)


def test_an_installed_package_brings_claims_and_sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Announced by entry points: each source is a register, and a family for Holm, of its own."""
    home = tmp_path / "package_of_theirs"
    for path, text in {
        "claims/mine/late_pool.py": CLAIM,
        "conf/sweep/theirs.yaml": (ROOT / "conf/sweep/relu_at_zero.yaml").read_text(),
    }.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    points = [f"[cnnlab.{group}]\ntheirs = package_of_theirs.{folder}" for group, folder in ANNOUNCED.items()]
    (tmp_path / "theirs-1.0.dist-info").mkdir()
    (tmp_path / "theirs-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (tmp_path / "theirs-1.0.dist-info" / "entry_points.txt").write_text("\n".join(points))
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    assert registry.entries()["late-pool"].source == "theirs"
    assert verdicts.own_family("theirs").claims == 1
    assert verdicts.own_family("CNNLAB_EXTRA").claims == 0
    found = grid(["+sweep=theirs", "scale=smoke", "tracker=off"])
    assert {point.level for point in found.points} == {"zero", "half", "one"}
    monkeypatch.undo()
    forget()


ANNOUNCED = {"claims": "claims", "sweeps": "conf"}


def test_without_the_folder_there_is_no_such_sweep(extra: Extra, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin."""
    assert door(new.main, "sweep", "own_sweep").code == 0
    monkeypatch.delenv("CNNLAB_EXTRA")
    with pytest.raises(ValueError, match="sweep=own_sweep is not valid"):
        grid(["+sweep=own_sweep", "scale=smoke"])


def test_a_statistic_that_records_lack_is_told(extra: Extra, view: SweepResults) -> None:

    def watched(cell: ArmResults, *names: str) -> ArmResults:
        assert cell.record is not None
        history = {"stats": {"images_seen": [0], **{f"{name}/conv1/kernel": [0.5] * 40_000 for name in names}}}
        return dataclasses.replace(cell, record=dataclasses.replace(cell.record, histories=(history,)))

    def seen(*names: str) -> SweepResults:
        return dataclasses.replace(view, cells=tuple(watched(cell, *names) for cell in view.cells), checks=())

    assert added.lines(seen("grad_norm")) == []
    extra("statistics/stat_of_mine.py", "def statistic(snapshot):\n    return {}\n")
    (line,) = added.lines(seen("grad_norm"))
    arms = len({cell.point.arm.key for cell in view.cells})
    assert line.startswith(f"statistic stat_of_mine: {arms} of {arms} watched records have none")
    (line,) = added.lines(seen("grad_norm", "stat_of_mine"))
    assert line == "statistic stat_of_mine: takes up to 200 kB of a record"


def test_what_is_not_under_version_control_is_not_shipped() -> None:
    """Shipped counts count the shipped: an addition to a checkout turns none of them red."""
    there, own = ROOT / "conf/config.yaml", ROOT / "conf/sweep/thing_of_mine.yaml"
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout of git")
    assert of_the_suite([there, own]) == [there]


# ------------------------------------------------------------------------------------------------- experiments.new

KINDS = {
    "claim": ("claims/own/thing_of_mine.py",),
    "metric": ("metrics/thing_of_mine.py",),
    "statistic": ("statistics/thing_of_mine.py",),
    "sweep": ("conf/sweep/thing_of_mine.yaml",),
    "task": ("tasks/thing_of_mine.py", "conf/data/thing_of_mine.yaml"),
}


def test_every_kind_is_written_where_it_is_found_and_passes_the_linter(
    extra: Extra, door: Door, tmp_path: Path
) -> None:
    assert new.kinds() == tuple(KINDS)
    for kind, files in KINDS.items():
        ended = door(new.main, kind, "thing-of-mine")
        assert ended.code == 0
        assert [f"written: {tmp_path / 'extra' / file}" for file in files] == ended.out.splitlines()[: len(files)]
        assert all("Fill in" in (tmp_path / "extra" / file).read_text() for file in files)
        again = door(new.main, kind, "thing_of_mine")
        assert (again.code, again.out) == (2, "")
        assert "is there already" in again.err
    there = {str(path.relative_to(tmp_path / "extra")) for path in (tmp_path / "extra").rglob("*.*")}
    assert there == {file for files in KINDS.values() for file in files}
    for asked in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *asked, "--no-cache", "--config", ROOT / "pyproject.toml", tmp_path]
        assert subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()[-1] in (
            "All checks passed!",
            "4 files already formatted",
        )


@pytest.mark.parametrize(
    ("kind", "name"), [("statistic", "grad_norm"), ("task", "vernier"), ("sweep", "pool_position")]
)
def test_a_file_of_the_suite_is_never_written_over(extra: Extra, door: Door, kind: str, name: str) -> None:
    ended = door(new.main, kind, name)
    assert ended.code == 2
    assert "is there already: choose another name" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("claim", "sig-vanishes"), "is one of the 57 claims"),
        (("claim", "sig_vanishes", "--family", "mine"), "is one of the 57 claims"),
        (("task", "bars", "--family", "mine"), "a task is of no family"),
        (("task", "taken"), "cannot be written to: choose another folder"),
        (("sweep", "link"), "is there already"),
    ],
)
def test_what_cannot_be_written_whole_is_one_line_and_nothing_is_written(
    extra: Extra, door: Door, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """A file where the second of two folders should be; a link to nothing where the file should be."""
    extra("conf/sweep/other.yaml", "")
    (tmp_path / "extra" / "conf" / "data").write_text("")
    (tmp_path / "extra" / "conf" / "sweep" / "link.yaml").symlink_to(tmp_path / "nothing")
    before = sorted(tmp_path.rglob("*"))
    ended = door(new.main, *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert told in ended.err
    assert sorted(tmp_path.rglob("*")) == before


NO_NAMES = ("../x", "X", "a b", "", "1st", "a" * 300, "__init__", "größe", "_x", "a__b", "a.b", "a\n")
MEANT = (
    "class",
    "import",
    "match",
    "not",
    "cnnlab",
    "experiments",
    "conf",
    "json",
    "len",
    "null",
    "true",
    "nan",
    "inf",
)


@pytest.mark.parametrize("name", [*NO_NAMES, *MEANT])
def test_a_name_that_is_no_file_or_means_something_already_is_one_line(extra: Extra, door: Door, name: str) -> None:
    for words in (("statistic", name), ("claim", "of-mine", "--family", name)):
        ended = door(new.main, *words)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.count("\n") == 1
        assert ("choose another, such as my_" in ended.err) == (name in MEANT)


def test_twin_a_name_that_begins_with_a_keyword_is_one(extra: Extra, door: Door, tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir(exist_ok=True)
    assert door(new.main, "statistic", "class_mean").code == 0


def test_without_a_folder_the_checkout_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CNNLAB_EXTRA", raising=False)
    home, places = new.home_of(new.draft("claim", "my-claim", "own"))
    assert (home, places) == (ROOT, [ROOT / "experiments/claims/own/my_claim.py"])
    monkeypatch.setattr(new, "INSTALLED", True)
    with pytest.raises(ValueError, match="CNNLAB_EXTRA names no folder"):
        new.home_of(new.draft("claim", "my-claim", "own"))


# ---------------------------------------------------------------------------------------------------------- whole runs


SMALL = ("model.depth=2", "model.pools=[1,2]", "model.width=4")
"""A net that compiles quickly."""


def ran(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *words]
    surroundings = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=surroundings)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_written_is_well_typed_and_runs_from_the_sweep_to_its_verdict(
    extra: Extra, door: Door, tmp_path: Path
) -> None:
    """An own claim on an own metric, of an own sweep on an own task, with an own statistic."""
    for kind in KINDS:
        assert door(new.main, kind, "thing_of_mine").code == 0
    home = tmp_path / "extra"
    checks = ("mypy", "--config-file", "pyproject.toml", "--explicit-package-bases")
    types = ran(*checks, *map(str, home.rglob("*.py")), MYPYPATH=str(home))
    assert types.returncode == 0, types.stdout
    claim, sweep = home / "claims/own/thing_of_mine.py", home / "conf/sweep/thing_of_mine.yaml"
    text = claim.read_text()
    for old, fresh in {
        '"pool_position"': '"thing_of_mine"',
        '("[2,4]",)': '("3",)',
        '("[0,4]",)': '("1",)',
        '"test_accuracy"': '"thing_of_mine"',
        '("digits12", "textures12", "fashion12")': '("thing_of_mine",)',
    }.items():
        assert old in text
        text = text.replace(old, fresh)
    claim.write_text(text)
    planned = sweep.read_text().replace('smoke: "digits12"', 'smoke: "thing_of_mine"')
    sweep.write_text(planned.replace("watched: false", "watched: true"))
    words = ["scale=smoke", "tracker=off", "scale.max_train_images=256", "scale.max_epochs=1", *SMALL]
    places = {"CNNLAB_RESULTS": str(tmp_path / "results"), "CNNLAB_CACHE": str(tmp_path / "cache")}
    ended = ran("experiments.run", "+sweep=thing_of_mine", *words, **places)
    assert ended.returncode == 0, ended.stderr
    found = tmp_path / "results" / "sweeps" / "thing_of_mine" / "smoke" / "verdicts.json"
    assert "thing-of-mine" in json.loads(found.read_text())
    store = Store(tmp_path / "results" / "runs")
    records = [json.loads(path.read_text()) for path in store.root.glob("*/record.json")]
    watched = [record for record in records if record["config"]["recipe"]["watched"]]
    assert len(watched) == 2
    for record in watched:
        assert any(name.startswith("thing_of_mine/") for name in record["histories"][0]["stats"])
    judged = ran("experiments.judge", "thing-of-mine", "--json", *words, **places)
    (verdict,) = json.loads(judged.stdout)
    assert verdict["verdict"] == "inconclusive"
    assert verdict["register"] == "CNNLAB_EXTRA"
    assert "scale smoke" in verdict["reason"]


def backend_missing() -> bool:
    """Whether setuptools is there, and young enough to read the licence in pyproject.toml."""
    try:
        import setuptools
    except ImportError:
        return True
    return int(setuptools.__version__.partition(".")[0]) < 77


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(backend_missing(), reason="needs setuptools 77 or later (pip install -e '.[dev]')")
def test_a_wheel_runs_a_sweep_from_an_empty_folder(tmp_path: Path) -> None:
    source, site, empty = (tmp_path / name for name in ("source", "site", "empty"))
    empty.mkdir()
    for name in ("cnnlab", "experiments", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], check=True, capture_output=True, cwd=source)
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, site, "zip")
    assert (site / "experiments/claims/register.csv").is_file()
    surroundings = {**os.environ, "PYTHONPATH": str(site), "CNNLAB_CACHE": str(tmp_path / "cache")}
    for name in ("CNNLAB_RESULTS", "CNNLAB_PUBLISHED", "CNNLAB_EXTRA"):
        surroundings.pop(name, None)
    start = "import sys, experiments.__main__ as door; sys.argv[:1] = ['cnnlab']; door.cnnlab()"
    words = ["run", "+sweep=pool_position", "scale=smoke", "scale.max_train_images=64", "scale.max_epochs=1"]
    command = [sys.executable, "-P", "-c", start, *words, "tracker=off"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=empty, env=surroundings)
    assert ended.returncode == 0, ended.stderr
    assert [path.name for path in empty.iterdir()] == ["results"]
    assert len(list(empty.glob("results/runs/*/record.json"))) == 6
    where = [sys.executable, "-P", "-c", "from experiments.paths import CONF; print(CONF)"]
    told = subprocess.run(where, capture_output=True, text=True, check=True, cwd=empty, env=surroundings)
    assert told.stdout.strip() == str(site / "experiments" / "conf")
