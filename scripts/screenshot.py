# ruff: noqa: INP001
"""Take the documentation's pictures of a running board: `python scripts/screenshot.py [URL]`.

Writes docs/board*.png: each view on a laptop, the market in the dark, on a phone.
Needs Debian's Chromium (`apt-get install -y chromium`) and the development requirements.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from playwright.sync_api import Error, sync_playwright
from playwright.sync_api import TimeoutError as SlowError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

CHROMIUM: Final = Path("/usr/bin/chromium")
DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WAIT_MS: Final = 60_000
#: Of a live page: charts and tables come with the first answers.
SETTLE_MS: Final = 5_000
LAPTOP: Final[ViewportSize] = {"width": 1440, "height": 900}
README: Final[ViewportSize] = {"width": 1920, "height": 1080}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
#: One-second candles: a demo of some minutes fills the chart.
MARKET: Final = "interval=1s&minutes=5&ind=bb,ema,vwap,rsi,macd"
READY: Final = """() => document.getElementById("state").dataset.state === "live"
  && document.getElementById("last").textContent.match(/[0-9]/)"""


class Picture(NamedTuple):
    """One picture: its file, the screen, the theme and what is looked at."""

    file: str
    screen: ViewportSize
    theme: str
    query: str


PICTURES: Final = (
    Picture("board.png", README, "light", MARKET),
    Picture("board-dark.png", README, "dark", MARKET),
    Picture("board-phone.png", PHONE, "dark", "interval=1s&minutes=5"),
    Picture("board-model.png", LAPTOP, "light", "view=model&interval=1m&minutes=60"),
    Picture("board-alerts.png", LAPTOP, "dark", "view=alerts"),
    Picture("board-pipeline.png", LAPTOP, "light", "view=pipeline"),
    Picture("board-history.png", LAPTOP, "dark", "view=history&interval=1m"),
)


def take(browser: Browser, url: str, picture: Picture) -> None:
    """Save one picture, once the page is live."""
    context = browser.new_context(
        viewport=picture.screen,
        color_scheme=picture.theme,  # type: ignore[arg-type]
        locale="en-GB",
    )
    page = context.new_page()
    page.goto(f"{url.rstrip('/')}/?{picture.query}", timeout=WAIT_MS)
    page.wait_for_function(READY, timeout=WAIT_MS)
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=DOCS / picture.file)
    context.close()
    sys.stdout.write(f"{DOCS / picture.file}\n")


def main() -> int:
    """Take the pictures; status 2 if there is nothing to take them with or of."""
    parser = argparse.ArgumentParser(description="Take the pictures of a running board.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:18000/")
    options = parser.parse_args()
    if not CHROMIUM.exists():
        sys.stderr.write(f"No {CHROMIUM}: apt-get install -y chromium\n")
        return 2
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(ARGUMENTS))
        try:
            for picture in PICTURES:
                take(browser, options.url, picture)
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
