#!/usr/bin/env bash
# The end-to-end suite on real servers, which are installed where they are missing.
#
#   tests/stack.sh [FILTER…]        all servers at once, with the kill matrices; then the contract of each adapter, and each server
#                                   killed in the middle of work
#   tests/stack.sh each [FILTER…]   one server at a time, the rest as it is built in
#
# FILTERs name tests; without them it is all that talk to a platform.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=all
if [ "${1:-}" = each ]; then
    mode=each
    shift
fi
data=$PWD/target/stack
executable=target/debug/smartcourse
# They have a network of their own, or say nothing of servers.
skipped=(--skip=soak --skip=silence --skip=rules --skip=trials --skip=asyncapi --skip=replay)

cargo build --workspace
cargo test --workspace --test it --test contracts --no-run
"$executable" stack up --data-dir "$data"
trap '"$executable" stack down --data-dir "$data"' EXIT

suite() {
    printf '\n=== %s\n' "$1"
    shift
    env SMARTCOURSE_TEST_STACK="$data" "$@"
}

if [ "$mode" = each ]; then
    for server in KAFKA_BROKERS AMQP_URL REDIS_URL MONGODB_URL OPENSEARCH_URL S3_BUCKET; do
        suite "$server" SMARTCOURSE_TEST_SERVERS="$server" \
            cargo test --workspace --test it -- "${skipped[@]}" --skip=kill_matrix "$@"
    done
    exit
fi
suite "all servers" cargo test --workspace --test it -- "${skipped[@]}" "$@"
if [ $# -eq 0 ]; then
    printf '\n=== contracts, and each server killed\n'
    cargo test --workspace --test contracts --test it -- --ignored
fi
