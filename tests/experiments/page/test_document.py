"""The page is one file that refers to nothing else, the same every time, and holds what was handed in."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.claims import __file__ as claims_room
from experiments.cli.errors import UsageError
from experiments.page import document as module
from experiments.page.document import MOST_BYTES, PageError, document, embedded
from experiments.page.view import ROOM, Context, choose_views, views

from ..conftest import page_data

pytestmark = pytest.mark.slow

REGISTER = Path(claims_room).parent / "register.csv"
REFERENCES = (
    r"""(?:src|href)\s*=\s*["'](?!#|data:image/png;base64,)|url\((?!#)|@import|\bfetch\(|import\(|https?://|wss?://"""
)
SVG_NAMESPACE = "http://www.w3.org/2000/svg"

FOLDER = ROOM.folder_of("board")


def outside(page: str) -> list[str]:
    """Whatever would make a browser look outside of the page; the name of SVG is no address."""
    return re.findall(REFERENCES, page.replace(SVG_NAMESPACE, ""))


def test_the_page_refers_to_nothing_outside(page: bytes) -> None:
    assert outside(page.decode()) == []


@pytest.mark.parametrize(
    "planted",
    ['<img src="cat.png">', '<a href="https://a.b">', "background: url(cat.png)", "@import 'a.css'", "fetch('a')"],
)
def test_a_planted_reference_is_found(planted: str) -> None:
    assert outside(planted)


def test_the_page_forbids_every_connection(page: bytes) -> None:
    assert b"default-src 'none'" in page


def test_the_page_is_small_enough(page: bytes) -> None:
    assert len(page) <= MOST_BYTES


def test_a_page_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(PageError, match="more than 1,000"):
        document(choose_views(["sampling"]), Context())


def test_two_builds_are_equal(page: bytes, context: Context) -> None:
    assert document(choose_views([]), context) == page


def test_builds_of_two_processes_are_equal(tmp_path: Path) -> None:
    built = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.html"
        words = [sys.executable, "-m", "experiments.report", "--only", "sampling,field,checkerboard", "--fast"]
        subprocess.run(
            [*words, "--out", str(out)], check=True, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True
        )
        built.append(out.read_bytes())
    assert built[0] == built[1]


def test_the_data_parse_and_hold_every_view(page: bytes) -> None:
    assert set(page_data(page.decode())) == {*views(), "members"}


def test_no_text_of_a_claim_ends_a_script(page: bytes) -> None:
    text = page.decode()
    assert "document.title=" in text  # it stands there, as text
    assert text.count("<script") == 3  # the class, the data, the code: none came from the planted claim
    assert text.count("</script") == 3


def test_embedded_data_cannot_end_their_block() -> None:
    hostile = {"text": "</script><!-- \u2028 &", "numbers": [math.inf, math.nan, 1.5]}
    found = embedded(hostile)
    assert re.fullmatch("[A-Za-z0-9+/=]+", found)
    read = page_data(f'<script type="text/plain" id="data">{found}</script>')
    assert read == {**hostile, "numbers": [None, None, 1.5]}
    assert "</script" in json.dumps(hostile)  # what would have stood there


def test_views_are_found_by_their_files() -> None:
    assert set(views()) - set(ROOM.added()) == {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    orders = [view.order for view in views().values()]
    assert orders == sorted(set(orders))


def test_views_name_every_registered_claim_and_no_other() -> None:
    registered = {line.split(",")[0] for line in REGISTER.read_text().splitlines()[1:]}
    named = {claim for view in views().values() for claim in view.claims}
    assert named == registered


def test_an_unknown_view_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match="choose of board, network, stepper"):
        choose_views(["bored"])


def test_a_view_without_what_it_needs_says_so() -> None:
    page = document(choose_views(["board", "field", "sampling"]), Context()).decode()
    assert views()["board"].lacks in page
    assert views()["field"].lacks in page
    assert page.count('class="view"') == 1
    assert "#claim-" not in page  # nothing there to link to


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(PageError, match="nothing to show: No verdicts were handed in"):
        document(choose_views(["board"]), Context())


def test_every_claim_stands_on_the_page_without_scripts(page: bytes, context: Context) -> None:
    text = page.decode()
    for name in context.statements:
        assert f'href="#claim-{name}"' in text
        assert f'<article id="claim-{name}"' in text


def test_scripts_are_short_lines() -> None:
    files = [path for kind in ("js", "css", "j2") for path in FOLDER.parent.rglob(f"*.{kind}")]
    assert len(files) > 12
    assert max(len(line) for path in files for line in path.read_text().splitlines()) <= 120
