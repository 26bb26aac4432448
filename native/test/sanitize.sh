#!/bin/sh
# The whole addon under a sanitizer: sanitize.sh address|thread [vitest arguments]. Builds in a copy, runs test/addon against
# it (root, namespaces), and fails on a failed test as well as on any report. "address" includes UBSan. An instrumented thread
# is late where the plain one is not, so a test may be repeated twice; a report counts whenever it comes.
set -eu
kind="${1:-address}"
[ $# -gt 0 ] && shift
root="$(cd "$(dirname "$0")/../.." && pwd)"
work="$(mktemp -d "${TMPDIR:-/tmp}/vipd-sanitize.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/native" "$work/test" "$work/reports"
cp -r "$root/native/src" "$root/native/binding.gyp" "$work/native/"
cp -r "$root/src" "$root/package.json" "$root/tsconfig.json" "$root/vitest.config.ts" "$work/"
cp -r "$root/test/addon" "$root/test/bench" "$root/test/lab" "$work/test/"
# What npm packs is the plain addon; the cipher's test loads the addon into vitest's own process, which preloads no sanitizer.
rm "$work/test/addon/npm-package.test.ts" "$work/test/addon/aead.test.ts"
ln -s "$root/node_modules" "$work/node_modules"
# What set-up unpacked there, arping among it.
ln -s "$root/.lab" "$work/.lab"

case "$kind" in
  address)
    flags="address,undefined"
    VIPD_TEST_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" ;;
  thread)
    flags="thread"
    VIPD_TEST_PRELOAD="$(gcc -print-file-name=libtsan.so)" ;;
  *) echo "usage: sanitize.sh address|thread [vitest arguments]" >&2; exit 64 ;;
esac
export VIPD_TEST_PRELOAD
# Node itself is not instrumented: leaks and races inside of it are not ours to report.
export ASAN_OPTIONS="detect_leaks=0:log_path=$work/reports/asan"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$work/reports/ubsan"
export TSAN_OPTIONS="ignore_noninstrumented_modules=1:report_signal_unsafe=0:log_path=$work/reports/tsan"

echo "building the addon with -fsanitize=$flags in $work"
# Node's own headers where they came with Node; else node-gyp fetches them.
prefix="$(node -p 'path.resolve(path.dirname(fs.realpathSync(process.execPath)), "..")')"
nodedir=""
[ -e "$prefix/include/node/node_api.h" ] && nodedir="--nodedir=$prefix"
(cd "$root" && JOBS=max npm exec -- node-gyp rebuild -C "$work/native" $nodedir -- -Dsanitize="$flags") >"$work/build.log" 2>&1 || {
  cat "$work/build.log"
  exit 1
}
cd "$work"
status=0
# Without address randomisation: the shadow memory's place is fixed, and a mapping in it would end the process.
setarch -R "$root/node_modules/.bin/vitest" run --project addon --retry=2 "$@" || status=1
for report in "$work"/reports/*; do
  [ -e "$report" ] || continue
  cat "$report"
  status=1
done
[ "$status" = 0 ] && echo "$kind: no report"
exit "$status"
