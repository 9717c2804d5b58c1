#!/usr/bin/env bash
# Build the images: scripts/images.sh [ROOM...], all without arguments.
# REPOSITORY and TAG name them (cryptostream/ingest:dev); DOCKER is the program.
set -euo pipefail
cd "$(dirname "$0")/.."

REPOSITORY=${REPOSITORY:-cryptostream}
TAG=${TAG:-dev}
revision=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)

declare -A FILES=([stream]=spark-jobs/Dockerfile [models]=models/Dockerfile [tools]=scripts/Dockerfile)
for file in services/*/Dockerfile; do FILES[$(basename "$(dirname "$file")")]=$file; done

for room in ${*:-${!FILES[*]}}; do
  if [ -z "${FILES[$room]:-}" ]; then
    echo "error: there is no image $room; there are: ${!FILES[*]}" >&2
    exit 2
  fi
  echo "building $REPOSITORY/$room:$TAG" >&2
  "${DOCKER:-docker}" build --quiet -f "${FILES[$room]}" -t "$REPOSITORY/$room:$TAG" \
    --build-arg "REVISION=$revision" ${PYTHON_IMAGE:+--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"} . >/dev/null
done
"${DOCKER:-docker}" images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep "^$REPOSITORY/.*:$TAG " | sort
