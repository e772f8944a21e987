#!/usr/bin/env bash
# Makes the images of deploy/Dockerfile where no container engine runs: its steps, in an empty Debian, by root. Then says how large they
# are, and tries the executable in the file system of its image, as containers have it: read-only, by a user without rights.
#
#   tests/image.sh [DIRECTORY]   a directory that is not there yet, or of a run before
#
# Needs debootstrap and rustup; half an hour on two cores and 6 GB.
set -euo pipefail
# What is mounted here is for this run alone, and gone with it however it ends.
if [ "${1:-}" != --mounted ]; then
    exec unshare --mount --propagation private "$(realpath "$0")" --mounted "$@"
fi
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$(realpath -m "${1:-target/image}")

# What the Dockerfile begins with, and the steps it runs.
read -r rust suite < <(sed -nE 's/^FROM rust:([0-9.]+)-slim-([a-z]+) .*/\1 \2/p' deploy/Dockerfile)
mapfile -t steps < <(grep -oE 'deploy/build\.sh [a-z ]+$' deploy/Dockerfile | cut -d' ' -f2- | tr ' ' '\n')

if [ ! -e "$root/src" ]; then
    debootstrap --force-check-gpg --variant=minbase "$suite" "$root"
fi
mkdir -p "$root"/{src,opt/rust,usr/local/cargo/registry,rootfs}
mount --bind "$(rustc "+$rust" --print sysroot)" "$root/opt/rust"
mount --bind "${CARGO_HOME:-$HOME/.cargo}/registry" "$root/usr/local/cargo/registry"
mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# Whom this machine trusts may be others than Debian does.
cp /etc/ssl/certs/ca-certificates.crt "$root/opt/certificates.crt"

# What the build context has of this tree.
find "$root/src" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --directory="$root/src"
rm -rf "$root/image" "$root/models"
for step in "${steps[@]}"; do
    printf '\n=== %s (at %s s)\n' "$step" "$SECONDS"
    env -i PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CARGO_HOME=/usr/local/cargo CARGO_INCREMENTAL=0 \
        SMARTCOURSE_COMMIT="$(git rev-parse --short=12 HEAD)" SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" \
        CARGO_HTTP_CAINFO=/opt/certificates.crt PIP_CERT=/opt/certificates.crt \
        chroot "$root" /src/deploy/build.sh "$step"
done

size() {
    printf '%s: %s MB, %s MB packed\n' "$1" "$(($(du -sb "$2" | cut -f1) / 1000000))" \
        "$(($(tar --create --directory="$2" . | gzip | wc --bytes) / 1000000))"
}
printf '\n=== sizes\n'
size "smartcourse" "$root/image"
size "  of it the executable" "$root/image/usr/local/bin"
size "smartcourse-models besides" "$root/models"

printf '\n=== in the file system of its image\n'
if find "$root/image" -name '*sh' -type f | grep .; then
    echo 'tests/image.sh: the image has a shell' >&2
    exit 1
fi
mount --bind "$root/image" "$root/rootfs"
mount --options remount,bind,ro "$root/rootfs"
mkdir -p "$root"/image/{dev,proc}
mount --bind /dev "$root/rootfs/dev"
mount --bind /proc "$root/rootfs/proc"
mount --types tmpfs none "$root/rootfs/tmp"
chmod 1777 "$root/rootfs/tmp"
within() {
    env -i PATH=/usr/local/bin "${@:2}" "$(command -v chroot)" --userspec=65532:65532 "$root/rootfs" smartcourse $1
}
within --version
within "config check"
# It has what a plain build has not.
within "config check" KAFKA_BROKERS=kafka:9093 KAFKA_TLS=true
if within health SMARTCOURSE_TELEMETRY__METRICS_LISTEN=0.0.0.0:9; then
    echo 'tests/image.sh: nobody is there, and nobody is well' >&2
    exit 1
fi
# Parsers are confined there, too: what doctor finds, the content service does.
{ within doctor SMARTCOURSE_DATA_DIR=/tmp/data || true; } | grep '^ok .*confinement'
