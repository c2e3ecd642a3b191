"""The words of the suite as frozen values: nets, layers, tasks, recipes, arms, records. No JAX."""
