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
servers=KAFKA_BROKERS,AMQP_URL,REDIS_URL,MONGODB_URL,OPENSEARCH_URL,S3_BUCKET
# They stop Temporal, so it must be their own.
own_temporal=(
    the_status_tells_relay_temporal_and_disk_apart
    a_publish_waits_for_temporal_and_can_be_cancelled_before_it_begins
    a_server_that_lost_its_data_starts_the_publish_again
    a_cancel_after_the_server_lost_a_run_undoes_what_that_run_did
    five_hundred_enroll_while_temporal_is_down
    a_role_is_ready_while_all_it_does_goes_on
)
# They have a network of their own, say nothing of servers, or hold a list against what is built in.
skipped=(--skip=alerts --skip=every_metric_is_emitted --skip=soak --skip=silence --skip=rules --skip=monitoring --skip=trials --skip=asyncapi --skip=replay --skip=released --skip=versions)
# They have commands of their own, and need programs that this one does not install.
elsewhere=(--skip=schemathesis --skip=containers::chart --skip=an_upgrade_and_the_way_back --skip=a_pooler_carries)

cargo build --locked --workspace
cargo test --locked --workspace --test it --test contracts --no-run
"$executable" stack up --data-dir "$data"
trap '"$executable" stack down --data-dir "$data"' EXIT

suite() {
    printf '\n=== %s\n' "$1"
    shift
    env SMARTCOURSE_TEST_STACK="$data" "$@"
}

if [ "$mode" = each ]; then
    for server in ${servers//,/ }; do
        suite "$server" SMARTCOURSE_TEST_SERVERS="$server" \
            cargo test --locked --workspace --test it -- "${skipped[@]}" --skip=kill_matrix "$@"
    done
    suite TEMPORAL_ADDRESS SMARTCOURSE_TEST_SERVERS=TEMPORAL_ADDRESS \
        cargo test --locked --workspace --test it -- "${skipped[@]}" "${own_temporal[@]/#/--skip=}" --skip=kill_matrix "$@"
    exit
fi
suite "all servers" cargo test --locked --workspace --test it -- "${skipped[@]}" "${own_temporal[@]/#/--skip=}" "$@"
if [ $# -eq 0 ]; then
    suite "all servers but Temporal" SMARTCOURSE_TEST_SERVERS="$servers" \
        cargo test --locked --workspace --test it -- "${own_temporal[@]}"
    printf '\n=== contracts, and each server killed\n'
    cargo test --locked --workspace --test contracts --test it -- --ignored "${elsewhere[@]}"
fi
