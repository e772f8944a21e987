#!/usr/bin/env bash
# Builds the release of the commit that is checked out twice, in two directories, and says whether both are the same to the byte.
#
#   tests/reproducible.sh [DIRECTORY]   below which both are built
#
# Takes as long as two release builds, and 3 GB; needs OpenSSL with its headers, and pkg-config (Debian: libssl-dev pkg-config).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(realpath -m "${1:-target/reproducible}")
SMARTCOURSE_COMMIT=$(git rev-parse --short=12 HEAD)
export SMARTCOURSE_COMMIT

for tree in one two/which/is/elsewhere; do
    rm -rf "${work:?}/$tree"
    mkdir -p "$work/$tree"
    git archive "$SMARTCOURSE_COMMIT" | tar --extract --directory="$work/$tree"
    "$work/$tree/deploy/build.sh" release
    mv "$work/$tree/target/release/smartcourse" "$work/smartcourse-${tree%%/*}"
    rm -rf "${work:?}/$tree"
done
sha256sum "$work"/smartcourse-*
cmp "$work/smartcourse-one" "$work/smartcourse-two"
"$work/smartcourse-one" --version
