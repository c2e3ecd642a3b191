"""Mirrors finished arms to Weights & Biases, behind one small interface; what is on disk never depends on it."""

from cnnlab.tracking.run import Artifact, Picture, Pixels, Table, TrackedRun, arm_runs, run_id
from cnnlab.tracking.trackers import Off, Tracker, tracker

__all__ = ["Artifact", "Off", "Picture", "Pixels", "Table", "TrackedRun", "Tracker", "arm_runs", "run_id", "tracker"]
