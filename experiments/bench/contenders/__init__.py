"""What is compared: one module a contender, found by its path, with a class of its name."""
