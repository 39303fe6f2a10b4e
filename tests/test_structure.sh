#!/bin/sh
# Which folder may include which, and what the headers' names promise. Nothing points against an arrow; internal headers end in _private.h and no public header includes one.
set -u
here=$(dirname "$0")
. "$here/lib.sh"
cd "$here/.."

allowed() {
  case $1 in
    core) echo core ;;
    autograd) echo core autograd ;;
    io) echo core io ;;
    optim) echo core autograd optim ;;
    layers) echo core autograd layers ;;
    models) echo core autograd optim layers io models ;;
  esac
}

# Every "folder/file.h" that a file includes, resolved against its own folder.
included() {
  sed -nE 's/^[ \t]*#[ \t]*include[ \t]*"([^"]+)".*/\1/p' "$1" | while read -r name; do realpath -m --relative-to=. "$(dirname "$1")/$name"; done
}

for folder in core autograd io optim layers models; do
  for file in $(find $folder '(' -name '*.[ch]' -o -name '*.inc' ')' | LC_ALL=C sort); do
    wrong=
    for target in $(included "$file"); do
      case " $(allowed $folder) " in *" ${target%%/*} "*) ;; *) wrong="$wrong $target" ;; esac
      [ -f "$target" ] || wrong="$wrong $target(missing)"
      case $file:$target in *_private.h:*) ;; *.h:*_private.h) wrong="$wrong $target(private)" ;; esac
    done
    if [ -z "$wrong" ]; then pass; else fail "$file" "may not include$wrong"; fi
    if grep -qE '^[ \t]*#[ \t]*include[ \t]*<cornu' "$file"; then fail "$file" "includes the umbrella header"; fi
  done

  # What the index reaches is what is installed, and all public headers are.
  installed=$(sed -n "/^install_headers(/,/)/s/^ *'\([^']*\.h\)',\{0,1\}.*/\1/p" $folder/meson.build | LC_ALL=C sort | tr '\n' ' ')
  public=$(cd $folder && find . -maxdepth 1 -name '*.h' ! -name '*_private.h' | sed 's|^\./||' | LC_ALL=C sort | tr '\n' ' ')
  if [ "$installed" = "$public" ]; then pass; else fail "$folder/meson.build" "installs [$installed], but the public headers are [$public]"; fi
  listed=$(grep -oE "'[^']*\.c'" $folder/meson.build | tr -d "'" | LC_ALL=C sort -u | tr '\n' ' ')
  present=$(cd $folder && find . -name '*.c' | sed 's|^\./||' | LC_ALL=C sort | tr '\n' ' ')
  if [ "$listed" = "$present" ]; then pass; else fail "$folder/meson.build" "builds [$listed], but there are [$present]"; fi
  [ -f "$folder/$folder.h" ] || fail "$folder" "has no index header $folder.h"
  reached=$folder/$folder.h; before=
  while [ "$reached" != "$before" ]; do
    before=$reached
    reached=$({ echo "$reached" | tr ' ' '\n'; for file in $reached; do [ -f "$file" ] && included "$file"; done; } | LC_ALL=C sort -u | tr '\n' ' ' | sed 's/ $//')
  done
  for header in $public; do
    case " $reached " in *" $folder/$header "*) pass ;; *) fail "$folder/$folder.h" "does not reach $header" ;; esac
  done
done

# Lines of up to 160 columns; macros, whose rows are tables, may be wider.
wide=$(find core autograd io optim layers models tools bench examples '(' -name '*.[ch]' -o -name '*.inc' ')' ! -name '*_data.h' -exec awk '
  FNR == 1 { macro = 0 }
  /^[ \t]*#[ \t]*define/ { macro = 1 }
  length($0) > 160 && !macro { print FILENAME ":" FNR }
  !/\\$/ { macro = 0 }' {} +)
if [ -z "$wide" ]; then pass; else fail 'wide lines' "$wide"; fi

# Programs outside the library see cornu.h only.
for file in examples/*.c bench/*.c; do
  [ -f "$file" ] || continue
  wrong=
  for target in $(included "$file"); do
    case $target in core/* | autograd/* | optim/* | layers/* | io/* | models/*) wrong="$wrong $target" ;; esac
  done
  if [ -z "$wrong" ]; then pass; else fail "$file" "includes$wrong; a user has cornu.h"; fi
done

# Sizes: a file has at most 500 lines (embedded data excepted), a function 60, a kernel 80. A function begins at a line of the first column that opens a brace, and ends at the next "}" of the first column.
sources=$(find core autograd io optim layers models tools bench examples tests '(' -name '*.[ch]' -o -name '*.inc' ')' ! -name '*_data.h' | LC_ALL=C sort)
long=$(for file in $sources; do
  awk -v file="$file" -v most="$(case $file in core/kernels*) echo 80 ;; *) echo 60 ;; esac)" '
    /^[A-Za-z_].*\{$/ && !/^(extern "C"|struct|union|enum|typedef)/ && !/= *\{$/ { start = FNR; head = $0 }
    /^}/ { if (start && FNR - start + 1 > most) printf "%s:%d: %d lines: %s\n", file, start, FNR - start + 1, head; start = 0 }
    END { if (FNR > 500) printf "%s: %d lines\n", file, FNR }' "$file"
done)
if [ -z "$long" ]; then pass; else fail sizes "$long"; fi

# One version.
version=$(sed -nE "s/^ *version: '([0-9.]+)'.*/\1/p" meson.build | head -n 1)
if grep -q "#define CN_VERSION \"$version\"" core/types.h; then pass; else fail core/types.h "CN_VERSION is not meson.build's $version"; fi
if grep -q "^## $version" CHANGELOG.md; then pass; else fail CHANGELOG.md "says nothing of $version"; fi
finish
