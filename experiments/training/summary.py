"""How a training pass ended."""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Summary:
    """Counts of arms, and (arm, reason) of every failure."""

    trained: int = 0
    skipped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, more: "Summary") -> None:
        """Add the counts and failures of another pass."""
        self.trained += more.trained
        self.skipped += more.skipped
        self.failures.extend(more.failures)
