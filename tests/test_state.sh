#!/bin/sh
# test_state.sh LIBRARY.a: the library has no mutable static state but the flag that a fit's Ctrl-C handler sets.
set -u
here=$(dirname "$0")
. "$here/lib.sh"
allowed='^(cni_interrupted)$'

# What stands in a writable section with a size above 0; .data.rel.ro is constant after relocation.
state=$(objdump -t "$1" | awk '
  { for (i = 2; i < NF; i++) if ($i ~ /^(\*COM\*|\.t?data|\.t?bss)/ && $i !~ /^\.data\.rel\.ro/ && $(i + 1) !~ /^0+$/) print $NF }' |
  LC_ALL=C sort -u | grep -vE "$allowed" | tr '\n' ' ')
if [ -z "$state" ]; then pass; else fail "mutable static state" "$state"; fi
finish
