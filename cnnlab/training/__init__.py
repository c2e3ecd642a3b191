"""One step, one run, one arm; where members go hides behind `cnnlab.training.members.train`."""
