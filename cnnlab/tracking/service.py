"""W&B's client as this suite uses it: quiet, asking nobody anything, and telling nobody about its own faults."""

import os
from typing import Literal

Mode = Literal["offline", "online"]


def start(mode: Mode) -> None:
    """Set W&B's client up, where it would look up its error server, or ask a question at the terminal.

    Raises:
        ModuleNotFoundError: W&B is not installed.
        PermissionError: online, and there is no API key.
    """
    # without it, W&B looks up its own server to report its errors to, also when offline
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    wandb.setup(wandb.Settings(mode=mode, silent=True))
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        raise PermissionError("no API key: run `wandb login` or set WANDB_API_KEY")
