"""The claims, found by their path: the frozen register of the 57, and registers of what users add.

An own claim is any claim that the register does not name: in the checkout, in `CNNLAB_EXTRA`, or in an installed
package. Those of one source are a register, and a family for Holm, of their own.
"""

import csv
import functools
import hashlib
import importlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule
from cnnlab.rooms import VARIABLE, Extra, ExtraError, extra_folder, extras, load_file, python_files
from cnnlab.spec.arm import digest, plain
from experiments.claims.base import KINDS, Claim, Trained
from experiments.cli.errors import UsageError
from experiments.config.errors import did_you_mean

FOLDER = Path(__file__).parent
CHECKOUT = "the checkout"
"""The source of own claims that stand beside the 57, named by no line of their register."""
INSTRUMENTS = ("surveys",)
"""Folders beside the families that hold no claims."""
FIXED = "b842a83664e8b0a9ff4dc36866bc73d08930b31462381317a34f7462fa90d5bc"
"""SHA-256 of register.csv, which was fixed before anything was run: a line more would change every verdict."""
RULES_VERSION = 2
"""Raised whenever the code of a rule changes its meaning; part of every claim's digest."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One claim as it is registered.

    Attributes:
        source: empty for one of the 57, whose register was fixed before anything was run; else who added it.
    """

    id: str
    family: str
    kind: str
    source: str = ""

    @property
    def trained(self) -> bool:
        """Whether part of the claim is decided by training; such claims form the family that Holm corrects over."""
        return "empirical" in self.kind.split("+")


@functools.cache
def register() -> dict[str, Entry]:
    """The 57 claims by id, in the order of the notes.

    Raises:
        UsageError: a line of register.csv is wrong, or it is not the register that was fixed.
    """
    path = FOLDER / "register.csv"
    text = path.read_text(encoding="utf-8")
    found: dict[str, Entry] = {}
    for number, row in enumerate(csv.DictReader(text.splitlines()), 2):
        if mistake := _wrong(row) or ("the id is there twice" if row["id"] in found else ""):
            raise UsageError(f"{path}, line {number}: {mistake}")
        found[row["id"]] = Entry(**row)
    if hashlib.sha256(text.encode()).hexdigest() != FIXED:
        raise UsageError(f"{path} is not as it was fixed before anything was run: put it back; own claims need no line")
    return found


def _wrong(row: dict[str, Any]) -> str:
    """What is wrong with a line of the register; empty if nothing is."""
    if set(row) != {"id", "family", "kind"} or None in row.values():
        return "must have the columns id,family,kind"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row["id"]):
        return f"{row['id']!r} is no id: lower-case words joined by -"
    if not set(row["kind"].split("+")) <= set(KINDS):
        return f"{row['kind']!r} is no kind: choose of {', '.join(KINDS)}, joined by +"
    return "" if (FOLDER / row["family"]).is_dir() else f"there is no family {row['family']!r}"


@dataclass(frozen=True, kw_only=True)
class _Written:
    """A claim's file as it was read."""

    entry: Entry
    claim: Claim
    path: Path


@functools.cache
def _written() -> dict[str, _Written]:
    """Every claim that there is, by id: the 57, then own ones by source and path."""
    found: dict[str, _Written] = {}
    for entry in register().values():
        path = _path(FOLDER, entry)
        if path.is_file():
            claim: Claim = importlib.import_module(f"experiments.claims.{entry.family}.{path.stem}").CLAIM
            if claim.kind != entry.kind:
                raise UsageError(f"{path}: its kind is {claim.kind}, but the register has {entry.kind}")
            found[entry.id] = _Written(entry=entry, claim=claim, path=path)
    for extra in _sources():
        for path in _files(extra):
            own = _own(extra, path)
            if own.entry.id in found:
                raise ExtraError(path, f"the id {own.entry.id} is taken by {found[own.entry.id].path}: rename the file")
            found[own.entry.id] = own
    return found


def _path(folder: Path, entry: Entry) -> Path:
    return folder / entry.family / f"{entry.id.replace('-', '_')}.py"


def _sources() -> tuple[Extra, ...]:
    """The folders in which own claims stand."""
    return (Extra(source=CHECKOUT, folder=FOLDER), *extras("claims"))


def _files(extra: Extra) -> Iterator[Path]:
    """The files of own claims in a folder: all that the register does not name."""
    known = {_path(FOLDER, entry) for entry in register().values()}
    for family in sorted(extra.folder.glob("[!_.]*")):
        if family.is_dir() and not (extra.folder == FOLDER and family.name in INSTRUMENTS):
            yield from (path for path in python_files(family) if path not in known)


def _own(extra: Extra, path: Path) -> _Written:
    """Read the file of an own claim. Raises ExtraError."""
    family, name = path.parent.name, path.stem
    claim = load_file(path, f"experiments.claims.{family}.{name}", ("CLAIM",)).CLAIM
    if not isinstance(claim, Claim):
        raise ExtraError(path, "CLAIM is no Claim")
    entry = Entry(id=name.replace("_", "-"), family=family, kind=claim.kind, source=extra.source)
    if claim.trained and not entry.trained:
        raise ExtraError(path, f"kind={claim.kind} has no part empirical, but there is evidence from training")
    return _Written(entry=entry, claim=claim, path=path)


def own_files() -> dict[str, Path]:
    """The files of own claims by the ids that they stand for; none is imported."""
    return {path.stem.replace("_", "-"): path for extra in _sources() for path in _files(extra)}


def families() -> tuple[str, ...]:
    """The families of all claims, those of the 57 first; no claim is imported."""
    theirs = (entry.family for entry in register().values())
    return tuple(dict.fromkeys((*theirs, *(path.parent.name for extra in _sources() for path in _files(extra)))))


def entries() -> dict[str, Entry]:
    """Every claim's entry by id: the 57 in the order of the notes, then own claims."""
    return {name: one.entry for name, one in _written().items()}


def claims() -> dict[str, Claim]:
    """Every claim that is written, by id, in the order of `entries`."""
    return {name: one.claim for name, one in _written().items()}


def source_file(entry: Entry) -> Path:
    """Where a claim's file stands: for one of the 57 in the repository."""
    return _path(Path("experiments", "claims"), entry) if not entry.source else _written()[entry.id].path


@functools.cache
def claim_digests() -> dict[str, str]:
    """Digest of every written claim's trained evidence and rule; kept in each record that is made.

    A judge that finds another digest (or none) beside the data knows that the rule was changed, or written, after it.
    That of the 57 holds their statements, too.
    """
    return {name: _digest(one.claim, own=bool(one.entry.source)) for name, one in _written().items()}


def _digest(claim: Claim, *, own: bool) -> str:
    trained = {part: source for part, source in claim.sources.items() if isinstance(source, Trained)}
    content = {"version": RULES_VERSION, "evidence": trained, "rule": _named(claim.rule)}
    return digest(content if own else {**content, "says": claim.says})


def _named(rule: Rule[Any]) -> dict[str, Any]:
    """A rule as data with its name, and so the rules of its parts."""
    if isinstance(rule, (AllOf, Senses)):
        return {"name": type(rule).__name__, "parts": [[part, _named(inner)] for part, inner in rule.parts]}
    return {"name": type(rule).__name__, "parameters": _writable(plain(rule))}


def _writable(value: Any) -> Any:
    """The same with infinities as text: JSON has none."""
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def claims_fed_by(sweep: str) -> tuple[str, ...]:
    """Ids of the claims that rest on a sweep, computed from the claims."""
    return tuple(name for name, claim in claims().items() if any(trained.sweep == sweep for trained in claim.trained))


def choose_claims(names: Sequence[str], family: str | None = None, kind: str | None = None) -> tuple[Entry, ...]:
    """Claims by id, by family, or all of them. Raises UsageError with the choices."""
    every = entries()
    for name in names:
        if name != "all" and name not in families() and name not in every:
            meant = did_you_mean(name, (*families(), *every))
            valid = f"choose all, one of {', '.join(families())}, or a claim's id"
            valid += "" if extra_folder() else f" (your own claims: set {VARIABLE} to their folder)"
            raise UsageError(f"{name} is no claim and no family: {meant}{valid}")
    return tuple(
        entry
        for entry in every.values()
        if {"all", entry.family, entry.id} & set(names)
        and family in (None, entry.family)
        and (kind is None or kind in entry.kind.split("+"))
    )
