"""How fast the predictor is: `python -m bench_predict` (see `make bench-predict`)."""
