"""Tables and figures: pure functions of records, effects and verdicts."""
