"""What one Hydra job does in this command: hand over its arm, to be trained together with the others."""

from omegaconf import DictConfig

from experiments.config import resolve
from experiments.config.resolve import Point

collected: list[Point] = []
"""Arms of the jobs that Hydra has run since this was emptied."""


def job(cfg: DictConfig) -> None:
    """Body of a Hydra job; one that its sweep leaves out does nothing."""
    if resolve.wanted(cfg):
        collected.append(resolve.point(cfg))
