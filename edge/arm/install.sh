#!/usr/bin/env bash
# Puts an ARM64 Python with LiteRT into a folder, to be run by qemu-user: nothing is installed on the system.
#
#     edge/arm/install.sh build/arm
#
# Needs Debian (apt-get, dpkg and its keys), pip, a network, and the package qemu-user-static.
set -euo pipefail

folder=$(mkdir -p "${1:?usage: install.sh FOLDER}" && cd "$1" && pwd)
python=${PYTHON:-python3}
requirements=$(cd "$(dirname "$0")/.." && pwd)/requirements.txt

for program in apt-get dpkg qemu-aarch64-static; do
    if ! command -v "$program" > /dev/null; then
        echo "error: $program is missing: on Debian, apt-get install qemu-user-static" >&2
        exit 2
    fi
done

# Debian's Python and C library for ARM64, by an apt whose state is in the folder.
if [ ! -e "$folder/root/usr/bin/python3.11" ]; then
    mkdir -p "$folder"/apt/{state/lists/partial,cache/archives/partial} "$folder/unpacked"
    touch "$folder/apt/status"
    printf 'deb [arch=arm64] http://deb.debian.org/debian bookworm main\n' > "$folder/apt/sources.list"
    options=(
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=
        -o Dir::State="$folder/apt/state" -o Dir::State::status="$folder/apt/status" -o Dir::Cache="$folder/apt/cache"
        -o Dir::Etc::sourcelist="$folder/apt/sources.list" -o Dir::Etc::sourceparts=-
    )
    apt-get "${options[@]}" -qq update
    apt-get "${options[@]}" -qq install -y --download-only --no-install-recommends \
        python3.11-minimal libpython3.11-stdlib libstdc++6 libgcc-s1 libc6 zlib1g
    for package in "$folder"/apt/cache/archives/*.deb; do
        dpkg -x "$package" "$folder/unpacked"
    done
    # Without an ARM's cpuinfo the library inside LiteRT reads this machine's, and crashes; qemu looks here first.
    mkdir -p "$folder/unpacked/proc"
    printf '%s\n' 'processor : 0' 'BogoMIPS : 50.00' \
        'Features : fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp' \
        'CPU implementer : 0x41' 'CPU architecture: 8' 'CPU variant : 0x4' 'CPU part : 0xd0b' 'CPU revision : 1' \
        > "$folder/unpacked/proc/cpuinfo"
    mv "$folder/unpacked" "$folder/root"
fi

# The requirements of edge/, as wheels for ARM64.
if [ ! -e "$folder/packages" ]; then
    rm -rf "$folder/unfinished"
    "$python" -m pip install --quiet --disable-pip-version-check --target "$folder/unfinished" --only-binary=:all: \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux2014_aarch64 \
        --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none --requirement "$requirements"
    mv "$folder/unfinished" "$folder/packages"
fi
