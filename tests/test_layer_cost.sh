#!/bin/sh
# test_layer_cost.sh LAYER-COST: what layers cost over their operations, in instructions counted by callgrind in one thread: a step through 100 Dense(8) at batch 1 takes at most 1.3 of the same linear operations written as a
# loop, and a functional model of 10,000 layers at most 11 times what one of 1,000 takes. What runs before drops out of the differences.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
program=$1

none() { skip layer_cost "$1"; finish; }
command -v valgrind > /dev/null || none 'valgrind is not installed'
grep -qw avx2 /proc/cpuinfo || none 'the CPU has no AVX2'
export OMP_NUM_THREADS=1 CN_ISA=avx2 OPENBLAS_CORETYPE=Haswell

# between WORK FEW MANY: instructions of MANY less those of FEW
between() {
  few=$(count "$1" "$2") many=$(count "$1" "$3")
  [ -n "$few" ] && [ -n "$many" ] && echo $((many - few))
}
count() { valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 | sed -n 's/.*Collected : *//p'; }
# at_most NAME COUNT OF PERCENT
at_most() {
  echo "$1: ${2:-no count} against ${3:-no count}"
  if [ -z "$2" ] || [ -z "$3" ]; then fail "$1" 'a count is missing'
  elif [ $((100 * $2)) -le $(($4 * $3)) ]; then pass
  else fail "$1" "$2 instructions, more than $4 % of $3"; fi
}

at_most layers "$(between layers 20 60)" "$(between by_hand 20 60)" 130
at_most build "$(between build 1000 10000)" "$(between build 100 1000)" 1100
finish
