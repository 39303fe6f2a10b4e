# Counts of a script's tests. pass NAME; fail NAME TEXT; skip NAME TEXT; finish prints the closing line and exits.
passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAIL $1: $2"; }
skip() { skipped=$((skipped + 1)); echo "skip $1: $2"; }
finish() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] && [ $((passed + skipped)) -gt 0 ]
  exit
}
