"""What JAX compiles in this process, and how long that takes."""

import functools
from dataclasses import dataclass, field
from typing import Any

import jax

COMPILED = "/jax/core/compile/backend_compile_duration"  # also where it then comes from the persistent cache
STAGES = ("/jax/core/compile/jaxpr_trace_duration", "/jax/core/compile/jaxpr_to_mlir_module_duration", COMPILED)


@dataclass
class CompileCounter:
    """What JAX compiled since `watch` was called first: programs by name, and when."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    programs: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds in which anything was traced, lowered or compiled; what nests counts once."""
        total = until = 0.0
        for begin, end in sorted(self.spans):
            total, until = total + max(0.0, end - max(begin, until)), max(until, end)
        return total

    def of(self, compiled: Any) -> int:
        """Programs that were compiled, or fetched from the cache, for a function that `jax.jit` made."""
        return self.programs.count(f"jit({compiled.__name__})")

    def span(self, event: str, start_time: float, end_time: float, **details: object) -> None:
        """Listen to an event of JAX's monitoring that took its time."""
        if event in STAGES:
            self.spans.append((start_time, end_time))
        if event == COMPILED:
            self.programs.append(str(details["fun_name"]))


@functools.cache
def watch() -> CompileCounter:
    """The process's counter; the first call begins to listen."""
    counter = CompileCounter()
    jax.monitoring.register_event_time_span_listener(counter.span)
    return counter
