"""The commands of the suite, and the rooms behind them; see docs/architecture.md."""
