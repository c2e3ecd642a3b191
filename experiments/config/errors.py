"""Errors of Hydra and OmegaConf as one line: which key, which value, what would be valid."""

import dataclasses
import difflib
import re
from collections.abc import Iterable

from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from cnnlab.rooms import VARIABLE, extra_folder
from experiments import launchers
from experiments.cli.errors import UsageError
from experiments.config import schema

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


def explain(problem: Exception) -> UsageError:
    """Turn what Hydra or OmegaConf raised into one line that says what would be valid."""
    text = str(problem)
    cause = problem.__cause__
    if match := re.search(r"Could not find '([\w/]+)/([^'/]*)'", text):
        choices = [line.strip() for line in text.splitlines() if line.startswith("\t")]
        valid = [name for name in choices if not name.endswith("_schema") and "path=" not in name]
        close = difflib.get_close_matches(match[2], valid, n=3)
        meant = f"did you mean {' or '.join(close)}? " if close else ""
        own = "" if extra_folder() else f" (your own: set {VARIABLE} to their folder)"
        return UsageError(f"{match[1]}={match[2]} is not valid: {meant}choose one of {', '.join(valid)}{own}")
    if match := re.search(r"Could not override '([\w./@]+)'", text):
        if match[1] == "sweep":
            return UsageError("sweep=... is not valid: a sweep is added, +sweep=NAME")
        return UsageError(f"{match[1]} is not a key: {near(match[1])}")
    if isinstance(cause, OmegaConfBaseException):
        return _explain_value(cause)
    if isinstance(problem, OmegaConfBaseException):
        return _explain_value(problem)
    if isinstance(problem, RecursionError):
        return UsageError("a value refers to itself, ${...}")
    if isinstance(problem, (YAMLError, UnicodeDecodeError)):
        return UsageError(f"a file of conf/ is no YAML: {' '.join(text.split())}")
    said = " ".join(line for line in text.splitlines() if "http" not in line)
    return UsageError(f"cannot be read as key=value: {' '.join(said.split())}")


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
    return UsageError(f"{key}: {first}")


def near(key: str) -> str:
    """Phrase that names the valid keys nearest to one that does not exist."""
    section, _, _ = key.partition(".")
    known = list(keys())
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.7)
    if close:
        return f"did you mean {' or '.join(close)}?"
    inside = [name for name in known if name.startswith(f"{section}.")]
    return f"valid keys are {', '.join(inside or top_keys())}"


def top_keys() -> tuple[str, ...]:
    """The keys at the root."""
    return tuple(item.name for item in dataclasses.fields(schema.Root))


def keys() -> Iterable[str]:
    """Every key there is, dotted."""
    yield from top_keys()
    for section, kinds in SECTIONS.items():
        for kind in kinds:
            yield from (f"{section}.{item.name}" for item in dataclasses.fields(kind))
