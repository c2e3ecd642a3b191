"""What one Hydra job does: hand its arm to the session of this process, or train it at once where there is none."""

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from experiments.config import resolve
from experiments.config.resolve import Point

collected: list[Point] | None = None
"""Arms that this process trains together after Hydra has run its jobs; None in a launcher's remote process."""


def job(cfg: DictConfig) -> None:
    """Body of a Hydra job; one that its sweep leaves out does nothing."""
    if not resolve.wanted(cfg):
        return
    point = resolve.point(cfg)
    if collected is not None:
        collected.append(point)
        return
    from experiments.session import Session

    choices = HydraConfig.get().runtime.choices
    with Session(resolve.settings(cfg, choices["sweep"] if "sweep" in choices else "")) as session:
        session.train([point])
