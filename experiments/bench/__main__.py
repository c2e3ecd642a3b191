"""The benchmark's door: `python -m experiments.bench [workloads]`."""

import sys

if __name__ == "__main__":
    # processes that compete import this module anew: what they do not need is imported here
    from experiments.bench.door import main

    sys.exit(main())
