#!/usr/bin/env bash
# Install the operators at their pinned versions, each in a namespace of its own, and wait for them:
#   k8s/operators.sh [strimzi] [eck] [monitoring]       all three without arguments
# Run it again to upgrade. It uses the cluster of the present kubectl context.
set -euo pipefail

STRIMZI=${STRIMZI_VERSION:-1.2.0}
ECK=${ECK_VERSION:-3.5.0}
PROMETHEUS_STACK=${PROMETHEUS_STACK_VERSION:-88.5.3}
WAIT=${WAIT:-10m}
here=$(cd "$(dirname "$0")" && pwd)

say() { echo "operators: $*" >&2; }

install() { # install RELEASE NAMESPACE CHART VERSION [ARGUMENT...]
  local release=$1 namespace=$2 chart=$3 version=$4
  shift 4
  say "$release $version into the namespace $namespace; waiting up to $WAIT until it runs"
  helm upgrade --install "$release" "$chart" --version "$version" --namespace "$namespace" \
    --create-namespace --wait --timeout "$WAIT" "$@" >/dev/null || {
    say "$release is not running. What its pods say:"
    kubectl -n "$namespace" get pods >&2 || true
    kubectl -n "$namespace" get events --sort-by=.lastTimestamp 2>/dev/null | tail -n 10 >&2 || true
    exit 1
  }
}

strimzi() {
  install strimzi strimzi oci://quay.io/strimzi-helm/strimzi-kafka-operator "$STRIMZI" \
    --values "$here/values/strimzi.yaml"
}

eck() {
  install elastic-operator elastic-system eck-operator "$ECK" --repo https://helm.elastic.co \
    --values "$here/values/eck.yaml"
}

monitoring() {
  install monitoring monitoring oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack \
    "$PROMETHEUS_STACK" --values "$here/values/monitoring.yaml"
}

for program in helm kubectl; do
  command -v "$program" >/dev/null || { say "$program is needed"; exit 2; }
done
kubectl version >/dev/null 2>&1 || { say "no cluster answers; see docs/kubernetes.md"; exit 2; }
[ $# -gt 0 ] || set -- strimzi eck monitoring
for name in "$@"; do
  case $name in
  strimzi | eck | monitoring) "$name" ;;
  *) say "there is no $name; there are strimzi, eck and monitoring"; exit 2 ;;
  esac
done
say "done"
