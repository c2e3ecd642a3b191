"""Training: one step, one member, one arm. `cnnlab.training.members.train` chooses how members are trained."""
