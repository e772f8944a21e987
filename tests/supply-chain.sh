#!/usr/bin/env bash
# Holds every dependency in Cargo.lock against deny.toml: licences, sources, versions that are there twice, and what RustSec has against
# them. The tool is built the first time, which takes some minutes, and kept in target/tools.
#
#   tests/supply-chain.sh [CHECK…]   advisories, bans, licenses and sources without one; advisories needs GitHub, for RustSec's list
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo install --locked --root target/tools --target-dir target/tools/build --no-default-features cargo-deny@0.20.2
rm -rf target/tools/build
target/tools/bin/cargo-deny --locked check --hide-inclusion-graph "$@"
