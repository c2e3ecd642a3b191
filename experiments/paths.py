"""Where things lie: the suite's code and configuration, in a checkout or as installed, and results."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
ROOT = PACKAGE.parent
"""The checkout; the folder of all packages where the suite is installed from a wheel."""
INSTALLED = (PACKAGE / "conf").is_dir()
"""Whether this is the suite as a wheel has it: its build puts `conf/` into the package."""
CONF = (PACKAGE if INSTALLED else ROOT) / "conf"
"""The configuration that Hydra composes."""

VARIABLE = "CNNLAB_PUBLISHED"
"""Names the folder of published results, where it is another."""


def published() -> Path:
    """The published results: `CNNLAB_PUBLISHED`, else results/published of this checkout.

    They do not come with a wheel, which looks for them in the working directory.
    """
    named = os.environ.get(VARIABLE)
    return Path(named) if named else (Path() if INSTALLED else ROOT) / "results" / "published"


def result_folders(results: Path) -> tuple[Path, ...]:
    """Where records are looked for: a user's own results, then those that are published."""
    return tuple({folder.resolve(): folder for folder in (results, published())}.values())


def sweep_folder(sweep: str, scale: str, results: Path) -> Path:
    """Where a sweep's tables lie in a results folder."""
    return results / "sweeps" / sweep / scale
