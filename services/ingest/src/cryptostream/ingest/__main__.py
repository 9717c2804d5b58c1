"""`python -m cryptostream.ingest`: read Bybit until told to stop."""

from __future__ import annotations

import sys

from cryptostream.ingest.process import run_service
from cryptostream.ingest.service import Service
from cryptostream.ingest.settings import IngestSettings

if __name__ == "__main__":
    sys.exit(run_service(IngestSettings, Service))
