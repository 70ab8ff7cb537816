# Sourced by end-to-end tests: folders, locks and common functions.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cd "$root"
work=$root/build/tests
mkdir -p "$work"
# use_lock NAME: selects the defconfig's committed locks, or those that build_with_lock made. Sets $lock and
# $tools_lock, and lock_arguments for k8simg.
use_lock() {
  relocked=$work/$1.lock lock=defconfigs/$1.lock tools_lock=defconfigs/tools.lock lock_arguments=()
  [ ! -e "$relocked" ] ||
      lock=$relocked tools_lock=$work/tools.lock lock_arguments=(--lock "$relocked" --tools-lock "$work/tools.lock")
}
# copy_locks NAME: copies the selected locks to those of the defconfig NAME in the copied project.
copy_locks() {
  cp "$lock" "$project/defconfigs/$1.lock"
  [ "$tools_lock" = defconfigs/tools.lock ] || cp "$tools_lock" "$project/defconfigs/tools.lock"
}
use_lock "${defconfig:=pc}"

fail() { printf 'FAIL: %s\n' "$*" >&2; exit 1; }
# build_with_lock NAME: builds it. If the mirror no longer has a package of the committed lock, it makes new locks for
# this run only, with a message.
build_with_lock() {
  local status=0
  rm -f "$work/$1.lock"
  use_lock "$1"
  ./k8simg build "$1" --progress plain 2>&1 | tee "$work/build-$1.out" || status=$?
  if [ "$status" -ne 0 ] && grep -q 'has left the mirror' "$work/build-$1.out"; then
    echo "*** a package of defconfigs/$1.lock has left the mirror: locking anew for this run only ***"
    rm -f "$work/tools.lock"
    ./k8simg lock "$1" --lock "$relocked" --tools-lock "$work/tools.lock" --progress plain
    use_lock "$1"
    status=0
    ./k8simg build "$1" --progress plain "${lock_arguments[@]}" || status=$?
  fi
  [ "$status" -eq 0 ] || fail "the build ended with $status"
}
# build_image NAME DISK FILE...: builds it, and checks that the files and their sums are there. Shows the files, and the
# partition table as fdisk reads it.
build_image() {
  local name=$1 disk=$2 folder=output/$1 file
  shift 2
  build_with_lock "$name"
  for file in "$disk" "$disk.bmap" boot.vfat rootfs.ext4 manifest.json SHA256SUMS "$@"; do
    [ -s "$folder/$file" ] || fail "$folder/$file is not there"
  done
  (cd "$folder" && sha256sum --check --quiet SHA256SUMS)
  ls -ls "$folder"
  sfdisk --dump "$folder/$disk"
}
# copy_project: copies the project to $project, where a test may change it, and removes the copy at the end of the
# script. k8simg then runs the compiled program there.
copy_project() {
  : "${K8SIMG_STORE:=$root/output/store}"
  export K8SIMG_STORE
  program=$root/build/k8simg
  project=$(mktemp -d "$work/project.XXXXXX")
  trap 'rm -rf "$project"' EXIT
  cp -r boards components defconfigs kernel-fragments overlays "$project/"
  k8simg() { "$program" --project "$project" --output "$project/output" --progress plain "$@"; }
}
# relocking VERB...: runs k8simg in a copy of the project, and if necessary makes new locks: those in $relock, or of all
# architectures.
relocking() {
  local said=$project/said lock
  k8simg "$@" 2>"$said" && return
  cat "$said" >&2
  grep -q 'has left the mirror' "$said" || fail "k8simg $*"
  echo '*** a package of the locks has left the mirror: locking anew for this run only ***' >&2
  for lock in ${relock:-defconfigs/linux-*.lock}; do k8simg lock "$(basename "$lock" .lock)" --update >&2; done
  k8simg "$@"
}
# expect_failure CODE TEXT COMMAND...: the command must exit with CODE and print TEXT.
expect_failure() {
  local code=$1 text=$2 output status=0
  shift 2
  output=$("$@" 2>&1) || status=$?
  [ "$status" -eq "$code" ] || fail "exit code $status instead of $code: $*: $output"
  case $output in *"$text"*) ;; *) fail "does not say \"$text\": $*: $output" ;; esac
}
