#!/bin/sh
# run_test.sh PROGRAM ARGUMENTS...: runs a test program; a report of a sanitizer fails it, also one of a leak, which Criterion itself lets pass.
set -u
ulimit -c 0
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export ASAN_OPTIONS="log_path=$reports/report:detect_leaks=1:allocator_may_return_null=1:detect_stack_use_after_return=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export LSAN_OPTIONS="suppressions=$(dirname "$0")/leaks.txt:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
"$@"
code=$?
for report in "$reports"/*; do
  [ -e "$report" ] || continue
  echo "== sanitizer report =="
  head -n 60 "$report"
  code=1
done
exit $code
