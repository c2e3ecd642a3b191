"""What mkdocs needs beyond docs/: the order of the pages, and the files of the repository that they link to."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ORDER = (
    "index.md",
    "tutorial.md",
    "exercises.md",
    "results.md",
    "method.md",
    "running.md",
    "own_data.md",
    "own_nets.md",
    "extending.md",
    "performance.md",
    "faq.md",
    "api.md",
    "architecture.md",
)
"""Pages as the menu shows them; others come after."""
ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"(\]\()(?:\.\./)+([^)#\s]+)")
"""A link out of docs/, as it reads in the repository."""


def on_config(config: Any) -> Any:
    """Put the pages that there are in order."""
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("*.md")}
    config.nav = [*(page for page in ORDER if page in there), *sorted(there - set(ORDER))]
    return config


def on_files(files: Any, *, config: Any) -> Any:
    """Add every file outside docs/ that a page links to, under repository/: Markdown as a page, the rest as it is."""
    new = {link for file in files.documentation_pages() for link in _outside(file.content_string)}
    seen = set[str]()
    while new - seen:
        path = min(new - seen)
        seen.add(path)
        if not (ROOT / path).is_file():
            continue  # mkdocs tells of it as of any broken link
        content = (ROOT / path).read_bytes()
        files.append(File.generated(config, f"repository/{path}", content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Turn links out of docs/ into those of the site."""
    inside = page.file.src_uri
    if inside.startswith("repository/"):
        return _from_repository(markdown, inside)
    return OUTSIDE.sub(lambda match: f"{match[1]}repository/{match[2]}", markdown)


def _outside(text: str) -> set[str]:
    return {match[2] for match in OUTSIDE.finditer(text)}


def _from_repository(text: str, place: str) -> str:
    """A page of the repository's root: links into docs/ lead to the site, others keep only their text."""

    def moved(match: re.Match[str]) -> str:
        target, _, anchor = match[3].partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
        there = path.removeprefix("repository/docs/")
        if re.match(r"[a-z]+:|#", match[3]):
            return match[0]
        if there != path and (ROOT / "docs" / there).is_file() and not there.startswith("examples/"):
            up = "../" * place.count("/")
            return f"{match[1]}[{match[2]}]({up}{there}{'#' + anchor if anchor else ''})"
        return match[2]

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", moved, text)
