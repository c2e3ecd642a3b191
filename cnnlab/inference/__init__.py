"""Effects, intervals, equivalence, Holm and the rules of the claims: samples in, verdicts out. No JAX."""
