"""One module a task, found by its name; each offers `DIALS`, `check(task, source)` and `load(task, source)`."""
