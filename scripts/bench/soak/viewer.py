"""Somebody who leaves the board open, and what the browser complains of meanwhile."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from threading import Event, Thread
from typing import Final

from playwright.sync_api import Page, sync_playwright

CHROMIUM: Final = Path("/usr/bin/chromium")
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
VIEWS: Final = ("market", "model", "alerts", "pipeline", "history")
VIEW_MS: Final = 30_000
POLL_MS: Final = 500


class Viewer:
    """Looks at every view in turn, in a thread of its own; `troubles` has what was logged."""

    def __init__(self, url: str) -> None:
        self.troubles: list[str] = []
        self.looks = 0
        self._url = url.rstrip("/")
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Close the page, before the board goes away."""
        self._stop.set()
        self._thread.join(timeout=60)

    def _watch(self) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=str(CHROMIUM), args=list(ARGUMENTS)
            )
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.on("pageerror", lambda error: self.troubles.append(str(error)))
            page.on(
                "console",
                lambda said: self.troubles.append(said.text) if said.type != "log" else None,
            )
            page.goto(self._url)
            for view in cycle(VIEWS):
                if self._stop.is_set():
                    break
                self._look(page, view)
            browser.close()

    def _look(self, page: Page, view: str) -> None:
        page.locator(f"#tab-{view}").click()
        self.looks += 1
        for _ in range(VIEW_MS // POLL_MS):
            if self._stop.is_set():
                return
            page.wait_for_timeout(POLL_MS)
