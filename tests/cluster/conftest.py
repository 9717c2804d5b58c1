"""The release that the cluster's tests share.

    make test-cluster KUBECONFIG=...

The operator of Elasticsearch and the project's images must be there already. What a cluster needs
differently is said by the environment:
    TAG                            of the images; dev
    CRYPTOSTREAM_TEST_VALUES       a further file of values
    CRYPTOSTREAM_TEST_KAFKA_IMAGE  apache/kafka:4.3.1, or one that is set up alike
    CRYPTOSTREAM_TEST_NAMESPACE    use this namespace, and leave it and the release there
    CRYPTOSTREAM_TEST_EARLIER_CHART  a folder with an earlier release, installed first and upgraded
                                   before all else; CRYPTOSTREAM_TEST_EARLIER_TAG of its images
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from support.cluster import KUBECONFIG
from support.kube import Kube, chart_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def kube() -> Iterator[Kube]:
    """Give a namespace that lets restricted pods in alone."""
    if not any(Path(one).is_file() for one in KUBECONFIG.split(os.pathsep)):
        pytest.skip("no cluster: CRYPTOSTREAM_TEST_KUBECONFIG names no file (make test-cluster)")
    kept = os.environ.get("CRYPTOSTREAM_TEST_NAMESPACE", "")
    space = Kube(kept or f"crypto-{uuid4().hex[:8]}")
    if space.tried("get", "namespace", space.namespace).returncode:
        space.kubectl("create", "namespace", space.namespace)
    label = "pod-security.kubernetes.io/enforce=restricted"
    space.kubectl("label", "namespace", space.namespace, label, "--overwrite")
    yield space
    if not kept:
        space.kubectl("delete", "namespace", space.namespace, within=300.0)


@pytest.fixture(scope="session")
def installed(kube: Kube) -> float:
    """Install Kafka and the release; gives when, by the monotonic clock."""
    image = os.environ.get("CRYPTOSTREAM_TEST_KAFKA_IMAGE", "apache/kafka:4.3.1")
    kube.kubectl(
        "apply", "-f", "-", given=(HERE / "kafka.yaml").read_text().replace("IMAGE", image)
    )
    began = time.monotonic()
    values = ["--values", str(HERE / "values.yaml")]
    if "monitoring.coreos.com/v1" in kube.kubectl("api-versions").split():
        values += ["--set", "monitoring.enabled=true"]
    done = kube.helm("upgrade", "--install", *values, *chart_arguments(first=True))
    assert done.returncode == 0, done.stderr
    assert "would violate PodSecurity" not in done.stderr, done.stderr
    return began
