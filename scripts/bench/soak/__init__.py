"""Whether the stack stays as it is for an hour: `python -m soak` (see `make soak`)."""
