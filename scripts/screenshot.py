# ruff: noqa: INP001
"""Take the README's pictures of a running board: `python scripts/screenshot.py [URL]`.

Writes docs/board.png and docs/board-dark.png. Needs Debian's Chromium
(`apt-get install -y chromium`) and the development requirements.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import Error, sync_playwright
from playwright.sync_api import TimeoutError as SlowError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

CHROMIUM: Final = Path("/usr/bin/chromium")
DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
PICTURES: Final = {"light": DOCS / "board.png", "dark": DOCS / "board-dark.png"}
VIEWPORT: Final[ViewportSize] = {"width": 1600, "height": 900}
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: A page that has this many trades and moves is worth a picture.
MIN_TRADES: Final = 30
WAIT_MS: Final = 60_000
READY: Final = f"""() => document.getElementById("state").dataset.state === "live"
  && document.querySelectorAll("#tape tr").length >= {MIN_TRADES}
  && document.querySelectorAll("#hops li").length > 0
  && document.getElementById("total-latency").textContent.match(/[0-9]/)"""


def take(browser: Browser, url: str, theme: str, target: Path) -> None:
    """Save the page in one theme, once it is live."""
    context = browser.new_context(viewport=VIEWPORT, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url, timeout=WAIT_MS)
    page.wait_for_function(READY, timeout=WAIT_MS)
    page.screenshot(path=target)
    context.close()
    sys.stdout.write(f"{target}\n")


def main() -> int:
    """Take both pictures; status 2 if there is nothing to take them with or of."""
    parser = argparse.ArgumentParser(description="Take the README's pictures of a running board.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:18000/?interval=1s&minutes=5")
    options = parser.parse_args()
    if not CHROMIUM.exists():
        sys.stderr.write(f"No {CHROMIUM}: apt-get install -y chromium\n")
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        try:
            for theme, target in PICTURES.items():
                take(browser, options.url, theme, target)
        except SlowError:
            sys.stderr.write(f"{options.url} shows no live trades; start one with: make demo\n")
            return 2
        except Error as error:
            sys.stderr.write(f"{options.url}: {error.message.splitlines()[0]}\n")
            return 2
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
