#!/bin/sh
# make_locale.sh LOCALEDEF STAMP DIRECTORY: makes the locale de_DE.UTF-8 in a directory that LOCPATH can name.
set -eu
rm -rf "$3"
mkdir -p "$3"
"$1" -i de_DE -f UTF-8 "$3/de_DE.UTF-8"
: > "$2"
