"""What a person reads: lines with the seconds since the start, plain where no terminal is."""

from __future__ import annotations

import sys
import time
from typing import Final

from rich.console import Console as RichConsole
from rich.markup import escape

_STYLES: Final = (
    ("failed", "bold red"),
    ("killed", "yellow"),
    ("again in", "yellow"),
    ("well", "green"),
)


class Console:
    """Tells progress on standard output, or on standard error where the output is JSON."""

    def __init__(self, *, to_stderr: bool = False) -> None:
        stream = sys.stderr if to_stderr else sys.stdout
        self._rich = RichConsole(file=stream, highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    def say(self, text: str) -> None:
        """Tell what happens now."""
        elapsed = f"[{time.monotonic() - self._started:5.1f} s]"
        style = next((style for word, style in _STYLES if word in text), "")
        line = f"{escape(elapsed)} {escape(text)}"
        self._rich.print(f"[{style}]{line}[/]" if style and self._rich.is_terminal else line)

    def show(self, text: str = "") -> None:
        """Print a line as it is."""
        self._rich.print(escape(text))

    @property
    def elapsed(self) -> float:
        """Give the seconds since the start."""
        return time.monotonic() - self._started
