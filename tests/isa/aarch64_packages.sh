#!/bin/sh
# Unpacks the arm64 libraries that the tests of the model and of JPEG need on aarch64 into DIRECTORY, without installing anything or
# adding an architecture to the system. Those tests are skipped where this fails.
# usage: aarch64_packages.sh DIRECTORY
set -eu
directory=$1
[ ! -f "$directory/unpacked" ] || exit 0

mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial"
directory=$(cd "$directory" && pwd)
arm64="-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists=$directory/lists
  -o Dir::Cache=$directory/cache -o APT::Sandbox::User=root"
cd "$directory"
# shellcheck disable=SC2086
apt-get $arm64 update 2>/dev/null || true  # sources without arm64 packages do no harm
for library in simdjson utf8proc jpeg62-turbo; do
  # shellcheck disable=SC2086
  runtime=$(apt-cache $arm64 depends lib$library-dev | sed -n "s/.*Depends: \(lib${library}[0-9]*\)$/\1/p")
  # shellcheck disable=SC2086
  apt-get $arm64 download lib$library-dev $runtime >/dev/null
done
for package in *.deb; do dpkg-deb -x "$package" .; done
rm -rf lists cache ./*.deb
touch unpacked
