# For scripts with a folder $root of their own.

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# What a command prints is of interest only when it fails.
quietly() {
  "$@" >"$root/log" 2>&1 && return 0
  tail -n 60 "$root/log" >&2
  fail "$*"
}
