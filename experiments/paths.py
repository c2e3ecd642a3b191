"""Where things lie: the checkout, its configuration, and the results that come with it."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The checkout."""
CONF = ROOT / "conf"
"""The configuration that Hydra composes."""


def published() -> Path:
    """The results that come with the suite: `CNNLAB_PUBLISHED`, else results/published of this checkout."""
    return (
        Path(os.environ["CNNLAB_PUBLISHED"]) if os.environ.get("CNNLAB_PUBLISHED") else ROOT / "results" / "published"
    )


def result_folders(results: Path) -> tuple[Path, ...]:
    """Where records are looked for: a user's own results, then those that are published."""
    return tuple({folder.resolve(): folder for folder in (results, published())}.values())


def sweep_folder(sweep: str, scale: str, results: Path) -> Path:
    """Where a sweep's tables lie in a results folder."""
    return results / "sweeps" / sweep / scale
