"""History: the rolling statistics of any past range, as a Spark batch job.

Imports run one way: `request`, `replay` (no I/O) <- `settings`, `elastic`, `kafka`, `compute` and
`progress` (I/O) <- `job` <- `__main__` (wiring).
"""
