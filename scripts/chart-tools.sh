#!/usr/bin/env bash
# Give the programs that check the chart, one `NAME PATH` a line: scripts/chart-tools.sh [NAME...]
# Each is taken from the PATH if its version is right, else from the cache, else built there from its
# Go module. Status 3 if neither works, with the reason on standard error.
#   CRYPTOSTREAM_TOOLS_DIR   the cache; by default ~/.cache/cryptostream/tools
set -euo pipefail

CACHE=${CRYPTOSTREAM_TOOLS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/cryptostream/tools}
GO=${GO:-$(command -v go || echo /usr/local/go/bin/go)}

# name  module@version  package  program on the PATH  what its `version` must say
TOOLS='
helm4         helm.sh/helm/v4@v4.3.1                         ./cmd/helm           helm          v4\.
helm3         helm.sh/helm/v3@v3.22.0                        ./cmd/helm           helm          v3\.2[2-9]
helm-unittest github.com/helm-unittest/helm-unittest@v1.1.2  ./cmd/helm-unittest  untt          .
promtool      github.com/prometheus/prometheus@v0.310.0      ./cmd/promtool       promtool      .
'

fail() {
  echo "chart-tools: $*" >&2
  exit 3
}

fetch() { # fetch MODULE@VERSION: its directory in the module cache
  [ -x "$GO" ] || fail "$1 is neither on the PATH nor in $CACHE, and there is no Go to build it"
  (cd / && GOFLAGS=-mod=mod GOWORK=off "$GO" mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
}

# Modules with replace directives can't be `go install`ed; a copy of the module can be built.
build() { # build NAME MODULE@VERSION PACKAGE
  local source copy=$CACHE/.build-$1.$$
  source=$(fetch "$2") && [ -n "$source" ] || fail "$2 can't be had from the Go module proxy"
  echo "chart-tools: building $1 from $2, once" >&2
  mkdir -p "$copy"
  trap 'chmod -R u+w "$copy"; rm -rf "$copy"' RETURN
  cp -r --no-preserve=mode "$source/." "$copy/"
  rm -f "$copy/go.work"
  (cd "$copy" && CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod nice "$GO" build -trimpath -p "${CHART_TOOLS_JOBS:-2}" \
    -ldflags '-s -w' -o "$CACHE/$1.$$" "$3" >&2) || fail "$1 can't be built from $2"
  mv "$CACHE/$1.$$" "$4"
}

mkdir -p "$CACHE"
# Who comes second waits for the first one's build instead of doing it again.
exec 9>"$CACHE/.lock"
flock 9
while read -r name module package program pattern; do
  [ -n "$name" ] || continue
  case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
  kept=$CACHE/$name-${module##*@}
  found=$(command -v "$program" || true)
  if [ -n "$found" ] && { [ "$pattern" = . ] || "$found" version --short 2>/dev/null | grep -q "$pattern"; }; then
    echo "$name $found"
    continue
  fi
  [ -x "$kept" ] || build "$name" "$module" "$package" "$kept"
  echo "$name $kept"
done <<<"$TOOLS"
