"""What training costs: `python -m bench_train` (see `make bench-train`)."""
