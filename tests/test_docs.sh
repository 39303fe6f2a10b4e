#!/bin/sh
# test_docs.sh DESCRIBE-LAYERS: docs/layers.md is what the lists of options give now.
set -u
here=$(dirname "$0")
. "$here/lib.sh"
if "$1" | diff - "$here/../docs/layers.md"; then pass; else fail docs/layers.md "is not current: ninja update-docs"; fi
finish
