#!/bin/sh
# Everything on a fresh Debian machine: installs what is missing, builds, and finds things in the bundled picture.
set -eu
cd "$(dirname "$0")/.."
sh examples/setup.sh
build/examples/ground
