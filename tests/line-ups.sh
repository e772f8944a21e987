#!/usr/bin/env bash
# Line-ups of an earlier version and this one: the end-to-end suite, with some of the roles run by the earlier executable; then an upgrade
# role by role and the way back, while people are at work.
#
#   tests/line-ups.sh [COMMIT [FILTER…]]
#
# COMMIT is the earlier version; without it, the last release. FILTERs name tests; without them, those of what both versions do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

released=36ae51d
commit=${1:-$released}
shift || true
both=(publishing:: saga:: enrollment:: progress:: leaving:: hanging_up:: ways_in:: readers:: background:: faults:: rushes::)
filters=("$@")
[ $# -gt 0 ] || filters=("${both[@]}")
# Names of tests that look at what the earlier version does not do.
ours=()

previous=target/previous
if [ ! -d "$previous" ]; then
    git worktree add --detach "$previous" "$commit"
fi
git -C "$previous" checkout --quiet --detach "$commit"
cargo build --locked -p smartcourse-cli --manifest-path "$previous/Cargo.toml"
cargo build --locked -p smartcourse-cli
cargo test --locked -p smartcourse-cli --test it --no-run
earlier=$PWD/$previous/target/debug/smartcourse

# Runs the suite with an executable that is the earlier one for the roles of a pattern of `case`.
line_up() {
    local name=$1 pattern=$2
    local executable=target/line-up-${name// /-}
    cat >"$executable" <<WRAPPER
#!/bin/sh
case "\$*" in
    $pattern) exec "$earlier" "\$@" ;;
    *) exec "$PWD/target/debug/smartcourse" "\$@" ;;
esac
WRAPPER
    chmod +x "$executable"
    printf '\n=== earlier: %s\n' "$name"
    SMARTCOURSE_TEST_EXECUTABLE=$PWD/$executable cargo test --locked -p smartcourse-cli --test it -- "${filters[@]}" "${ours[@]/#/--skip=}"
}

line_up "worker" "worker*"
line_up "services" "serve*"
line_up "relay and tasks" "relay*|tasks*"

printf '\n=== an upgrade and the way back\n'
SMARTCOURSE_TEST_EARLIER=$earlier cargo test --locked -p smartcourse-cli --test it an_upgrade -- --ignored
