"""From records to verdicts: the results of a sweep, the contrasts that claims rest on, the evidence, the verdict."""
