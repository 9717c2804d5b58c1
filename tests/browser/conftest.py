"""What the tests in headless Chromium share."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from support.board import running_board
from support.servers import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WITHIN_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark this folder's tests; without a browser they are skipped."""
    here = Path(__file__).parent
    missing = pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install -y chromium"
    )
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(missing)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Start playwright for the module only: its event loop must not meet the other tests'."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Start Debian's Chromium."""
    started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
    yield started
    started.close()


@pytest.fixture(scope="module")
def board(elasticsearch_url: str) -> Iterator[str]:
    """Run one board for the module."""
    (port,) = free_ports(1)
    with running_board(elasticsearch_url, port) as url:
        yield url


@pytest.fixture
def symbol() -> str:
    """Give a symbol that no other test has."""
    return f"T{uuid.uuid4().hex[:8].upper()}"


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages; at the end none of them may have logged an error, unless it was expected."""
    troubles: list[str] = []
    contexts = []

    def open_page(url: str, expected: str = "^$", **options: Any) -> Page:
        context = browser.new_context(timezone_id="UTC", **options)
        context.set_default_timeout(WITHIN_MS)
        contexts.append(context)
        page = context.new_page()

        def note(text: str) -> None:
            if not re.search(expected, text):
                troubles.append(text)

        page.on("console", lambda said: note(said.text) if said.type != "log" else None)
        page.on("pageerror", lambda error: note(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []
