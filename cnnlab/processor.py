"""The processor: its name, and what it can do. XLA compiles for it, so that last digits depend on it."""

import contextlib
import functools
import platform
from pathlib import Path

VECTORS = ("avx512f", "avx2", "avx")
"""Vector instructions, widest first."""


@functools.cache
def processor() -> str:
    """The model, as the kernel names it."""
    facts = _facts()
    return facts["model name"] if "model name" in facts else platform.processor() or platform.machine()


@functools.cache
def instructions() -> frozenset[str]:
    """What it can do, as the kernel's flags; empty where the kernel does not say."""
    facts = _facts()
    return frozenset(facts["flags" if "flags" in facts else "Features"].split()) if facts else frozenset()


def with_vectors() -> str:
    """The model and its widest vector instructions."""
    widest = next((f" ({flag})" for flag in VECTORS if flag in instructions()), "")
    return f"{processor()}{widest}"


def _facts() -> dict[str, str]:
    """The last processor's entries in /proc/cpuinfo; empty where there is no such file."""
    with contextlib.suppress(OSError):
        pairs = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
        found = {key.strip(): value.strip() for key, _, value in pairs}
        if {"flags", "Features"} & set(found):
            return found
    return {}
