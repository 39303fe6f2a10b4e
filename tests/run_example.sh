#!/bin/sh
# run_example.sh LOSS PROGRAM ARGUMENTS...: runs an example as a test. The last "loss: NUMBER" that it prints is LOSS within 2 %, and that of a run which learns nothing
# (--learning-rate 0) is higher. LOSS -: the program exits 0 and prints no loss.
set -u
. "$(dirname "$0")/lib.sh"
want=$1 program=$(realpath "$2")
shift 2
set -- "$program" "$@"
name=$(basename "$program")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
last_loss() { sed -nE 's/.*\bloss: *([0-9.eE+-]+).*/\1/p' | tail -n 1; }

"$@" > output 2>&1 < /dev/null
code=$?
if [ "$code" = 0 ]; then pass; else fail "$name" "exit status $code
$(tail -n 20 output)"; finish; fi
[ "$want" = - ] && finish

got=$(last_loss < output)
if awk -v got="${got:-nan}" -v want="$want" 'BEGIN { exit !(got == got + 0 && got >= want * 0.98 && got <= want * 1.02) }'; then pass; else fail "$name" "loss ${got:-missing}, expected $want within 2 %"; fi
idle=$("$@" --learning-rate 0 2>&1 < /dev/null | last_loss)
if awk -v got="${got:-nan}" -v idle="${idle:-nan}" 'BEGIN { exit !(idle == idle + 0 && idle > got * 1.05) }'; then pass; else fail "$name" "loss ${idle:-missing} without learning, ${got:-missing} with"; fi
finish
