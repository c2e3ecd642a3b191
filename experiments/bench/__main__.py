"""Time the engine beside PyTorch, Flax and others: `python -m experiments.bench [workloads]`."""

if __name__ == "__main__":
    # the contenders' processes import this module too: what they do not need is imported here
    from experiments.bench.main import main
    from experiments.cli import signals

    signals.door(main, "stopped; what was measured so far is kept")
