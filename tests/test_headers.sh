#!/bin/sh
# test_headers.sh CC: every public header compiles alone as C11 and as C++17, with all warnings as errors.
set -u
here=$(dirname "$0")
. "$here/lib.sh"
cd "$here/.."
cc=$1
case $cc in *clang*) cxx=clang++ ;; *) cxx=g++ ;; esac
command -v $cxx > /dev/null || cxx=

warnings='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only'
for header in cornu.h $(find core autograd optim layers io models -name '*.h' ! -name '*_private.h' | LC_ALL=C sort); do
  # shellcheck disable=SC2086
  if text=$(printf '#include "%s"\nint cni_alone;\n' "$header" | $cc -std=c11 $warnings -I. -x c - 2>&1); then pass; else fail "$header as C11" "$text"; fi
  if [ -z "$cxx" ]; then skip "$header as C++17" "no C++ compiler"; continue; fi
  # shellcheck disable=SC2086
  if text=$(printf '#include "%s"\nint cni_alone;\n' "$header" | $cxx -std=c++17 $warnings -I. -x c++ - 2>&1); then pass; else fail "$header as C++17" "$text"; fi
done
finish
