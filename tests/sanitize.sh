#!/bin/sh
# Builds the tests under a sanitizer, in build-KIND, and runs them; fails on the first finding.
#   tests/sanitize.sh address    Address-, Leak- and UndefinedBehaviorSanitizer with g++: the whole suite (the default)
#   tests/sanitize.sh clang      the same with clang++
#   tests/sanitize.sh thread     ThreadSanitizer with clang++: what threads share
#   tests/sanitize.sh valgrind   memcheck: parsers, tokenizer, pictures, and one answer with the AVX2 kernels, which
#                                are the widest that valgrind knows
#   tests/sanitize.sh load       serve under 64 connections for 5 minutes and among hostile clients, with each of the sanitizers
# Packages beside those of examples/setup.sh: clang, valgrind.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-address}
build=build-$kind
# Tests ask for more memory than there is, and expect std::bad_alloc.
export ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1

# configure COMPILER OPTION...
configure() {
  compiler=$1
  shift
  [ -f "$build/build.ninja" ] || CXX=$compiler meson setup "$build" -Dbuildtype=debugoptimized -Doptimization=1 \
    -Db_lundef=false -Dmpi=disabled "$@"  # Open MPI keeps what it allocates
}

# The kernels that these CPUs have are instrumented too. What the suite `install` tries is another compiler's build.
undefined_and_address() {
  configure "$1" -Db_sanitize=address,undefined '-Dcpp_args=-D_GLIBCXX_ASSERTIONS -fno-sanitize-recover=all'
  meson test -C "$build" --no-suite install --print-errorlogs --num-processes 1 --timeout-multiplier 5
}

# unit FILES COMMAND...: the test files that match but $exclude, under a command
exclude=
unit() {
  files=$1
  shift
  echo "== $files"
  "$@" "$build/tests/unit" --no-intro --source-file="*tests/$files*_test.cpp" --test-case-exclude="$exclude"
}

case $kind in
  address) undefined_and_address g++ ;;
  clang) undefined_and_address clang++ ;;
  thread)
    configure clang++ -Db_sanitize=thread
    ninja -C "$build" tests/unit
    for files in core/parallel core/team ops/ops ops/layers session/session session/batch session/fork session/live_queue \
      session/interrupt session/team session/threads; do unit "$files" env; done
    ;;
  valgrind)
    configure g++ '-Dcpp_args=-D_GLIBCXX_ASSERTIONS'
    ninja -C "$build" tests/unit examples/ground
    memcheck="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite"
    memcheck="$memcheck --errors-for-leak-kinds=definite"
    exclude='*SIGBUS*,*beyond the number that can be guarded*,truncation guard*'  # valgrind has its own SIGBUS
    for files in text/ image/ io/ decoding/answer decoding/block model/config core/; do unit "$files" $memcheck; done
    OMP_NUM_THREADS=1 $memcheck "$build/examples/ground" --isa avx2 --max-tokens 32
    ;;
  load)
    export TSAN_OPTIONS=suppressions=$PWD/tests/cli/thread.supp
    for sanitizer in address,undefined thread; do
      build=build-load-${sanitizer%,*}
      configure g++ -Db_sanitize=$sanitizer -Dtests=false -Dbenchmarks=false -Dweb=disabled -Dcuda=disabled
      ninja -C "$build" examples/serve
      python3 benchmarks/serve_load.py "$build/examples/serve" data/pictures
      python3 tests/cli/serve_hostile_test.py "$build/examples/serve" data/pictures/shapes.png
    done
    ;;
  *)
    echo "usage: tests/sanitize.sh [address|clang|thread|valgrind|load]" >&2
    exit 2
    ;;
esac
echo "ok: $kind"
