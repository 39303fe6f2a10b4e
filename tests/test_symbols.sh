#!/bin/sh
# test_symbols.sh LIBRARY LIST: the shared library exports what the list says (scripts/update-symbols writes it), and nothing without our prefix.
set -u
here=$(dirname "$0")
. "$here/lib.sh"
exported=$(mktemp)
trap 'rm -f "$exported"' EXIT
nm -D --defined-only "$1" | awk '{ print $3 }' | LC_ALL=C sort > "$exported"

foreign=$(grep -v '^cn_' "$exported" | tr '\n' ' ')
if [ -z "$foreign" ]; then pass; else fail prefix "exported without cn_: $foreign"; fi
if [ -s "$exported" ]; then pass; else fail exported "nothing is exported"; fi
if difference=$(diff "$2" "$exported"); then pass; else
  fail list "the exported symbols are not those of tests/exported_symbols.txt; if that is meant, run scripts/update-symbols
$difference"
fi
soname=$(readelf -d "$1" | sed -nE 's/.*SONAME.*\[(.*)\]/\1/p')
if [ "$soname" = libcornu.so.0 ]; then pass; else fail soname "is $soname"; fi
finish
