"""Which version this is, as every door says it."""

import importlib.metadata

from cnnlab.spec.record import PROTOCOL

FLAG = "--version"


def line() -> str:
    """The suite's version, and the protocol of the records that it makes and reads."""
    return f"cnnlab {importlib.metadata.version('cnnlab')}, records of protocol {PROTOCOL}"
