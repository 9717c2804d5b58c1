# ruff: noqa: INP001
"""Measure the memory of pods: `python scripts/bench/pod_memory.py NAMESPACE [SECONDS]`.

Each running container is asked for its own control group, version 1 or 2, by `kubectl exec`: no
metrics server is needed. What counts is the working set, as for `kubectl top` and for evictions:
what is in use less the file pages that the kernel may drop at once. Prints a Markdown table of the
highest of all looks within SECONDS (60), in MB.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any, Final

MEGABYTE: Final = 1024 * 1024
LOOK_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30
READ: Final = """cd /sys/fs/cgroup
if [ -e memory.current ]; then cat memory.current memory.stat
else cat memory/memory.usage_in_bytes memory/memory.stat; fi"""
#: What each version calls the file pages that may be dropped.
INACTIVE: Final = ("total_inactive_file", "inactive_file")
UNITS: Final = {"Ki": 1024, "Mi": MEGABYTE, "Gi": 1024 * MEGABYTE}


def working_set(text: str) -> int:
    """Give the bytes of a working set from what `READ` printed; raises `ValueError`."""
    used, *lines = text.splitlines()
    numbers = dict(line.split() for line in lines)
    inactive = next((numbers[name] for name in INACTIVE if name in numbers), "0")
    return max(0, int(used) - int(inactive))


def in_bytes(quantity: str) -> int:
    """Read a quantity such as 192Mi."""
    return next(
        (int(quantity[:-2]) * size for unit, size in UNITS.items() if quantity.endswith(unit)),
        0,
    )


def requested(pod: dict[str, Any]) -> int:
    """Sum what a pod's containers ask for, bytes."""
    wanted = (one.get("resources", {}).get("requests", {}) for one in pod["spec"]["containers"])
    return sum(in_bytes(one.get("memory", "0Mi")) for one in wanted)


def kubectl(namespace: str, *arguments: str) -> str:
    """Run kubectl and give what it printed; nothing if it failed."""
    command = ["kubectl", "--namespace", namespace, *arguments]
    done = subprocess.run(  # noqa: S603 - the arguments are ours and the caller's
        command, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=False
    )
    return done.stdout if done.returncode == 0 else ""


def look(namespace: str) -> dict[str, tuple[int, int]]:
    """Give each running pod's request and working set, bytes; unreadable ones are left out."""
    found = {}
    for pod in json.loads(kubectl(namespace, "get", "pods", "--output=json"))["items"]:
        name = pod["metadata"]["name"]
        if pod["status"]["phase"] != "Running":
            continue
        read = [
            kubectl(namespace, "exec", name, "--container", one["name"], "--", "sh", "-c", READ)
            for one in pod["spec"]["containers"]
        ]
        if all(read):
            found[name] = (requested(pod), sum(map(working_set, read)))
    return found


def main(namespace: str, seconds: float) -> None:
    """Look for some time and print the table."""
    highest: dict[str, tuple[int, int]] = {}
    deadline = time.monotonic() + seconds
    while True:
        for name, (request, used) in look(namespace).items():
            highest[name] = (request, max(used, highest.get(name, (0, 0))[1]))
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    print("| pod | request | measured |\n|---|---|---|")  # noqa: T201 - this is its output
    totals = [sum(pair[side] for pair in highest.values()) for side in (0, 1)]
    for name, (request, used) in [*sorted(highest.items()), ("sum", (totals[0], totals[1]))]:
        print(f"| {name} | {request / MEGABYTE:.0f} | {used / MEGABYTE:.0f} |")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60.0)  # noqa: PLR2004 - the second
