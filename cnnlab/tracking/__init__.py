"""Mirrors finished arms to Weights & Biases, behind one small interface; what is on disk never depends on it."""

from cnnlab.tracking.run import Artifact, Off, Picture, Pixels, Run, Table, Tracker, arm_runs, run_id, tracker

__all__ = ["Artifact", "Off", "Picture", "Pixels", "Run", "Table", "Tracker", "arm_runs", "run_id", "tracker"]
