"""The `cryptostream` command: the whole pipeline on one machine.

`artifacts`, `kafka`, `elasticsearch` and `stack` say what is to run (pure); `fetch`, `process`
and `supervisor` make it run; `commands` is what one types.
"""
