"""Errors of Hydra and OmegaConf as one line: which key, which value, what would be valid."""

import dataclasses
import difflib
import re
import shlex
from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from cnnlab.rooms import VARIABLE, extra_folder
from experiments import launchers
from experiments.cli.errors import UsageError
from experiments.config import files, schema

TYPES = {"Integer": "a whole number", "Float": "a number", "Boolean": "true or false"}
SECTIONS = {
    "model": (schema.ConvNetConfig, schema.ClassicConfig, schema.ModuleConfig),
    "data": (schema.DataConfig,),
    "train": (schema.TrainConfig,),
    "scale": (schema.Scale,),
    "tracker": (schema.TrackerConfig,),
    "check": (schema.CheckConfig,),
    "sweep": (schema.Sweep,),
    "hydra.launcher": tuple(launchers.schemas().values()),
}
CHOSEN: dict[type, str] = {
    schema.ConvNetConfig: "model=convnet",
    schema.ClassicConfig: "a classic net",
    schema.ModuleConfig: "model=module",
    **{kind: f"hydra/launcher={name}" for name, kind in launchers.schemas().items()},
}
"""How a command line names what holds the keys of a class, where a section has several."""
OWN_ARGUMENTS = "a net's own arguments are model.args.NAME"


def explain(problem: Exception) -> UsageError:
    """Turn what Hydra or OmegaConf raised into one line that says what would be valid."""
    text = str(problem)
    cause = problem.__cause__
    if match := re.search(r"Could not find '([\w/]+)/([^'/]*)'", text):
        choices = [line.strip() for line in text.splitlines() if line.startswith("\t")]
        valid = [name for name in choices if not name.endswith("_schema") and "path=" not in name]
        own = "" if extra_folder() else f" (your own: set {VARIABLE} to their folder)"
        meant = did_you_mean(match[2], valid)
        return UsageError(f"{match[1]}={match[2]} is not valid: {meant}choose one of {', '.join(valid)}{own}")
    if match := re.search(r"Could not override '([\w./@]+)'", text):
        if match[1] == "sweep":
            return UsageError("sweep=... is not valid: a sweep is added, +sweep=NAME")
        return unknown(match[1], getattr(cause, "object_type", None))
    if match := re.match(r"In '([\w/]+)/(\w+)': \w+ raised while composing config:\n(.*)", text):
        return _explain_file(match[1], match[2], match[3], text)
    if isinstance(cause, OmegaConfBaseException):
        return _explain_value(cause)
    if isinstance(problem, OmegaConfBaseException):
        return _explain_value(problem)
    if isinstance(problem, RecursionError):
        return UsageError("a value refers to itself, ${...}")
    if isinstance(problem, (YAMLError, UnicodeDecodeError)):
        return UsageError(f"a file of conf/ is no YAML: {' '.join(text.split())}")
    return UsageError(f"cannot be read as key=value: {_said(text)}")


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """Phrase that names the valid words nearest to one that is not, whatever its case; empty if none is near."""
    lower = {name.lower(): name for name in valid}
    close = difflib.get_close_matches(word.lower(), lower, n=3)
    return f"did you mean {' or '.join(lower[name] for name in close)}? " if close else ""


def _explain_file(group: str, name: str, first: str, text: str) -> UsageError:
    """What is wrong in a file of conf/: the file and the key."""
    path = files.named(group).get(name, f"conf/{group}/{name}.yaml")
    found = re.search(r"full_key: (\S+)", text)
    key = found[1] if found else group
    if re.match(r"Key '.*' not in ", first):
        return UsageError(f"{path}: {key} is not a key: {near(key)}")
    if "Incompatible value 'None'" in first or "is not Optional" in first:
        return UsageError(f"{path}: {key} is empty: give it a value")
    return UsageError(f"{path}: {_plainly(key, first)}")


def _explain_value(problem: OmegaConfBaseException) -> UsageError:
    """A value of the wrong type, a key that is missing, or a text that cannot be parsed."""
    first = str(problem).splitlines()[0]
    key = getattr(problem, "full_key", None) or "the command line"
    if match := re.search(r"Value '?(.*?)'? of type '.*' could not be converted to (\w+)", first):
        kind = TYPES[match[2]] if match[2] in TYPES else f"of type {match[2]}"
        return UsageError(f"{key}={match[1]} is not valid: must be {kind}")
    if match := re.search(r"Value '?(.*?)'? is not a valid bool", first):
        return UsageError(f"{key}={match[1]} is not valid: must be true or false")
    if "Missing mandatory value" in first:
        return UsageError(f"{key} is missing: give it, {key}=VALUE")
    if "is not Optional" in first:
        return UsageError(f"{key}=null is not valid: it needs a value")
    return UsageError(_plainly(key, first))


def _plainly(key: str, first: str) -> str:
    """A line of OmegaConf with its key, without its types where it says that a mapping is wanted."""
    if re.search(r"Cannot assign \w+ to Dict", first):
        return f"{key} holds keys of its own: set one of them, {key}.NAME=VALUE"
    return f"{key}: {first}"


def unreadable(word: str, problem: HydraException) -> UsageError:
    """A word of the command line that is no key=value: what to write instead."""
    key, equals, value = word.partition("=")
    if not equals:
        groups = [group for group in SECTIONS if word in files.named(group)]
        words = [f"{'+' * (group == 'sweep')}{group}={word}" for group in groups]
        return UsageError(f"{word} is not key=value: give {' or '.join(words or ['KEY=VALUE', '+sweep=NAME'])}")
    quoted = '{}="{}"'.format(key, value.replace('"', '\\"'))
    if re.search(r"[\[\]{}$,\\]", value) or not _readable(quoted):
        return UsageError(f"{word} cannot be read as key=value: {_said(str(problem))}")
    home = ", or write $HOME for ~" if value.startswith("~/") else ""
    return UsageError(f"{word} cannot be read: quote the value twice, {shlex.quote(quoted)}{home}")


def _readable(word: str) -> bool:
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def _said(text: str) -> str:
    """What Hydra's parser says, without the word that it repeats, its address and the names of its classes."""
    lines = [line.strip() for line in text.splitlines() if "http" not in line and line.strip() != "^"]
    kept = [line for line in lines if line and not line.startswith("Error parsing override")] or lines
    return re.sub(r"Lexer\w+: .*", "a character has no place there", " ".join(" ".join(kept).split()))


def unknown(key: str, kind: object = None, *, swept: bool = False) -> UsageError:
    """A key that is none, or one of another choice than the one that is made.

    Args:
        kind: the class of the section that is chosen, where it is known.
        swept: whether a sweep varies it.
    """
    section = _section_of(key)
    homes = [one for one in SECTIONS[section] if key in _keys_of(section, one)] if section else []
    if not homes or kind in homes:
        return UsageError(f"{key} is not a key: {near(key, kind)}")
    if kind not in (schema.ModuleConfig, schema.ClassicConfig) and not swept:
        words = [CHOSEN[one] for one in homes]
        return UsageError(f"{key} is a key of {' and '.join(words)}: add {' or '.join(words)}")
    chosen = CHOSEN[kind] if isinstance(kind, type) and kind in CHOSEN else f"this {section}"
    has = ", ".join(_keys_of(section, kind)) if isinstance(kind, type) and kind in CHOSEN else ""
    own = f"; {OWN_ARGUMENTS}" if kind is schema.ModuleConfig else ""
    said = f"this sweep varies {key}, which {chosen} has not" if swept else f"{chosen} has no {key}"
    return UsageError(f"{said}: it has {has}{own}")


def near(key: str, kind: object = None) -> str:
    """Phrase that names the valid keys nearest to one that does not exist; of its section, if that is one.

    Args:
        kind: the class of the section that is chosen, where it is known.
    """
    section = _section_of(key)
    of = [kind] if section and kind in SECTIONS[section] else SECTIONS[section] if section else []
    inside = [name for one in of if isinstance(one, type) for name in _keys_of(section, one)]
    known = [name for name in inside or keys() if name != key]
    last = key.rpartition(".")[2].lower()
    lower = {name.lower(): name for name in known}
    short = [name for name in known if last == "".join(word[:1] for word in name.rpartition(".")[2].split("_"))]
    close = short or [lower[name] for name in difflib.get_close_matches(key.lower(), lower, n=3, cutoff=0.7)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"valid keys are {', '.join(dict.fromkeys(inside) or top_keys())}"


def _section_of(key: str) -> str:
    """The section of a dotted key; empty if it has none."""
    return next((section for section in SECTIONS if key.startswith(f"{section}.")), "")


def _keys_of(section: str, kind: type) -> list[str]:
    return [f"{section}.{item.name}" for item in dataclasses.fields(kind)]


def top_keys() -> tuple[str, ...]:
    """The keys at the root."""
    return tuple(item.name for item in dataclasses.fields(schema.Root))


def keys() -> Iterable[str]:
    """Every key there is, dotted."""
    yield from top_keys()
    for section, kinds in SECTIONS.items():
        for kind in kinds:
            yield from _keys_of(section, kind)
