#!/bin/sh
# test_instructions.sh TEST-GUARDS COMPILER [record]: instructions a step, counted by callgrind in one thread, are at most 1.05 of those in instructions.txt. No clock, so a busy machine does not matter;
# valgrind shows every machine with AVX2 the same CPU, so the kernels chosen, and the count, are the same there. What runs before the steps drops out: the count of N steps is taken from that of 2 N.
# record (scripts/record-instructions): writes instructions.txt anew.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
program=$1 compiler=$2 mode=${3:-check} recorded=$here/instructions.txt
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

none() { skip instructions "$1"; finish; }
command -v valgrind > /dev/null || none 'valgrind is not installed'
grep -qw avx2 /proc/cpuinfo || none 'the CPU has no AVX2'
[ "$mode" = record ] || [ "$(sed -n 's/^compiler //p' "$recorded")" = "$compiler" ] || none "recorded for $(sed -n 's/^compiler //p' "$recorded"), built by $compiler"
export OMP_NUM_THREADS=1 CN_ISA=avx2 OPENBLAS_CORETYPE=Haswell

# instructions WORKLOAD STEPS
instructions() { valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | sed -n 's/.*Collected : *//p'; }
# per_step WORKLOAD STEPS: nothing where a count is missing
per_step() {
  once=$(instructions "$1" "$2") twice=$(instructions "$1" $((2 * $2)))
  [ -n "$once" ] && [ -n "$twice" ] && echo $(((twice - once) / $2))
}

[ "$mode" = record ] && echo "compiler $compiler" > "$directory/new"
for job in 'mlp_tiny_b1 1000' 'mlp_tiny_b32 500' 'graph_overhead 4'; do
  name=${job% *}
  count=$(per_step "$name" "${job#* }")
  if [ "$mode" = record ]; then
    echo "$name ${count:?}" >> "$directory/new"
    continue
  fi
  limit=$(sed -n "s/^$name //p" "$recorded")
  echo "$name: ${count:-no} instructions a step, recorded ${limit:-none}"
  if [ -z "$count" ] || [ -z "$limit" ]; then fail "$name" 'a count is missing'
  elif [ $((100 * count)) -le $((105 * limit)) ]; then pass
  else fail "$name" "$count instructions a step, recorded $limit; scripts/record-instructions where this is meant"; fi
done
if [ "$mode" = record ]; then cp "$directory/new" "$recorded" && cat "$recorded"; else finish; fi
