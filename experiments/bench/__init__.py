"""The benchmark: this suite's engine beside what a user would run instead, on one machine and in one run."""
