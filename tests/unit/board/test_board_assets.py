"""The page's files."""

from __future__ import annotations

import hashlib
import re

from cryptostream.board.server import STATIC

CHART_SHA256 = "e21cc5caa0226ef30bd8549c50b9ef926615f2a4ee6b4e486353477a55f598cf"
PAGE = (STATIC / "index.html").read_text(encoding="utf-8")


def test_the_chart_library_is_the_published_one() -> None:
    """lightweight-charts 5.2.1 as npm has it, byte for byte, with its licence beside it."""
    vendored = STATIC / "vendor" / "lightweight-charts.standalone.production.js"
    assert hashlib.sha256(vendored.read_bytes()).hexdigest() == CHART_SHA256
    assert "Apache License" in (STATIC / "vendor" / "LICENSE").read_text(encoding="utf-8")
    assert "TradingView" in (STATIC / "vendor" / "NOTICE").read_text(encoding="utf-8")


def test_the_page_gives_the_attribution_that_the_chart_library_asks_for() -> None:
    """A visible link to TradingView with the words of its NOTICE."""
    assert 'href="https://www.tradingview.com/"' in PAGE
    assert "TradingView, Inc." in PAGE


def test_the_page_needs_nothing_that_its_policy_forbids() -> None:
    """No inline script, style or handler, and nothing from elsewhere."""
    assert not re.search(r"<script(?![^>]*\bsrc=)", PAGE)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", PAGE)
    assert not re.search(r'(?:src|rel="stylesheet" href)="(?!/static/)', PAGE)


def test_every_file_that_the_page_names_is_there() -> None:
    """No link of the page leads nowhere."""
    for name in re.findall(r'"/static/([^"]+)"', PAGE):
        assert (STATIC / name).is_file(), name
