"""The judge judged: effects and nulls are planted, members drawn and tuned, and the verdicts counted."""
