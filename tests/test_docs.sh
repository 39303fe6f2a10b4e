#!/bin/sh
# test_docs.sh DESCRIBE-LAYERS DESCRIBE-OPERATIONS SYMBOLS: docs/ is what the lists of options and the headers give now; docs/keras_ops.txt has every name of keras.ops, and the C names in it exist.
set -u
here=$(dirname "$0")
. "$here/lib.sh"
layers=$(realpath "$1") operations=$(realpath "$2")
cd "$here/.." || exit 2
if "$layers" | diff - docs/layers.md; then pass; else fail docs/layers.md "is not current: ninja update-docs"; fi
if "$operations" . | diff - docs/operations.md; then pass; else fail docs/operations.md "is not current: ninja update-docs"; fi

listed=$(grep -v '^#' docs/keras_ops.txt | cut -d' ' -f1)
if echo "$listed" | diff - tests/keras_ops_names.txt; then pass; else fail docs/keras_ops.txt "has not the names of tests/keras_ops_names.txt"; fi
# What a name may be: an exported function, a macro, an inline function or one made by a macro of op.h.
known=$({ sed 's/$/ /' tests/exported_symbols.txt
  sed -nE 's/^#define (cn_[a-z_0-9A-Z]+)\(.*/\1/p; s/^static inline .*[ *](cn_[a-z_0-9]+)\(cn_.*/\1/p' autograd/*.h
  sed -nE 's/.*(CN_FUNCTION_X|CN_FUNCTION_AB|CN_UNARY_DECLARE|CN_BINARY_DECLARE)\(([a-z_0-9]+)\).*/cn_\2/p' autograd/*.h; } | tr -d ' ' | LC_ALL=C sort -u)
unknown=$(grep -v '^#' docs/keras_ops.txt | awk '$2 != "-" { print $2 }' | LC_ALL=C sort -u | grep -vxF "$known")
if [ -z "$unknown" ]; then pass; else fail docs/keras_ops.txt "names what is not there: $unknown"; fi
if wrong=$(grep -v '^#' docs/keras_ops.txt | grep -vE '^[a-z0-9_.A-Z]+ (cn_[a-z0-9_A-Z]+|- .{10,})$'); then fail docs/keras_ops.txt "neither a C name nor a reason: $wrong"; else pass; fi
finish
