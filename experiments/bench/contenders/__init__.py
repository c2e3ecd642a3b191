"""What is compared: one module a contender, found by its path; `experiments.bench.contract` says what each offers."""
