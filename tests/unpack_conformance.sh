#!/bin/sh
# unpack_conformance.sh ARCHIVE STAMP DIRECTORY: unpacks the conformance cases afresh.
set -eu
rm -rf "$3"
mkdir -p "$3"
tar --extract --xz --no-same-owner --file "$1" --directory "$3"
: > "$2"
