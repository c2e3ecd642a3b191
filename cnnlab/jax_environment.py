"""Environment variables of JAX, XLA and Flax: those that change numbers or platforms are refused by name.

Everything that decides a result is in an arm's config. A variable that moves random numbers, precision or the way a
program is compiled would change records without a trace; what is left is told in their provenance.
"""

import os
from collections.abc import Mapping

from cnnlab.spec.invalid import InvalidError, require

PREFIXES = ("JAX_", "XLA_", "FLAX_")
OTHERS = ("NVIDIA_TF32_OVERRIDE", "LIBTPU_INIT_ARGS", "TF_XLA_FLAGS")
"""Of other names, which change numbers too."""
HARMLESS = (
    "JAX_COMPILATION_CACHE_",
    "JAX_PERSISTENT_CACHE_",
    "JAX_ENABLE_COMPILATION_CACHE",
    "JAX_RAISE_PERSISTENT_CACHE_ERRORS",
    "JAX_LOGGING_LEVEL",
    "JAX_LOG_COMPILES",
    "JAX_EXPLAIN_CACHE_MISSES",
    "JAX_TRACEBACK_FILTERING",
    "XLA_PYTHON_CLIENT_",
    "XLA_CLIENT_MEM_FRACTION",
)
"""Beginnings of names that decide about caches, logs and memory alone."""
FLAGS = ("--xla_cpu_experimental_ynn_fusion_type=", "--xla_cpu_multi_thread_eigen=false")
"""Flags of XLA that every worker on a CPU has. YNNPACK fusions of jaxlib 0.10-0.11 have silent wrong results on record
(jax#39103, xla#48714): never used. No other flag is taken."""


def given(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """All such variables that are set, by name."""
    return {name: value for name, value in sorted(environment.items()) if name.startswith(PREFIXES) or name in OTHERS}


def check(environment: Mapping[str, str] = os.environ) -> None:
    """Raise InvalidError, naming the variable, if one is set that can change numbers or platforms."""
    for name, value in given(environment).items():
        if name == "JAX_PLATFORMS":
            require(value in ("", "cpu"), name, value, "must be cpu, or unset: then a GPU is used where there is one")
        elif name == "XLA_FLAGS":
            foreign = [flag for flag in value.split() if flag not in FLAGS]
            require(not foreign, name, value, f"unset it: {' '.join(foreign)} may change numbers")
        elif not name.startswith(HARMLESS):
            raise InvalidError(name, value, "unset it: it may change numbers, which are decided by configuration alone")
