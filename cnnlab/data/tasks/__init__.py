"""One module a task, found by its name; each offers `check(task, source)` and `load(task, source)`."""
