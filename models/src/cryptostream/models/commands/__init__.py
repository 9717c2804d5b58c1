"""The commands of `python -m cryptostream.models`, one module each.

A module gives `HELP`, `add_arguments(parser)` and `run(options) -> exit status`. It imports
BentoML only inside `run`, after `use_store` has named the store.
"""
