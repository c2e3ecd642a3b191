"""`python -m experiments.simulate`: the judge itself, judged on simulated suites."""
