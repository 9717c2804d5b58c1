"""Leases in Kubernetes' own store, through the official client.

One `coordination.k8s.io/v1` Lease per pod, named `cryptostream-ingest-<pod>`. The client is the
synchronous one, every call with a deadline; callers run it in a thread. Leases are listed, not
watched: a list of a few objects each 2 s is cheap, has no connection to lose track of, and each
answer is the whole truth at its time.

The pods' role needs, in its own namespace: apiGroup `coordination.k8s.io`, resource `leases`,
verbs `get`, `list`, `create`, `update`, `delete`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kubernetes.client import (
    ApiClient,
    Configuration,
    CoordinationV1Api,
    V1DeleteOptions,
    V1Lease,
    V1LeaseSpec,
    V1ObjectMeta,
    V1OwnerReference,
    V1Preconditions,
)
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from urllib3.exceptions import HTTPError

from cryptostream.contracts.errors import Failure, SettingsError
from cryptostream.ingest.membership import LeaseRecord
from cryptostream.ingest.tenure import LeaseError, StoredLease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX: Final = "cryptostream-ingest-"
ANNOTATION: Final = "cryptostream-ingest-weights"
NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
#: Connect and read, seconds; a renewal must fit several times into a lease.
TIMEOUT_SECONDS: Final = (1.5, 2.0)
#: Nobody may claim to live for ever.
MAX_LEASE_SECONDS: Final = 60
#: With our prefix a name must stay within a DNS subdomain's 253 characters.
_POD: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,198}[a-z0-9])?")
_GROUP: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
#: The request itself is at fault, or we may not: trying again changes nothing by itself. Not so a
#: 404: somebody deleted our lease, or the namespace is about to be there.
_FATAL: Final = frozenset({400, 401, 403, 405, 413, 422})


class KubernetesLeases:
    """The leases of one group of pods in one namespace.

    Args:
        api: the client.
        namespace: of the pods.
        group: what shares the symbols, such as `bybit-spot`; other groups' leases don't count.
        pod_uid: of our pod, which then owns our lease: Kubernetes deletes both together.
    """

    def __init__(
        self, api: CoordinationV1Api, namespace: str, group: str, *, pod_uid: str = ""
    ) -> None:
        if _GROUP.fullmatch(group) is None:
            raise SettingsError(f"{group[:80]!r} can't be the value of a Kubernetes label")
        self._api = api
        self._namespace = namespace
        self._pod_uid = pod_uid
        self._labels = {
            "app.kubernetes.io/part-of": "cryptostream",
            "app.kubernetes.io/component": "ingest",
            "app.kubernetes.io/instance": group,
        }
        self._ours: V1Lease | None = None

    def renew(self, holder: str, seconds: float, weights: str) -> None:
        """Create or renew the holder's lease; raises `LeaseError`."""
        name = _lease_name(holder)
        try:
            with _told(f"renew lease {name}"):
                known = self._ours or self._find(name)
                body = self._body(known, name, holder, round(seconds), weights)
                save = self._create if known is None else self._replace
                self._ours = save(name, body)
        except LeaseError:
            # The outcome is unknown, or another state stands there: read before the next try.
            self._ours = None
            raise

    def look(self) -> list[StoredLease]:
        """Give all leases of the group; raises `LeaseError`."""
        selector = ",".join(f"{key}={value}" for key, value in self._labels.items())
        with _told("list leases"):
            found = self._api.list_namespaced_lease(
                self._namespace, label_selector=selector, _request_timeout=TIMEOUT_SECONDS
            )
        return [_stored(lease) for lease in found.items]

    def collect(self, lease: StoredLease) -> None:
        """Delete a lease, unless it has changed since it was read; raises `LeaseError`."""
        uid, _, version = lease.version.partition("/")
        self._delete(lease.record.name, V1Preconditions(uid=uid, resource_version=version))

    def release(self, holder: str) -> None:
        """Delete the holder's lease; raises `LeaseError`."""
        self._ours = None
        self._delete(_lease_name(holder), None)

    def _find(self, name: str) -> V1Lease | None:
        """Read the lease that a predecessor of ours in the same pod may have left."""
        try:
            return self._api.read_namespaced_lease(
                name, self._namespace, _request_timeout=TIMEOUT_SECONDS
            )
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def _create(self, _: str, body: V1Lease) -> V1Lease:
        return self._api.create_namespaced_lease(
            self._namespace, body, _request_timeout=TIMEOUT_SECONDS
        )

    def _replace(self, name: str, body: V1Lease) -> V1Lease:
        return self._api.replace_namespaced_lease(
            name, self._namespace, body, _request_timeout=TIMEOUT_SECONDS
        )

    def _delete(self, name: str, conditions: V1Preconditions | None) -> None:
        with _told(f"delete lease {name}"):
            try:
                self._api.delete_namespaced_lease(
                    name,
                    self._namespace,
                    body=V1DeleteOptions(preconditions=conditions),
                    _request_timeout=TIMEOUT_SECONDS,
                )
            except ApiException as error:
                if error.status not in {_NOT_FOUND, _CONFLICT}:
                    raise

    def _body(
        self, known: V1Lease | None, name: str, holder: str, seconds: int, weights: str
    ) -> V1Lease:
        now = _micro_time()
        old_meta, old_spec = _parts(known)
        metadata = V1ObjectMeta(
            name=name,
            labels=self._labels,
            annotations={ANNOTATION: weights} if weights else {},
            owner_references=self._owners(holder),
            # Leases can't be replaced without saying which state is meant.
            resource_version=old_meta.resource_version,
        )
        spec = V1LeaseSpec(
            holder_identity=holder,
            lease_duration_seconds=seconds,
            acquire_time=old_spec.acquire_time or now,
            renew_time=now,
        )
        return V1Lease(
            api_version="coordination.k8s.io/v1", kind="Lease", metadata=metadata, spec=spec
        )

    def _owners(self, holder: str) -> list[V1OwnerReference]:
        if not self._pod_uid:
            return []
        return [V1OwnerReference(api_version="v1", kind="Pod", name=holder, uid=self._pod_uid)]


def connect(
    pod: str, group: str, *, namespace: str = "", kubeconfig: str = "", pod_uid: str = ""
) -> KubernetesLeases:
    """Make the store for a pod, without a call to the API server yet.

    Args:
        pod: our name, which must be fit for the name of a lease.
        group: what shares the symbols, such as `bybit-spot`.
        namespace: empty for the pod's own.
        kubeconfig: a file's path, for tests and outside of a cluster; empty for the pod's
            service account.
        pod_uid: of our pod, if it shall own our lease.

    Raises `SettingsError` if we are in no cluster, or a value can't be used.
    """
    if _POD.fullmatch(pod) is None:
        raise SettingsError(f"{pod[:80]!r} can't be a pod's name: give metadata.name of the pod")
    configuration = Configuration()
    load: Callable[..., None] = load_incluster_config
    options: dict[str, Any] = {"client_configuration": configuration}
    if kubeconfig:
        load, options = load_kube_config, {**options, "config_file": kubeconfig}
    try:
        load(**options)
        own = namespace or NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except (ConfigException, OSError, ValueError) as error:
        raise SettingsError(
            f"no way to the Kubernetes API ({error}): run in a pod with a service account's "
            "token, or number the instances by hand with a shard i/n"
        ) from error
    # We retry ourselves; urllib3 would do it within one call and behind our deadline.
    configuration.retries = False
    api = CoordinationV1Api(ApiClient(configuration))
    return KubernetesLeases(api, own, group, pod_uid=pod_uid)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except ApiException as error:
        fatal = error.status in _FATAL
        failure = Failure.FATAL if fatal else Failure.TRANSIENT
        raise LeaseError(failure, f"can't {what}: {error.status} {error.reason}") from error
    except (HTTPError, OSError, ValueError) as error:
        raise LeaseError(Failure.TRANSIENT, f"can't {what}: {str(error)[:200]}") from error


def _stored(lease: V1Lease) -> StoredLease:
    meta, spec = _parts(lease)
    record = LeaseRecord(
        name=meta.name or "",
        holder=spec.holder_identity or "",
        renewed=str(spec.renew_time),
        duration=min(spec.lease_duration_seconds or 0, MAX_LEASE_SECONDS),
    )
    weights = (meta.annotations or {}).get(ANNOTATION, "")
    return StoredLease(record, weights, f"{meta.uid}/{meta.resource_version}")


def _parts(lease: V1Lease | None) -> tuple[V1ObjectMeta, V1LeaseSpec]:
    """Give what a lease holds; whatever it lacks is empty."""
    if lease is None:
        return V1ObjectMeta(), V1LeaseSpec()
    return lease.metadata or V1ObjectMeta(), lease.spec or V1LeaseSpec()


def _lease_name(holder: str) -> str:
    return f"{PREFIX}{holder}"


def _micro_time() -> datetime:
    """Give the time of day; never a full second, which the client writes as no MicroTime."""
    now = datetime.now(UTC)
    return now.replace(microsecond=max(now.microsecond, 1))
