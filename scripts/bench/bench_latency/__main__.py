"""Run the stack at each rate: a table, and as the last line the highest rate's figures as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from demo_run import running_demo

from bench_latency.alerts import Alerts


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench_latency", description=__doc__)
    parser.add_argument("--rates", default="1000,100", help="trades/s, separated by commas")
    parser.add_argument("--seconds", type=int, default=120, help="measured at each rate")
    return parser.parse_args()


def run(rate: int, seconds: int) -> dict[str, Any]:
    """Run the demo at a rate; gives its report, with the alerts' number and p95."""
    with running_demo("--feed", "sim", "--rate", str(rate), "--for", str(seconds)) as demo:
        metrics = demo.urls().get("metrics")
        if metrics is None:
            raise RuntimeError("the demo ended before it was up; its words are above")
        alerts = Alerts(metrics)
        alerts.start()
        told = demo.report()
    count, p95 = alerts.stop(seconds, demo.ended_at)
    return told | {"rate": rate, "alerts": count, "alerts_p95_ms": p95}


def row(told: dict[str, Any]) -> str:
    """Render a line of the table."""
    latency = "".join(f"{told['latency_ms'][name] or 0:10,.0f}" for name in ("p50", "p95", "p99"))
    cpu = sum(told["cpu_seconds"].values())
    lost = f"{told['lost']:8}{told['duplicates']:12}"
    return (
        f"{told['rate']:8,}{latency}{told['alerts']:8}{told['alerts_p95_ms']:12,.0f}{lost}{cpu:9}"
    )


def main() -> int:
    """Run what was asked for; status 1 if a trade was lost or doubled."""
    given = options()
    told = [run(int(rate), given.seconds) for rate in given.rates.split(",")]
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
