#!/bin/sh
# The steps that make the images of deploy/Dockerfile, in a Debian with Rust; tests/image.sh runs them in an empty one.
#
#   deploy/build.sh packages     installs what the others need
#   deploy/build.sh executable   builds it and lays the file system of the image in $IMAGE
#   deploy/build.sh models       fetches the embedding model and the fonts of certificates, by their hashes, into $MODELS
set -eu
cd "$(dirname "$0")/.."
IMAGE=${IMAGE:-/image}
MODELS=${MODELS:-/models}

packages() {
    apt-get update
    apt-get install -y --no-install-recommends ca-certificates g++ gcc libc6-dev make python3-pip
    rm -rf /var/lib/apt/lists/*
}

executable() {
    CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --release --locked -p smartcourse-cli
    mkdir -p "$IMAGE/usr/local/bin"
    cp target/release/smartcourse "$IMAGE/usr/local/bin/smartcourse"
    cd "$IMAGE"
    # The C library of this Debian, which reads names of hosts without further files, and what else the executable is linked with.
    ldd usr/local/bin/smartcourse | grep -o '/[^ ]*' | sort -u | while read -r library; do
        cp -L --parents "$library" .
    done
    cp --parents /etc/ssl/certs/ca-certificates.crt .
    # Whose work they are.
    cp --parents /usr/share/doc/libc6/copyright /usr/share/doc/libgcc-s1/copyright /usr/share/doc/ca-certificates/copyright .
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
    cp -r /tmp/fetched/fonts "$MODELS/fonts"
    find "$MODELS" -name '.*' -type f -delete
    chmod -R a+rX "$MODELS"
    rm -rf /tmp/fetched
}

for step; do
    case $step in
    packages | executable | models) "$step" ;;
    *)
        echo "deploy/build.sh: there is no step $step" >&2
        exit 2
        ;;
    esac
done
