#!/bin/sh
# run_conformance.sh RUNNER DIRECTORY GLOB...: runs all cases of a directory; then every GLOB (of FAMILY/CASE) must match cases, all of which pass.
set -u
runner=$1 cases=$2
shift 2
shared=$CORNU_SOURCE/../shared/conformance
if [ -d "$shared" ] && ! diff -rq "$shared" "$cases" > /dev/null 2>&1; then
  echo "notice: ../shared/conformance is not what tests/conformance.tar.xz holds; scripts/pack-conformance packs it anew"
fi

output=$(mktemp)
trap 'rm -f "$output"' EXIT
"$runner" "$cases" > "$output"
code=$?
sed '$d' "$output"
counts=$(tail -n 1 "$output")
not_whole=0
for glob; do
  last=$("$runner" --only "$glob" "$cases" | tail -n 1)
  case $last in
    '0 passed'*) ;;
    *' 0 failed, 0 skipped') continue ;;
  esac
  echo "FAIL $glob: must pass whole, but: $last"
  not_whole=$((not_whole + 1))
done
echo "$counts" | awk -v more="$not_whole" '{ printf "%d passed, %d failed, %d skipped\n", $1, $3 + more, $5 }'
[ "$code" = 0 ] && [ "$not_whole" = 0 ]
