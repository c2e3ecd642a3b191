"""Mirrors finished arms to Weights & Biases, behind one small interface; what is on disk never depends on it."""

from cnnlab.tracking.run import Off, Run, Tracker, arm_run, run_id, tracker

__all__ = ["Off", "Run", "Tracker", "arm_run", "run_id", "tracker"]
