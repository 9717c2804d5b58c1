"""Run the stack at each rate: a table, and as the last line the highest rate's figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from typing import Any

from demo_run import running_demo
from elasticsearch import Elasticsearch

from bench_latency.alerts import Alerts, loosened
from cryptostream.cli.latency import Probe
from cryptostream.stream.rules import SHIPPED


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench_latency", description=__doc__)
    parser.add_argument("--rates", default="1000,100", help="trades/s, separated by commas")
    parser.add_argument("--seconds", type=int, default=120, help="measured at each rate")
    parser.add_argument("--warm", type=int, default=180, help="seconds before that, at each rate")
    return parser.parse_args()


def run(rate: int, warm: int, seconds: int) -> dict[str, Any]:
    """Run the demo at a rate; gives its report, with the latency and alerts of its last seconds."""
    words = ("--feed", "sim", "--rate", str(rate), "--for", str(warm + seconds))
    with running_demo(*words) as demo:
        urls = demo.urls()
        if "metrics" not in urls:
            raise RuntimeError("the demo ended before it was up; its words are above")
        alerts = Alerts(urls["metrics"])
        alerts.start()
        # The demo's own probe counts from its first minutes on, in which JVMs compile.
        time.sleep(warm)
        probe = Probe(Elasticsearch(urls["elasticsearch"]))
        probe.start()
        demo.wait_measured()
        latency = probe.stop()
        told = demo.report()
    count, p95 = alerts.stop(seconds, demo.ended_at)
    return told | {"rate": rate, "latency_ms": latency, "alerts": count, "alerts_p95_ms": p95}


def row(told: dict[str, Any]) -> str:
    """Render a line of the table."""
    latency = "".join(f"{told['latency_ms'][name] or 0:10,.0f}" for name in ("p50", "p95", "p99"))
    alerts = f"{told['alerts']:8}{told['alerts_p95_ms']:12,.0f}"
    lost = f"{told['lost']:8}{told['duplicates']:12}"
    return f"{told['rate']:8,}{latency}{alerts}{lost}{sum(told['cpu_seconds'].values()):9,.0f}"


def main() -> int:
    """Run what was asked for; status 1 if a trade was lost or doubled."""
    given = options()
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as rules:
        rules.write(loosened(SHIPPED.read_text()))
        rules.flush()
        os.environ["STREAM_RULES"] = rules.name
        told = [run(int(rate), given.warm, given.seconds) for rate in given.rates.split(",")]
    head = (
        f"{'rate':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}"
        f"{'alerts':>8}{'their p95':>12}{'lost':>8}{'duplicates':>12}{'CPU s':>9}"
    )
    top = max(told, key=lambda one: float(one["rate"]))
    figures = {f"{name}_ms": top["latency_ms"][name] for name in ("p50", "p95", "p99")}
    last = json.dumps(figures | {"rate": top["rate"]})
    sys.stdout.write("\n".join([head, *map(row, told), last]) + "\n")
    return 1 if any(one["lost"] or one["duplicates"] for one in told) else 0


if __name__ == "__main__":
    sys.exit(main())
