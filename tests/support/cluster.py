"""A real API server, whose administrator's kubeconfig is in CRYPTOSTREAM_TEST_KUBECONFIG."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from kubernetes.client import (
    ApiClient,
    AuthenticationV1TokenRequest,
    CoreV1Api,
    RbacAuthorizationV1Api,
    RbacV1Subject,
    V1Namespace,
    V1ObjectMeta,
    V1PolicyRule,
    V1Role,
    V1RoleBinding,
    V1RoleRef,
    V1ServiceAccount,
    V1TokenRequestSpec,
)
from kubernetes.config import new_client_from_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KUBECONFIG: Final = os.environ.get("CRYPTOSTREAM_TEST_KUBECONFIG", "")
#: All that `cryptostream.ingest.leases` says its pods need.
LEASE_VERBS: Final = ("get", "list", "create", "update", "delete")

needs_cluster = pytest.mark.skipif(
    not KUBECONFIG, reason="no API server: CRYPTOSTREAM_TEST_KUBECONFIG is not set"
)


def administrator() -> ApiClient:
    """Connect as an administrator."""
    api: ApiClient = new_client_from_config(KUBECONFIG)  # type: ignore[no-untyped-call]
    return api


@contextmanager
def new_namespace() -> Iterator[str]:
    """Give a namespace that nobody else knows; delete it in the end."""
    api = CoreV1Api(administrator())
    name = f"test-{uuid4().hex[:12]}"
    api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=name)))
    try:
        yield name
    finally:
        api.delete_namespace(name)


def role_kubeconfig(namespace: str, folder: Path, *verbs: str) -> str:
    """Write a kubeconfig of a service account that has these verbs on leases, and no more."""
    api, name = administrator(), f"ingest-{uuid4().hex[:8]}"
    meta = V1ObjectMeta(name=name)
    core, rbac = CoreV1Api(api), RbacAuthorizationV1Api(api)
    core.create_namespaced_service_account(namespace, V1ServiceAccount(metadata=meta))
    rule = V1PolicyRule(api_groups=["coordination.k8s.io"], resources=["leases"], verbs=list(verbs))
    rbac.create_namespaced_role(namespace, V1Role(metadata=meta, rules=[rule]))
    binding = V1RoleBinding(
        metadata=meta,
        role_ref=V1RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name=name),
        subjects=[RbacV1Subject(kind="ServiceAccount", name=name, namespace=namespace)],
    )
    rbac.create_namespaced_role_binding(namespace, binding)
    request = AuthenticationV1TokenRequest(
        spec=V1TokenRequestSpec(audiences=[], expiration_seconds=3600)
    )
    answer: Any = core.create_namespaced_service_account_token(name, namespace, request)
    path = folder / f"{name}.kubeconfig"
    path.write_text(json.dumps(_kubeconfig(api, answer.status.token)))
    return str(path)


def _kubeconfig(api: ApiClient, token: str) -> dict[str, Any]:
    host, authority = api.configuration.host, api.configuration.ssl_ca_cert
    cluster = {"server": host, "certificate-authority": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "pod", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "pod"}}],
        "current-context": "test",
    }
