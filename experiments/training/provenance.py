"""Where, when and with what a record was made: all that is kept beside a record and not in it."""

import datetime
import functools
import importlib.metadata
import os
import platform
import socket
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cnnlab import jax_environment
from cnnlab.processor import with_vectors
from cnnlab.records import Store
from experiments.config.schema import NATIVE, XLA
from experiments.paths import ROOT

PACKAGES = ("cnnlab", "jax", "jaxlib", "flax", "optax", "numpy", "scipy", "hydra-core", "scikit-learn")


def provenance(started: datetime.datetime, seconds: float, backend: str, workers: int, library: str) -> dict[str, Any]:
    """Times (UTC), host, process, device, git state and versions, as plain data.

    Args:
        library: of our own convolutions (`cnnlab.zoo.native`); empty for XLA's.
    """
    return {
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "backend": backend,
        "workers": workers,
        "platform": platform.platform(),
        "processor": with_vectors(),
        "convolutions": library or XLA,
        "python": platform.python_version(),
        "packages": versions(),
        "git": git_state(),
        "environment": jax_environment.given(),
    }


def other_version(facts: Mapping[str, Any], library: str | None) -> str:
    """How the commit, packages or processor behind a record differ from those of now; empty if they do not.

    The protocol decides whether a record counts; this is only told.

    Args:
        facts: the record's provenance. library: of our own convolutions that this run uses; empty for
            XLA's, None where it uses none.
    """
    parts: list[str] = []
    here = git_state()
    there = facts["git"] if "git" in facts else None
    if here and there and here["commit"] != there["commit"]:
        parts.append(f"commit {there['commit'][:9]}")
    if "processor" in facts and facts["processor"] != with_vectors():
        parts.append(f"processor {facts['processor']}")
    if library is not None and convolutions(facts) != (library or XLA):
        parts.append(f"library {convolutions(facts)}")
    packages: Mapping[str, str] = facts["packages"] if "packages" in facts else {}
    now = versions()
    parts += [f"{name} {version}" for name, version in sorted(packages.items()) if name in now and now[name] != version]
    return ", ".join(parts)


def convolutions(facts: Mapping[str, Any]) -> str:
    """The library whose convolutions made a record; `xla` also where an older provenance says nothing."""
    return str(facts["convolutions"]) if "convolutions" in facts else XLA


def mixture(store: Store, arms: Iterable[str]) -> str:
    """A line that says how many of these arms were trained with which convolutions; empty unless both are there."""
    there = [arm for arm in dict.fromkeys(arms) if store.has(arm)]
    counts = Counter(XLA if convolutions(store.provenance(arm)) == XLA else NATIVE for arm in there)
    made = " and ".join(f"{counts[kind]} {kind}" for kind in sorted(counts))
    return f"convolutions: {made} records stand side by side; last digits differ" if len(counts) > 1 else ""


@functools.cache
def versions() -> dict[str, str]:
    """Installed versions of the packages that matter."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


@functools.cache
def git_state() -> dict[str, Any] | None:
    """Commit and whether the tree has uncommitted changes; None outside git."""
    try:
        commit = _git(ROOT, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git(ROOT, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()
