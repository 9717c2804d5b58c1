"""Leases in Kubernetes: what is refused before any call, and what each answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from kubernetes.client import CoordinationV1Api
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import MaxRetryError, ReadTimeoutError

from cryptostream.contracts.errors import Failure, SettingsError
from cryptostream.ingest.errors import classify
from cryptostream.ingest.leases import KubernetesLeases, connect
from cryptostream.ingest.tenure import LeaseError

if TYPE_CHECKING:
    from pathlib import Path


class Failing:
    """A client whose every call fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        """Give a call that fails."""

        def fail(*_: object, **__: object) -> None:
            raise self.error

        return fail


def leases(error: Exception) -> KubernetesLeases:
    """Make a store on a failing client."""
    return KubernetesLeases(cast("CoordinationV1Api", Failing(error)), "default", "bybit-spot")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ApiException(status=403, reason="Forbidden"), Failure.FATAL),
        (ApiException(status=401, reason="Unauthorized"), Failure.FATAL),
        (ApiException(status=422, reason="Invalid"), Failure.FATAL),
        (ApiException(status=409, reason="Conflict"), Failure.TRANSIENT),
        (ApiException(status=429, reason="Too Many Requests"), Failure.TRANSIENT),
        (ApiException(status=500, reason="Internal"), Failure.TRANSIENT),
        (ReadTimeoutError(cast("Any", None), "/", "timed out"), Failure.TRANSIENT),
        (MaxRetryError(cast("Any", None), "/", None), Failure.TRANSIENT),
        (ConnectionResetError("reset"), Failure.TRANSIENT),
        (ValueError("no JSON"), Failure.TRANSIENT),
    ],
)
def test_failures_are_told_apart(error: Exception, failure: Failure) -> None:
    """Only what we may not do, or ask wrongly, is fatal; it always is a `LeaseError`."""
    store = leases(error)
    for call in (store.look, lambda: store.renew("a", 15, "")):
        with pytest.raises(LeaseError) as caught:
            call()
        assert classify(caught.value) is failure


def test_a_release_that_fails_says_so() -> None:
    """The caller decides what to make of it."""
    with pytest.raises(LeaseError, match="can't delete lease cryptostream-ingest-a: 500"):
        leases(ApiException(status=500, reason="Internal")).release("a")


@pytest.mark.parametrize("status", [404, 409])
def test_a_lease_that_is_gone_needs_no_release(status: int) -> None:
    """To delete what is deleted, or has changed, is done."""
    leases(ApiException(status=status, reason="")).release("a")


@pytest.mark.parametrize("pod", ["", "Pod", "a_b", "-a", "a-", "a" * 201, "static-0/1", "a\n"])
def test_what_is_no_pod_name_is_refused(pod: str) -> None:
    """The API server would refuse the lease of such a name, only later."""
    with pytest.raises(SettingsError, match="pod's name"):
        connect(pod, "bybit-spot")


def test_outside_of_a_cluster_the_remedy_is_named() -> None:
    """No service account, no leases."""
    with pytest.raises(SettingsError, match="shard i/n"):
        connect("ingest-1", "bybit-spot")


def test_a_kubeconfig_that_is_none_is_refused(tmp_path: Path) -> None:
    """A wrong file is a matter of the settings."""
    broken = tmp_path / "kubeconfig"
    broken.write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match="Kubernetes API"):
        connect("ingest-1", "bybit-spot", namespace="default", kubeconfig=str(broken))


def test_a_group_must_be_a_label() -> None:
    """It selects the leases."""
    with pytest.raises(SettingsError, match="label"):
        KubernetesLeases(CoordinationV1Api(), "default", "a,b")
