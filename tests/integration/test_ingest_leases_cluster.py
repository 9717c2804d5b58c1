"""Leases against a real API server, whose kubeconfig is in CRYPTOSTREAM_TEST_KUBECONFIG."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING

import pytest
from kubernetes.client import CoordinationV1Api
from support.cluster import (
    KUBECONFIG,
    LEASE_VERBS,
    administrator,
    needs_cluster,
    new_namespace,
    role_kubeconfig,
)
from support.eventually import eventually_async

from cryptostream.contracts.errors import Failure, SettingsError
from cryptostream.ingest.leases import KubernetesLeases, connect
from cryptostream.ingest.roster import LeaseRoster
from cryptostream.ingest.tenure import LeaseError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, needs_cluster]


@pytest.fixture
def namespace() -> Iterator[str]:
    """Give a namespace of the test's own."""
    with new_namespace() as name:
        yield name


def store(namespace: str, pod: str, group: str = "bybit-spot") -> KubernetesLeases:
    """Connect as a pod."""
    return connect(pod, group, namespace=namespace, kubeconfig=KUBECONFIG)


@contextlib.asynccontextmanager
async def running(roster: LeaseRoster) -> AsyncIterator[None]:
    """Run a roster; leaving it is a death, not a release."""
    task = asyncio.create_task(roster.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_a_lease_is_created_renewed_and_released(namespace: str) -> None:
    """Each renewal is seen; labels, holder, duration and weights are as they should be."""
    ours, other = store(namespace, "pod-a"), store(namespace, "pod-b")
    ours.renew("pod-a", 15, '{"BTCUSDT":8.0}')
    (first,) = other.look()
    assert first.record.name == "cryptostream-ingest-pod-a"
    assert (first.record.holder, first.record.duration) == ("pod-a", 15)
    assert first.weights == '{"BTCUSDT":8.0}'
    ours.renew("pod-a", 15, "")
    (second,) = other.look()
    assert second.record.renewed != first.record.renewed
    assert second.weights == ""
    raw = CoordinationV1Api(administrator()).read_namespaced_lease(
        "cryptostream-ingest-pod-a", namespace
    )
    assert raw.metadata is not None
    assert raw.metadata.labels == {
        "app.kubernetes.io/part-of": "cryptostream",
        "app.kubernetes.io/component": "ingest",
        "app.kubernetes.io/instance": "bybit-spot",
    }
    ours.release("pod-a")
    ours.release("pod-a")
    assert other.look() == []


def test_a_restarted_container_takes_its_pods_lease_over(namespace: str) -> None:
    """What the predecessor left is renewed, even if somebody else renewed in between."""
    before, after = store(namespace, "pod-a"), store(namespace, "pod-a")
    before.renew("pod-a", 15, "")
    after.renew("pod-a", 15, "")
    with pytest.raises(LeaseError) as caught:
        before.renew("pod-a", 15, "")
    assert caught.value.failure is Failure.TRANSIENT
    before.renew("pod-a", 15, "")
    assert len(before.look()) == 1


def test_a_deleted_lease_is_created_again(namespace: str) -> None:
    """Nobody's mistake throws us out for good."""
    ours = store(namespace, "pod-a")
    ours.renew("pod-a", 15, "")
    store(namespace, "pod-b").release("pod-a")
    with contextlib.suppress(LeaseError):
        ours.renew("pod-a", 15, "")
    ours.renew("pod-a", 15, "")
    assert len(ours.look()) == 1


def test_garbage_is_deleted_only_as_it_was_read(namespace: str) -> None:
    """A lease that came back to life in between stays."""
    ours, other = store(namespace, "pod-a"), store(namespace, "pod-b")
    ours.renew("pod-a", 15, "")
    (stale,) = other.look()
    ours.renew("pod-a", 15, "")
    other.collect(stale)
    (live,) = other.look()
    other.collect(live)
    assert other.look() == []


def test_groups_do_not_see_each_other(namespace: str) -> None:
    """Two deployments in one namespace share nothing."""
    store(namespace, "pod-a").renew("pod-a", 15, "")
    assert store(namespace, "pod-b", "bybit-linear").look() == []


def test_a_missing_namespace_is_an_error(namespace: str) -> None:
    """The store says so in its own words."""
    with pytest.raises(LeaseError, match="can't renew lease"):
        store(f"{namespace}-missing", "pod-a").renew("pod-a", 15, "")


def live_through(pod: KubernetesLeases) -> None:
    """Make each call of a pod's life."""
    pod.renew("pod-a", 15, "")
    pod.renew("pod-a", 15, "")
    pod.look()
    pod.release("pod-a")


def test_the_stated_role_is_enough(namespace: str, tmp_path: Path) -> None:
    """A service account with the verbs that the docstring names may do all that pods do."""
    kubeconfig = role_kubeconfig(namespace, tmp_path, *LEASE_VERBS)
    pod = connect("pod-a", "bybit-spot", namespace=namespace, kubeconfig=kubeconfig)
    other = store(namespace, "pod-b")
    pod.renew("pod-a", 15, "")
    pod.renew("pod-a", 15, '{"BTCUSDT":8.0}')
    connect("pod-a", "bybit-spot", namespace=namespace, kubeconfig=kubeconfig).renew(
        "pod-a", 15, ""
    )
    other.renew("pod-b", 15, "")
    leases = {lease.record.holder: lease for lease in pod.look()}
    assert set(leases) == {"pod-a", "pod-b"}
    pod.collect(leases["pod-b"])
    pod.release("pod-a")
    assert other.look() == []


@pytest.mark.parametrize("missing", LEASE_VERBS)
def test_each_verb_of_the_role_is_needed(namespace: str, tmp_path: Path, missing: str) -> None:
    """Without it a call is refused for good, so the role grants nothing in vain."""
    verbs = [verb for verb in LEASE_VERBS if verb != missing]
    kubeconfig = role_kubeconfig(namespace, tmp_path, *verbs)
    pod = connect("pod-a", "bybit-spot", namespace=namespace, kubeconfig=kubeconfig)
    with pytest.raises(LeaseError, match="403") as caught:
        live_through(pod)
    assert caught.value.failure is Failure.FATAL


async def test_a_roster_without_a_role_says_what_it_needs(
    namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that may not hold a lease ends with the remedy."""
    monkeypatch.setattr("cryptostream.ingest.roster.START_SECONDS", 1.0)
    kubeconfig = role_kubeconfig(namespace, tmp_path, "watch")
    pod = connect("pod-a", "bybit-spot", namespace=namespace, kubeconfig=kubeconfig)
    refused: list[str] = []
    roster = LeaseRoster(pod, "pod-a", Random(1), on_failure=refused.append)
    with pytest.raises(SettingsError, match="get, list, create, update and delete"):
        await roster.run()
    assert {"renew", "look"} <= set(refused)


async def test_instances_scale_and_one_dies(namespace: str) -> None:
    """1 -> 3 -> 2: all agree on who is there, a death being found by the expiry."""

    def roster(pod: str) -> LeaseRoster:
        return LeaseRoster(store(namespace, pod), pod, Random(pod))

    a, b, c = roster("pod-a"), roster("pod-b"), roster("pod-c")
    async with running(a), running(b):
        async with running(c):

            async def all_agree() -> bool:
                return a.members() == b.members() == c.members() == ("pod-a", "pod-b", "pod-c")

            await eventually_async(all_agree, within=30)
            a.propose({"BTCUSDT": 8.0})

            async def all_weigh() -> bool:
                return a.weights() == b.weights() == c.weights() == {"BTCUSDT": 8.0}

            await eventually_async(all_weigh, within=30)

        async def without_c() -> bool:
            return a.members() == b.members() == ("pod-a", "pod-b")

        await eventually_async(without_c, within=40)
    await asyncio.gather(a.close(), b.close(), c.close())
    assert store(namespace, "pod-x").look() == []
