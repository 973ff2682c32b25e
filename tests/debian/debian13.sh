#!/bin/sh
# Builds and tries la on Debian 13: g++ 14, clang 19, libc++, newer simdjson and xsimd. The system is a folder that
# debootstrap fills once; it is skipped where that cannot be had.
# usage: debian13.sh SOURCE DIRECTORY
set -eu
source=$1 directory=$2
root=$directory/root
packages="g++ meson ninja-build pkg-config libsimdjson-dev libutf8proc-dev libstb-dev libxsimd-dev libeigen3-dev
  libcpp-httplib-dev
  doctest-dev clang libomp-dev libc++-dev libc++abi-dev"
complete=$directory/complete.$(echo "$packages" | cksum | cut -d " " -f 1)

skip() {
  echo "skipped: Debian 13: $*"
  exit 77
}

inside() { chroot "$root" env LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }

make_root() {
  rm -rf "$root"
  mkdir -p "$root"
  timeout 900 debootstrap --variant=minbase trixie "$root" http://deb.debian.org/debian >"$directory/log" 2>&1 ||
    { tail -n 3 "$directory/log"; return 1; }
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"  # no services
  chmod +x "$root/usr/sbin/policy-rc.d"
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive inside timeout 900 apt-get install -y -qq --no-install-recommends $packages \
    >>"$directory/log" 2>&1 || { tail -n 3 "$directory/log"; return 1; }
  inside apt-get clean
  touch "$complete"
}

[ "$(id -u)" = 0 ] || skip 'a chroot needs root'
command -v debootstrap >/dev/null || skip 'debootstrap was not found'
if [ ! -f "$complete" ]; then
  make_root || skip 'its packages could not be fetched'
fi

mkdir -p "$root/la"
(cd "$source" && tar -c --exclude=./build --exclude=./.git --exclude=./shared .) | tar -x -C "$root/la"

# Sooner built: what -O3 makes of it is tried on the system around.
[ -f "$root/la/build/build.ninja" ] || inside meson setup -Doptimization=1 -Dunity=on -Dunity_size=8 /la/build /la >/dev/null
inside ninja -C /la/build examples/ground examples/batch examples/quantize examples/serve tests/signature tests/goldens >"$directory/log" 2>&1 ||
  { grep -B 2 -A 20 FAILED "$directory/log" || tail -n 40 "$directory/log"; exit 1; }
echo "ok: $(inside g++ --version | head -n 1) builds the programs"
inside /la/build/examples/ground --json | grep -q '"kind":"box"'
inside /la/build/tests/goldens --no-intro
expected=$(cat "$source/tests/signature/expected")
signs() { [ "$(inside "$1" /la/data | cut -d ' ' -f 1 | sort -u)" = "$expected" ]; }
signs /la/build/tests/signature
inside clang++ -stdlib=libc++ -std=c++20 -O1 -march=native -I /la /la/tests/signature/signature.cpp -o /tmp/signature -pthread \
  -lsimdjson -lutf8proc
signs /tmp/signature
echo "ok: clang++ with libc++, headers alone"
inside sh /la/tests/headers/headers_test.sh --few /la g++ clang++
