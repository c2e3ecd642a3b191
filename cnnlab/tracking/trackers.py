"""Who tracks runs: the interface of a tracker, one that does nothing, and the choice by mode."""

from pathlib import Path
from typing import Protocol

from cnnlab.spec.invalid import require_choice
from cnnlab.tracking.run import TrackedRun

MODES = ("off", "offline", "online")


class Tracker(Protocol):
    """Where runs are mirrored. No method ever raises because of what is behind it."""

    def log(self, run: TrackedRun) -> None:
        """Mirror one finished run."""

    def close(self) -> None:
        """End whatever the tracker started; it may be called twice."""


class Off:
    """Tracks nothing, and never imports W&B."""

    def log(self, run: TrackedRun) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def tracker(mode: str, directory: Path, project: str = "cnnlab") -> Tracker:
    """The tracker of a mode. Nothing is imported, written or sent before the first run is logged.

    Args:
        mode: `off`; `offline` writes below `directory`, to look at with `wandb leet` or send with `wandb sync` later;
            `online` also sends, and needs a network and a key.
        directory: where W&B keeps its files, in a folder `wandb`; made when needed.
        project: W&B project of all runs.

    Raises:
        InvalidError: another mode.
    """
    require_choice("tracker.mode", mode, MODES)
    if mode == "off":
        return Off()
    from cnnlab.tracking.mirror import WandbTracker

    return WandbTracker(mode="online" if mode == "online" else "offline", directory=directory, project=project)
