"""Counts what JAX compiles in this process, and how long it takes, from JAX's own monitoring events."""

import functools
from dataclasses import dataclass, field

import jax

COMPILED = "/jax/core/compile/backend_compile_duration"
"""Also recorded where the program then comes from the persistent cache."""
STAGES = ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration", COMPILED)
HIT, MISS = "/jax/compilation_cache/cache_hits", "/jax/compilation_cache/cache_misses"


@dataclass
class Compiling:
    """What was compiled since `watch` was called first.

    Attributes:
        spans: (begin, end) of tracing, lowering and compiling, in seconds; tracing nests.
        programs: name of every program, in order. hits, misses: of the persistent cache.
    """

    spans: list[tuple[float, float]] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)
    hits: int = 0
    misses: int = 0

    @property
    def seconds(self) -> float:
        """Seconds in which anything was traced, lowered or compiled; what nests counts once."""
        total, until = 0.0, 0.0
        for begin, end in sorted(self.spans):
            total += max(0.0, end - max(begin, until))
            until = max(until, end)
        return total

    def span(self, event: str, start_time: float, end_time: float, **details: object) -> None:
        """Listen to an event that took its time."""
        if event in STAGES:
            self.spans.append((start_time, end_time))
        if event == COMPILED:
            self.programs.append(str(details["fun_name"]))

    def event(self, event: str, **_: object) -> None:
        """Listen to an event."""
        self.hits += event == HIT
        self.misses += event == MISS


@functools.cache
def watch() -> Compiling:
    """The process's counter; the first call begins to listen."""
    counter = Compiling()
    jax.monitoring.register_event_time_span_listener(counter.span)
    jax.monitoring.register_event_listener(counter.event)
    return counter
