"""`python -m experiments.report`: one HTML page, opened without a network, that shows what the suite computes."""
