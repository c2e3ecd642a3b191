"""From results and verdicts to tables, figures, pages and files."""
