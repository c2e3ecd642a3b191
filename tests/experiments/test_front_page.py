"""README and docs/: what they say of findings is what the published verdicts give, and their links lead somewhere."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from cnnlab.files import write_json
from cnnlab.inference.effects import accuracy_margin
from cnnlab.spec.net import ConvNet
from experiments import publish
from experiments.claims.registry import register
from experiments.paths import ROOT
from experiments.reports import front_figure, front_page

from .conftest import Door

DOCS = ROOT / "docs"
EVIDENCE = ROOT / "results" / "published"
README = (ROOT / "README.md").read_text()
TUTORIAL = (DOCS / "tutorial.md").read_text()
PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
NUMBER = r"\d[\d.,]*\d|\d"
MARKS = "<!-- {0} -->\n{1}\n<!-- end: {0} -->"


def test_findings_and_results_are_what_the_published_verdicts_give() -> None:
    found = front_page.verdicts(EVIDENCE)
    assert front_page.block(README, "findings") == front_page.findings(found) + front_page.again(EVIDENCE)
    assert (DOCS / "results.md").read_text() == front_page.results_page(found, EVIDENCE)


def test_another_verdict_makes_another_page() -> None:
    """The twin: what is written follows what was found."""
    found = front_page.verdicts(EVIDENCE)
    planted = front_page.chosen(found)[0]["id"]
    other = [{**one, "verdict": "inconclusive"} if one["id"] == planted else one for one in found]
    assert planted not in front_page.findings(other)
    assert front_page.findings(other) != front_page.findings(found)
    assert front_page.results_page(other, EVIDENCE) != front_page.results_page(found, EVIDENCE)


def test_replications_are_counted_together(tmp_path: Path) -> None:
    assert front_page.again(tmp_path) == ""
    for sweep, effects, apart in (("one", 30, 1), ("two", 10, 2)):
        said = {"sweep": sweep, "effects": effects, "apart": apart, "changed_side": 1}
        write_json(tmp_path / "sweeps" / sweep / "quick" / "replication.json", said)
    assert "(docs/results.md#sweep-one) and [two]" in front_page.again(tmp_path)
    assert "3 of 40 effects" in front_page.again(tmp_path)
    assert "and 2 changed side" in front_page.again(tmp_path)


def test_every_claim_has_its_place_on_the_page_of_results() -> None:
    page = (DOCS / "results.md").read_text()
    assert [name for name in register() if f"\n### {name}\n" not in page] == []
    shown = set(re.findall(r"published/claims/([\w-]+)\.png", page))
    drawn = {path.stem for path in (EVIDENCE / "claims").glob("*.png")}
    assert drawn - shown == {"noise"}


def test_a_block_is_replaced_between_its_markers_and_nowhere_else() -> None:
    text = f"x {MARKS.format('findings', 'x')} x"
    assert front_page.with_block(text, "findings", "new") == f"x {MARKS.format('findings', 'new')} x"
    with pytest.raises(ValueError, match="no <!-- other -->"):
        front_page.block(text, "other")


def test_findings_of_training_give_every_task_with_its_interval_and_n() -> None:
    one = next(one for one in front_page.verdicts(EVIDENCE) if one["id"] == "mp-after-two-convs")
    effect = front_page.deciding_effects(one)[0]
    assert front_page.finding(one).startswith(f"with {effect['setting']['worse']}, {front_page.ratio(effect)} ")
    assert front_page.ratio(effect) in front_page.finding(one)
    assert f"(n = {len(effect['seeds'])})" in front_page.finding(one)
    assert len(front_page.deciding_effects(one)) == 3  # tasks, without the other match


def test_a_finding_is_of_the_part_that_decides_alone() -> None:
    """Parts share contrasts: with those behind another metric README named a task twice, and one of another part."""
    one = next(one for one in front_page.verdicts(EVIDENCE) if one["id"] == "lin-depth-useless")
    effects = front_page.deciding_effects(one)
    others = [
        effect["setting"]["task"]
        for effect in one["evidence"]["effects"]
        if effect["setting"]["contrast"] == effects[0]["setting"]["contrast"]
    ]
    assert len(set(others)) > len(effects)  # there is something to leave out
    assert [effect["setting"]["task"] for effect in effects] == others[:1]


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 900
    assert (
        max(map(len, re.sub(FENCE, "", README.replace(front_page.block(README, "findings"), "")).splitlines())) <= 120
    )


def test_the_claim_and_the_sweep_in_readme_are_the_files() -> None:
    shown = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert [Path(path).suffix for path, _ in shown] == [".py", ".yaml"]
    assert [path for path, text in shown if (ROOT / path).read_text() != text] == []


def prose(text: str) -> str:
    """A page without its code, links and what a command wrote."""
    for name in ("findings", "smoke"):
        text = front_page.with_block(text, name, "")
    return re.sub(r"\]\([^)]*\)|`[^`]*`|<!--.*?-->", "", re.sub(FENCE, "", text))


def unknown_numbers(text: str, known: dict[str, str]) -> list[str]:
    """Numbers of a text that are not among those that something in the repository gives."""
    return [number for number in re.findall(NUMBER, text) if number not in known]


def known_numbers() -> dict[str, str]:
    """The numbers that README may name, each from the file that fixes it."""
    project = (ROOT / "pyproject.toml").read_text()
    oldest, beyond = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project)[0]
    members = OmegaConf.load(ROOT / "conf" / "scale" / "quick.yaml").scale.members
    return {
        str(len(register())): "experiments/claims/register.csv",
        f"3.{oldest}": "pyproject.toml",
        f"3.{int(beyond) - 1}": "pyproject.toml",
        str(members): "conf/scale/quick.yaml",
        str(ConvNet().width): "cnnlab/spec/net.py",
        f"{math.exp(accuracy_margin(scale='quick', real=True)):.2f}": "cnnlab/inference/effects.py",
        re.findall(r"Version (\d\.\d)", (ROOT / "LICENSE").read_text())[0]: "LICENSE",
    }


def test_every_number_in_readme_comes_from_a_file() -> None:
    known = known_numbers()
    assert unknown_numbers(prose(README), known) == []
    assert set(known) <= set(re.findall(NUMBER, prose(README)))
    assert unknown_numbers("12 nets in 17 steps", known) == ["17"]


def test_the_figure_of_readme_shows_the_published_effects() -> None:
    lines = front_figure.lines(EVIDENCE)
    drawn = front_figure.figure(EVIDENCE).axes[0]
    for line, container in zip(lines, drawn.containers, strict=True):
        heights = list(container[0].get_ydata())
        assert heights == [line.at[0][0], line.at[1][0], 1.0, line.at[3][0]]
    table = (EVIDENCE / front_figure.EFFECTS).read_text()
    assert [one for line in lines for value in line.at.values() for one in value if str(one) not in table] == []


def test_the_figure_needs_every_level(tmp_path: Path) -> None:
    table = (EVIDENCE / front_figure.EFFECTS).read_text().splitlines()
    file = tmp_path / front_figure.EFFECTS
    file.parent.mkdir(parents=True)
    file.write_text("\n".join(line for line in table if not ("fashion12" in line and "[1,4]" in line)))
    with pytest.raises(ValueError, match="fashion12 lacks a level"):
        front_figure.lines(tmp_path)


def test_the_front_page_speaks_of_the_project_alone() -> None:
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        assert re.findall(r"\b(?:goals?|helpers?|our task|was asked of)\b", page.read_text()) == [], page


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(FENCE, "", page), re.MULTILINE)
    return {front_page.slug(re.sub(r"[`*]", "", heading)) for heading in headings}


def broken(page: Path, text: str) -> Iterator[str]:
    """The relative links of a page that lead nowhere."""
    for link in LINK.findall(re.sub(FENCE, "", text)):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = page if not target else page.parent / target
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path.read_text())):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken(page, page.read_text())) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    """The twin."""
    text = "[a](docs/nothing.md) [b](docs/method.md#no-such-words) [c](docs/method.md#words) [d](#nowhere)"
    assert list(broken(ROOT / "README.md", text)) == ["docs/nothing.md", "docs/method.md#no-such-words", "#nowhere"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_name_exist(page: Path) -> None:
    for name in set(re.findall(r"python -m (experiments\.\w+)|`(experiments\.\w+)[ `]", page.read_text())):
        assert importlib.util.find_spec("".join(name)) is not None, name


def blocks() -> list[str]:
    """The commands of the tutorial, a text a block."""
    return [text for language, text in FENCE.findall(TUTORIAL) if language == "bash"]


def rooms(package: Path) -> set[str]:
    """Every module and every folder of a package, as the drawing of imports names them."""
    files = {path.stem for path in package.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in package.glob("*/__init__.py")}


def test_the_drawing_of_imports_has_every_room() -> None:
    drawn = set(re.findall(r"<title>\.(\w+)</title>", (ROOT / "docs" / "imports.svg").read_text()))
    assert drawn == rooms(ROOT / "experiments")
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert [name for name in drawn if not re.search(rf"\b{name}\b", page)] == []
    assert rooms(ROOT / "cnnlab") != drawn


def test_the_notebook_is_the_tutorial() -> None:
    cells = json.loads((DOCS / "tutorial.ipynb").read_text())["cells"]
    assert [cell["source"] for cell in cells if cell["cell_type"] == "code"][1:] == [
        f"%%bash\n{text.rstrip()}" for text in blocks()
    ]
    written = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
    assert written == [text.strip() for text in re.split(FENCE, TUTORIAL)[::3] if text.strip()]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tutorial_runs(tmp_path: Path) -> None:
    (tmp_path / "docs").symlink_to(DOCS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CNNLAB_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    environment = {**kept, "PATH": path, "CNNLAB_CACHE": str(tmp_path / "cache")}
    printed = []
    for text in blocks():
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, text + done.stdout[-2000:] + done.stderr[-2000:]
        printed.append(" ".join((done.stdout + done.stderr).split()))
    every = " ".join(printed)
    for said in (
        "qualified",
        "x1.55",
        "five-beats-three",
        "inconclusive",
        "widht is not",
        "trace and the module's own gradient agree",
    ):
        assert said in every, said
    assert (tmp_path / "results" / "sweeps" / "kernel_size" / "smoke" / "kernel_size.png").is_file()


def test_docs_are_written_without_publishing(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def written() -> list[Path]:
        asked.append(ROOT)
        return [ROOT / "README.md"]

    monkeypatch.setattr(front_page, "write", written)
    done = door(publish.main, "--docs")
    assert done.code == 2
    assert "is not valid with --docs" in done.err  # tests have published results of their own
    monkeypatch.delenv("CNNLAB_PUBLISHED")
    done = door(publish.main, "--docs")
    assert (done.code, done.out, done.err) == (0, "written: README.md\n", "")
    assert asked == [ROOT]
    assert door(publish.main, "--docs", "scale=quick").code == 2
