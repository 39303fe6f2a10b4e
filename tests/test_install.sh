#!/bin/sh
# test_install.sh CC: installs into an empty directory; programs outside the tree compile against it through pkg-config, link with the shared and with the static library, and run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
cc=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

if text=$(DESTDIR=$root/destination meson install -C "$CORNU_BUILD" --no-rebuild --quiet 2>&1); then pass; else fail "meson install" "$text"; finish; fi
description=$(find "$root" -name cornu.pc)
PKG_CONFIG_PATH=$(dirname "$description")
export PKG_CONFIG_PATH
library=$(dirname "$PKG_CONFIG_PATH")
cd "$root"

cxx=c++
case $cc in *clang*) cxx=clang++ ;; esac
warnings='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror'
try() { # NAME LIBRARIES SOURCE ARGUMENTS...
  name=$1 libraries=$2 source=$3
  shift 3
  case $source in *.cpp) compiler="$cxx -std=c++17" ;; *) compiler="$cc -std=c11" ;; esac
  # shellcheck disable=SC2046,SC2086
  if ! text=$($compiler $warnings -O1 "$source" -o program $(pkg-config --cflags cornu) $libraries -lm 2>&1); then fail "$name: compile" "$text"; return; fi
  if text=$(LD_LIBRARY_PATH=$library ./program "$@" 2>&1); then pass; else fail "$name: run" "$text"; fi
}
shared=$(pkg-config --libs cornu)
# The static library of Cornu over shared ones of what it stands on; --static would ask for the static libraries of those too.
# shellcheck disable=SC2046
static="-L$library -l:libcornu.a $(pkg-config --libs $(pkg-config --print-requires-private cornu | awk '{ print $1 }')) $(sed -n 's/^Libs.private: *//p' "$description")"
# An operation and a layer of a program outside the tree are those of the examples.
for source in "$here"/install/*.c "$here"/install/*.cpp "$here"/../examples/custom_layer.c "$here"/../examples/custom_op_gradcheck.c; do
  [ -f "$source" ] || continue
  name=$(basename "$source")
  try "$name, shared" "$shared" "$source"
  try "$name, static" "$static" "$source"
done
version=$(pkg-config --modversion cornu)
if [ -f "$library/libcornu.so.$version" ] && [ -L "$library/libcornu.so.0" ]; then pass; else fail "version" "no libcornu.so.$version and libcornu.so.0 in $library"; fi
if [ -z "$(find "$root/destination" -name '*_private.h')" ]; then pass; else fail headers "internal headers are installed"; fi
finish
