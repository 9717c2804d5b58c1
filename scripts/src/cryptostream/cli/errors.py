"""The command's own errors: each names its remedy and ends the command with status 2."""

from __future__ import annotations

from cryptostream.contracts.errors import CryptostreamError

USAGE_STATUS = 2


class CliError(CryptostreamError):
    """The command can't go on; `remedy` is what the reader can do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        ended = problem if problem.endswith("\n") else f"{problem.rstrip('.')}. "
        super().__init__(ended + remedy)
        self.problem = problem
        self.remedy = remedy
