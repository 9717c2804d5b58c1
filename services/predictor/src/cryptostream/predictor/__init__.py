"""The BentoML service that predicts a trade's direction, a micro-batch of rows at a time."""
