"""The instruments of cnnlab: nets, tasks, training, statistics and inference. Knows no claim and no Hydra."""
