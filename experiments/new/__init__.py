"""`python -m experiments.new`: the file that an own claim, sweep, statistic, metric or task needs, to be filled in."""
