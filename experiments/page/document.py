"""Puts the page together: one file without a reference to any other."""

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cnnlab.files import finite
from experiments.cli.errors import UsageError
from experiments.page import plot
from experiments.page.member_data import member_data
from experiments.page.view import ROOM, Content, Context, Json, View

FOLDER = Path(__file__).parent
MOST_BYTES = 8 * 1000 * 1000


class PageError(UsageError):
    """The page that came out is not what the command promises."""


def document(chosen: Mapping[str, View], context: Context) -> bytes:
    """The page as UTF-8. The same context gives the same bytes.

    Raises:
        PageError: it has more than `MOST_BYTES` bytes, or none of the views has what it needs.
    """
    made = {name: view.make(context) for name, view in chosen.items()}
    if not any(made.values()):
        raise PageError(f"there is nothing to show: {' '.join(view.lacks for view in chosen.values())}")
    page = _page(chosen, made, context)
    if len(page) > MOST_BYTES:
        raise PageError(f"the page has {len(page):,} bytes, more than {MOST_BYTES:,}: show fewer nets or images")
    return page


def embedded(data: Json) -> str:
    """JSON, compressed (RFC 1950) and in base64, for a script element: no text in it can end that.

    It has no infinities: what is not finite is null.
    """
    text = json.dumps(finite(data), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), zlib.Z_BEST_COMPRESSION)).decode("ascii")


def scripts(chosen: Mapping[str, View]) -> Markup:
    """The frame's script, then those of the views, before them what views of members share."""
    shared = ["page.js", *(["members.js"] if any(view.reads_members for view in chosen.values()) else [])]
    files = [*(FOLDER / name for name in shared), *(ROOM.folder_of(name) / f"{name}.js" for name in chosen)]
    return Markup("\n".join(path.read_text(encoding="utf-8") for path in files if path.is_file()))


def _page(chosen: Mapping[str, View], made: Mapping[str, Content | None], context: Context) -> bytes:
    surroundings = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    surroundings.filters.update(line=plot.line, dots=plot.dots, cross=plot.cross)
    bodies = {
        name: Markup(surroundings.from_string(_template(name)).render(**content.static))
        for name, content in made.items()
        if content is not None
    }
    rendered: str = surroundings.get_template("page.html.j2").render(
        css=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        data=embedded(_data(chosen, made, context)),
        scripts=scripts(chosen),
        sections=[
            {"name": name, "view": chosen[name], "finding": content.finding, "body": bodies[name]}
            for name, content in made.items()
            if content is not None
        ],
        left_out=[chosen[name] for name, content in made.items() if content is None],
    )
    return rendered.encode()


def _template(name: str) -> str:
    """The template of a view, which lies beside its module."""
    return (ROOM.folder_of(name) / f"{name}.html.j2").read_text(encoding="utf-8")


def _data(chosen: Mapping[str, View], made: Mapping[str, Content | None], context: Context) -> dict[str, Json]:
    """What scripts read: by view, and the members once for all that read them."""
    found = {name: content.script for name, content in made.items() if content is not None}
    if any(chosen[name].reads_members for name in found):
        found["members"] = [member_data(member) for member in context.members]
    return found
