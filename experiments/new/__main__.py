"""Write the file of an own claim, sweep, statistic, metric or task: `python -m experiments.new claim my-claim`."""

import argparse
import builtins
import keyword
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from jinja2 import Environment, StrictUndefined

from cnnlab.files import write_bytes
from cnnlab.records import require_writable
from cnnlab.rooms import VARIABLE, extra_folder
from experiments.claims.registry import own_files, register
from experiments.cli import signals
from experiments.cli.command import BEGINS, ExitCode, begins, command, parser
from experiments.cli.errors import UsageError
from experiments.paths import INSTALLED, PACKAGE, ROOT

TEMPLATES = Path(__file__).parent / "templates"
CLAIM, OWN = "claim", "own"
LONGEST = 60
"""Characters of a name, which becomes a file's."""
PACKAGES = (PACKAGE.name, "cnnlab", "conf", "tests")
NAME = r"[a-z][a-z0-9]*([_-][a-z0-9]+)*"
DESCRIPTION = """\
Writes one file (of a task two) that runs as it stands, and marks with "Fill in" what a person has to put in its place.
It goes into the folder that CNNLAB_EXTRA names, laid out like the suite, else into this checkout, and never over a file
that is there. Then says which commands try it. Own claims are judged as a family of their own, never with the 57."""
EXAMPLES = """\
examples:
  python -m experiments.new sweep my_sweep                  conf/sweep/my_sweep.yaml
  python -m experiments.new claim my-claim --family mine    claims/mine/my_claim.py
  python -m experiments.new statistic grad_mean             statistics/grad_mean.py
  python -m experiments.new metric gap                      metrics/gap.py
  python -m experiments.new task bars                       tasks/bars.py and conf/data/bars.yaml"""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A file to be written.

    Attributes:
        extra, checkout: where it lies, relative to `CNNLAB_EXTRA` and to the checkout.
        after: commands that try it.
    """

    extra: Path
    checkout: Path
    after: tuple[str, ...]
    text: str


@command
def main() -> int:
    """The door. Returns the exit code."""
    asked = command_line().parse_args()
    if asked.family is not None and asked.kind != CLAIM:
        raise UsageError(f"--family is not valid here: a {asked.kind} is of no family, only a {CLAIM} is")
    family = OWN if asked.family is None else asked.family
    for what, word in (("NAME", asked.name), ("--family", family)):
        if not re.fullmatch(NAME, word) or len(word) > LONGEST:
            valid = f"lower-case words and numbers, joined by _ or -, of at most {LONGEST} characters"
            raise UsageError(f"{what} {word} is not valid: {valid}")
        if taken := meaning(word.replace("-", "_")):
            raise UsageError(f"{what} {word} is not valid: it is {taken}; choose another, such as my_{word}")
    if asked.kind == CLAIM and asked.name.replace("_", "-") in register():
        raise UsageError(f"{asked.name} is one of the {len(register())} claims of the suite: choose another name")
    drafts = draft(asked.kind, asked.name, family)
    home, places = home_of(drafts)
    own = own_files() if asked.kind == CLAIM else {}
    if (name := asked.name.replace("_", "-")) in own:
        raise UsageError(f"{name} is the claim of {own[name]}: choose another name")
    require_writable(home, VARIABLE, *sorted({str(place.parent.relative_to(home)) for place in places}))
    for place, one in zip(places, drafts, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, one.text.encode())
        print(f"written: {place}")
    print('search it for "Fill in"; then:')
    named = "" if home == ROOT else f"{VARIABLE}={shlex.quote(str(home))} "
    for line in (line for one in drafts for line in one.after):
        print(f"  {line.replace(BEGINS, named + begins())}")
    return ExitCode.DONE


def meaning(word: str) -> str:
    """What a name means already to Python, to a configuration or here, so that no file may be called so; else empty."""
    if keyword.iskeyword(word) or keyword.issoftkeyword(word):
        return "a keyword of Python"
    if word in sys.stdlib_module_names or word in dir(builtins):
        return "a module or a function of Python"
    if word in PACKAGES:
        return "a package of the suite"
    values = (yaml.safe_load(word), OverridesParser.create().parse_override(f"name={word}").value())
    return "" if values == (word, word) else "no word where it is written in a file or on a command line"


def command_line() -> argparse.ArgumentParser:
    """The parser."""
    made = parser("new", DESCRIPTION, EXAMPLES)
    made.add_argument("kind", choices=kinds(), help="what to write")
    made.add_argument("name", metavar="NAME", help="its name, which is the file's")
    made.add_argument("--family", help=f"of a claim: the folder it stands in (default: {OWN})")
    return made


def kinds() -> tuple[str, ...]:
    """What can be written: the beginnings of the templates' names."""
    return tuple(sorted({path.name.partition(".")[0] for path in TEMPLATES.glob("*.j2")}))


def draft(kind: str, name: str, family: str) -> tuple[Draft, ...]:
    """The files of a kind, from its templates: a head that says where it goes and what to run, then the text."""
    surroundings = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    words = {"name": name.replace("-", "_"), "id": name.replace("_", "-"), "family": family.replace("-", "_")}
    found = []
    for path in sorted(TEMPLATES.glob(f"{kind}.*.j2")):
        head, _, text = surroundings.from_string(path.read_text(encoding="utf-8")).render(words).partition("---\n")
        said = yaml.safe_load(head)
        extra, checkout = Path(said["extra"]), Path(said["checkout"])
        found.append(Draft(extra=extra, checkout=checkout, after=tuple(said["after"]), text=text))
    return tuple(found)


def home_of(drafts: tuple[Draft, ...]) -> tuple[Path, list[Path]]:
    """The folder that is written to, and where each file goes. Raises UsageError if one of that name is there."""
    extra = extra_folder()
    if extra is None and INSTALLED:
        raise UsageError(f"{VARIABLE} names no folder: set it to one of yours, {VARIABLE}=DIR")
    own = [] if INSTALLED else [ROOT / one.checkout for one in drafts]
    added = [] if extra is None else [extra / one.extra for one in drafts]
    for place in (*own, *added):
        if os.path.lexists(place):
            raise UsageError(f"{place} is there already: choose another name")
    return (ROOT, own) if extra is None else (extra, added)


if __name__ == "__main__":
    signals.door(main, signals.STOPPED)
