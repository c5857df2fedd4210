
# meta KEY: of META.json, which has one key a line: a text, a number, or what is between the brackets of a list.
meta() {
  awk -v key="\"$1\": " 'index($0, key) == 1 {
    value = substr($0, length(key) + 1)
    sub(/,$/, "", value)
    sub(/^\[?"/, "", value)
    sub(/"\]?$/, "", value)
    if (value != "null" && value != "[]") print value
    exit
  }' "$tree/META.json"
}

# Libraries of META's REQUIRES that nobody has: neither the tree, nor ld.so's cache, nor a folder of libraries.
missing_libraries() {
  { ldconfig -p 2> /dev/null || true; } > "$work/libraries"
  meta requires | tr ' ' '\n' | awk '/:$/ { kind = substr($0, 1, length($0) - 1); next } NF { print kind, $0 }' > "$work/required"
  awk '
    BEGIN { mark["x86_64"] = "x86-64"; mark["arm_64"] = "AArch64" }
    FILENAME == ARGV[1] { if (/ => /) have[$1] = have[$1] " " $0; next }
    !($2 in have) || ($1 in mark && !index(have[$2], mark[$1])) { print $2 }
  ' "$work/libraries" "$work/required" | while IFS= read -r name; do
    for place in "$tree/lib/private" $(printf '%s\n' "$library_path" | tr ':' ' ') \
      "$base/lib64" "$base/usr/lib64" "$base/lib" "$base/usr/lib" /lib64 /usr/lib64 /lib /usr/lib; do
      [ ! -e "$place/$name" ] || continue 2
    done
    printf '%s ' "$name"
  done
}
