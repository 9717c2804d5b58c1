"""`python -m cryptostream.ingest.exchanges`: read an exchange beside Bybit until told to stop."""

from __future__ import annotations

import sys

from cryptostream.ingest.adapters.service import Service
from cryptostream.ingest.adapters.settings import ExchangesSettings
from cryptostream.ingest.process import run_service

if __name__ == "__main__":
    sys.exit(run_service(ExchangesSettings, Service))
