"""The end of a release. It runs last of the cluster's tests, as their names are sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.eventually import eventually
from support.kube import FULLNAME, RELEASE, name_of

if TYPE_CHECKING:
    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900), pytest.mark.usefixtures("installed")]
#: All that the chart makes, and what Elastic's operator makes of it.
KINDS = (
    "pods,jobs,cronjobs,deployments,statefulsets,services,configmaps,secrets,serviceaccounts,"
    "roles,rolebindings,networkpolicies,poddisruptionbudgets,leases,"
    "elasticsearches.elasticsearch.k8s.elastic.co"
)


def test_uninstall_leaves_volumes_alone(kube: Kube) -> None:
    """After `helm uninstall` nothing of the release is left but its volume claims."""
    done = kube.helm("uninstall", RELEASE, "--wait", "--timeout", "5m")
    assert done.returncode == 0, done.stderr

    def gone() -> bool:
        left = [
            f"{one['kind']}/{name_of(one)}"
            for one in kube.objects(KINDS)
            if name_of(one).startswith((FULLNAME, "cryptostream"))
        ]
        assert not left, left
        return True

    eventually(gone, within=240.0, poll=2.0)
    claims = {name_of(one) for one in kube.objects("persistentvolumeclaims")}
    assert {
        f"{FULLNAME}-models",
        f"checkpoint-{FULLNAME}-stream-0",
        f"outbox-{FULLNAME}-alerts-0",
        f"elasticsearch-data-{FULLNAME}-es-default-0",
    } <= claims
