#!/bin/sh
# Unpacks the sources of the libraries that la in WebAssembly is built with into DIRECTORY: Debian's source packages, of
# the release that this is, without installing anything.
# usage: packages.sh DIRECTORY
set -eu
directory=$1
[ ! -f "$directory/unpacked" ] || exit 0

mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial"
directory=$(cd "$directory" && pwd)
. /etc/os-release
echo "deb-src http://deb.debian.org/debian ${VERSION_CODENAME:-stable} main" >"$directory/sources.list"
sources="-qq -o Dir::Etc::SourceList=$directory/sources.list -o Dir::Etc::SourceParts=/dev/null
  -o Dir::State::Lists=$directory/lists -o Dir::Cache=$directory/cache -o APT::Sandbox::User=root"
cd "$directory"
# shellcheck disable=SC2086
apt-get $sources update
for library in simdjson utf8proc; do
  # shellcheck disable=SC2086
  apt-get $sources source --download-only "$library"
  mkdir -p "$library"
  tar xf "$library"_*.orig.tar.* -C "$library" --strip-components=1
done
rm -rf lists cache sources.list ./*.dsc ./*.tar.*
touch unpacked
