"""A release of the chart in a cluster, by kubectl and helm."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.charts import CHART, tool
from support.cluster import KUBECONFIG

RELEASE: Final = "crypto"
#: What the chart's objects are called by.
FULLNAME: Final = f"{RELEASE}-cryptostream"
#: Where Prometheus is, if there is one.
MONITORING: Final = "monitoring"
#: The chart of an earlier release, if one is to be upgraded.
EARLIER: Final = os.environ.get("CRYPTOSTREAM_TEST_EARLIER_CHART", "")
#: One command of kubectl's.
ANSWER_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Kube:
    """A namespace of a cluster; every command runs in it."""

    namespace: str

    def kubectl(self, *arguments: str, given: str = "", within: float = ANSWER_SECONDS) -> str:
        """Run kubectl and give what it printed; fail with what it said."""
        done = self.tried(*arguments, given=given, within=within)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def tried(
        self, *arguments: str, given: str = "", within: float = ANSWER_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl and give how it ended."""
        return _run([_kubectl(), "--namespace", self.namespace, *arguments], given, within)

    def helm(self, *arguments: str, within: float = 900.0) -> subprocess.CompletedProcess[str]:
        """Run helm and give how it ended."""
        return _run([tool("helm4"), "--namespace", self.namespace, *arguments], "", within)

    def objects(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Give the objects of a kind, all or those with some labels."""
        said = self.kubectl(
            "get", kind, "--output=json", *(["--selector", selector] * bool(selector))
        )
        items: list[dict[str, Any]] = json.loads(said)["items"]
        return items

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Give a component's pods that were not told to leave."""
        label = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"
        return [
            pod for pod in self.objects("pods", label) if "deletionTimestamp" not in pod["metadata"]
        ]

    def setup_job(self) -> str:
        """Give the name of the set-up's Job, which each revision of the release has anew."""
        status = self.helm("status", RELEASE, "--output", "json").stdout
        return f"{FULLNAME}-setup-{json.loads(status)['version']}"

    def python(self, pod: str, program: str, *arguments: str, container: str = "") -> str:
        """Run a Python program in a pod of the project's and give what it printed."""
        where = ["--container", container] if container else []
        return self.kubectl("exec", pod, *where, "--", "python", "-c", program, *arguments)

    def metrics(self, pod: str, port: int) -> dict[str, float]:
        """Read and parse a pod's metrics; gives the sum over labels of each sample's name."""
        text = self.python(pod, READ, f"http://127.0.0.1:{port}/metrics")
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    def prometheus(self, path: str, **parameters: str) -> Any:
        """Ask the cluster's Prometheus, through the API server; gives the answer's data."""
        service = f"/api/v1/namespaces/{MONITORING}/services/prometheus-operated:9090/proxy"
        said = self.kubectl("get", "--raw", f"{service}/api/v1/{path}?{urlencode(parameters)}")
        return json.loads(said)["data"]


READ: Final = (
    "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"
)


def name_of(pod: dict[str, Any]) -> str:
    """Give an object's name."""
    return str(pod["metadata"]["name"])


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether a pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def tag() -> str:
    """Give the tag of the project's images."""
    return os.environ.get("TAG", "dev")


def chart_arguments(*, first: bool = False) -> list[str]:
    """Give the arguments that name the chart and what this cluster needs differently.

    The `first` install is of an earlier release, if the environment names one.
    """
    earlier = EARLIER if first else ""
    images = os.environ.get("CRYPTOSTREAM_TEST_EARLIER_TAG", tag()) if earlier else tag()
    arguments = [RELEASE, earlier or str(CHART), "--set", f"images.tag={images}"]
    if os.environ.get("CRYPTOSTREAM_TEST_VALUES"):
        arguments += ["--values", os.environ["CRYPTOSTREAM_TEST_VALUES"]]
    return arguments


def _kubectl() -> str:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not on the PATH")
    return program


def _run(command: list[str], given: str, within: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
        env={**os.environ, "KUBECONFIG": KUBECONFIG},
    )
