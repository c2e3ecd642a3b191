"""What W&B shows: a run for each arm, one for each sweep, their pictures, and the workspace."""
