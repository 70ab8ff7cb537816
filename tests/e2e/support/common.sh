# Sourced by end-to-end tests: where things are, and which lock they use.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cd "$root"
work=$root/build/tests
mkdir -p "$work"
relocked=$work/pc.lock
lock_arguments=()
[ ! -e "$relocked" ] || lock_arguments=(--lock "$relocked")

fail() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }
# expect_failure CODE TEXT COMMAND...: it must end with CODE and say TEXT.
expect_failure() {
  local code=$1 text=$2 output status=0
  shift 2
  output=$("$@" 2>&1) || status=$?
  [ "$status" -eq "$code" ] || fail "exit code $status instead of $code: $*: $output"
  case $output in *"$text"*) ;; *) fail "does not say \"$text\": $*: $output" ;; esac
}
