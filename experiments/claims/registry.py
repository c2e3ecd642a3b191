"""The claims: the frozen register of all 57 ids, and the files that state them, found by their path."""

import csv
import difflib
import functools
import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.inference.rules.all_of import AllOf, Senses
from cnnlab.inference.rules.contract import Rule
from cnnlab.spec.arm import digest, plain
from experiments.claims.base import Claim, Trained
from experiments.cli.errors import UsageError

FOLDER = Path(__file__).parent
RULES_VERSION = 2
"""Raised whenever the code of a rule changes its meaning; part of every claim's digest."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the register, which was fixed before anything was run."""

    id: str
    family: str
    kind: str

    @property
    def trained(self) -> bool:
        """Whether part of the claim is decided by training; such claims form the family that Holm corrects over."""
        return "empirical" in self.kind.split("+")


@functools.cache
def register() -> dict[str, Entry]:
    """All registered claims by id, in the order of the notes."""
    with (FOLDER / "register.csv").open(newline="") as file:
        return {row["id"]: Entry(**row) for row in csv.DictReader(file)}


@functools.cache
def claims() -> dict[str, Claim]:
    """Claims that are written so far, by id, in the order of the register: `claims/<family>/<id with _>.py`."""
    found = {}
    for entry in register().values():
        name = entry.id.replace("-", "_")
        if (FOLDER / entry.family / f"{name}.py").is_file():
            module = importlib.import_module(f"experiments.claims.{entry.family}.{name}")
            found[entry.id] = module.CLAIM
    return found


def strays() -> tuple[Path, ...]:
    """Claim files that the register does not know; a test keeps this empty."""
    known = {FOLDER / entry.family / f"{entry.id.replace('-', '_')}.py" for entry in register().values()}
    families = {entry.family for entry in register().values()}
    files = {path for name in families for path in (FOLDER / name).glob("*.py") if path.name != "__init__.py"}
    return tuple(sorted(files - known))


@functools.cache
def claim_digests() -> dict[str, str]:
    """Digest of every written claim's statement, trained evidence and rule; kept in each record that is made.

    A judge that finds another digest (or none) beside the data knows that the rule was changed, or written, after it.
    """
    return {name: _digest(claim) for name, claim in claims().items()}


def _digest(claim: Claim) -> str:
    trained = {part: source for part, source in claim.sources.items() if isinstance(source, Trained)}
    return digest({"version": RULES_VERSION, "says": claim.says, "evidence": trained, "rule": _named(claim.rule)})


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
    """Registered claims by id, by family, or all of them. Raises UsageError with the choices."""
    entries = tuple(register().values())
    families = dict.fromkeys(entry.family for entry in entries)
    for name in names:
        if name != "all" and name not in families and name not in register():
            close = difflib.get_close_matches(name, (*families, *register()), n=3)
            meant = f"did you mean {' or '.join(close)}? " if close else ""
            valid = f"choose all, one of {', '.join(families)}, or a claim's id"
            raise UsageError(f"{name} is no claim and no family: {meant}{valid}")
    return tuple(
        entry
        for entry in entries
        if {"all", entry.family, entry.id} & set(names)
        and family in (None, entry.family)
        and (kind is None or kind in entry.kind.split("+"))
    )
