
# read_manifest FILE ID: into $work/paths (what rsync is asked for), links, sums (for sha256sum) and expected (for
# compare_tree). Signed or not, nothing but plain paths inside of the tree is taken.
read_manifest() {
  : > "$work/paths"
  : > "$work/links"
  : > "$work/sums"
  : > "$work/expected"
  awk -v id="$2" -v work="$work" '
    function bad(why) { print "line " NR " of MANIFEST, \"" substr($0, 1, 100) "\", " why; failed = 1; exit 1 }
    function check(path,    count, names, i) {
      if (path !~ /^[A-Za-z0-9._+@,=~%:\/-]+$/ || length(path) > 512) bad("has a path of other characters")
      count = split(path, names, "/")
      for (i = 1; i <= count; i++) if (names[i] == "" || names[i] == "." || names[i] == "..") bad("leads elsewhere")
      if (path == "MANIFEST" || path == "MANIFEST.sig") bad("names the manifest itself")
      if (!(path "" > last "")) bad("is not in order")
      last = path
      depth = count - 1
      if (depth > 0 && !(substr(path, 1, length(path) - length(names[count]) - 1) in folder)) bad("is in no folder")
    }
    function check_target(target,    count, names, i) {
      if (target !~ /^[A-Za-z0-9._+@,=~%:\/-]+$/ || substr(target, 1, 1) == "/") bad("has a target elsewhere")
      count = split(target, names, "/")
      for (i = 1; i <= count && names[i] == ".."; i++) if (--depth < 0) bad("has a target elsewhere")
      for (; i <= count; i++) if (names[i] == "" || names[i] == "." || names[i] == "..") bad("has a target elsewhere")
    }
    NR == 1 { if ($0 != "rookery-php-manifest 1") bad("is not that of a format known here"); next }
    NR == 2 { if ($0 != "id " id) bad("names another tree than " id); next }
    NR > 100000 { bad("is one too many") }
    /^[df] / { if (NF != 5 || $2 !~ /^0[0-7][0-7][0-7]$/ || $2 ~ /[2367].?$/) bad("has a mode that lets others write, or none") }
    /^d / && $3 == "-" && $4 == "-" {
      check($5)
      folder[$5] = 1
      print $5 > (work "/paths")
      print "d", $2, "-", $5 > (work "/expected")
      next
    }
    /^f / && $3 ~ /^[0-9a-f]+$/ && length($3) == 64 && $4 ~ /^[0-9]+$/ && length($4) < 16 {
      check($5)
      print $5 > (work "/paths")
      print $3 "  " $5 > (work "/sums")
      print "f", $2, $4, $5 > (work "/expected")
      blocks += int(($4 + 4095) / 4096) * 4 + 1
      if ($4 + 0 > largest) largest = $4 + 0
      next
    }
    /^l - - - [^ ]+ -> [^ ]+$/ {
      check($5)
      check_target($7)
      print $5, $7 > (work "/links")
      print "l", "-", "-", $5, $7 > (work "/expected")
      next
    }
    { bad("is no line of a folder, a file or a link") }
    END {
      if (failed) exit 1
      if (NR < 3) { print "MANIFEST is empty"; exit 1 }
      printf "%d %d\n", blocks, int(largest / 1024) + 1
    }' "$1" > "$work/sizes"
}

# compare_tree FOLDER: says what is there and should not be, is not there, or is something else.
compare_tree() {
  (
    cd "$1" || exit 1
    # A name with a line feed makes lines that are not expected, or lines that are seen twice.
    find . -printf '%y %m %s %U %P %l\n'
  ) | awk '
    function fault(text) { if (++count <= 5) print text }
    FILENAME == ARGV[1] { type[$4] = $1; mode[$4] = $2; size[$4] = $3; target[$4] = $5; next }
    NF == 4 { owner = $4; next } # the folder itself, which comes first
    {
      path = $5
      while (length($2) < 4) $2 = "0" $2
      if (path in seen) { fault(path ": is there twice"); next }
      seen[path] = 1
      if ($4 != owner) fault(path ": belongs to the user " $4 ", not to " owner)
      if (path == "MANIFEST" || path == "MANIFEST.sig") {
        if ($1 != "f" || $2 != "0644") fault(path ": is no file of mode 0644")
      } else if (!(path in type)) {
        fault(path ": is not in MANIFEST")
      } else if ($1 != type[path]) {
        fault(path ": is of the type " $1 ", not " type[path])
      } else if ($1 == "l") {
        if ($6 != target[path] || NF != 6) fault(path ": leads to " $6 ", not to " target[path])
      } else if (NF != 5) {
        fault(path ": has more in its name")
      } else if ($2 != mode[path]) {
        fault(path ": has the mode " $2 ", not " mode[path])
      } else if ($1 == "f" && $3 != size[path]) {
        fault(path ": has " $3 " bytes, not " size[path])
      }
    }
    END {
      for (path in type) if (!(path in seen)) fault(path ": is missing")
      if (!("MANIFEST" in seen) || !("MANIFEST.sig" in seen)) fault("MANIFEST: is missing")
      if (count > 5) print "and " count - 5 " more"
    }' "$work/expected" -
}

# check_tree FOLDER DIGEST: whether all of it is as the MANIFEST with this digest says; faults in $work/faults. The
# digests are the long part: one sha256sum for all of them, while what is there is compared with what should be.
check_tree() {
  printf '%s\n' "$2  MANIFEST" >> "$work/sums"
  compare_tree "$1" > "$work/faults" &
  sums=0
  (cd "$1" && sha256sum -c "$work/sums") > "$work/digests" 2> "$work/log" || sums=$?
  wait "$!" || printf '%s\n' "$1 cannot be read" >> "$work/faults"
  if [ "$sums" -ne 0 ]; then
    sed -n 's/^\([^ ]*\): FAILED.*/\1: has other contents/p' "$work/digests" | head -n 5 >> "$work/faults"
    [ -s "$work/faults" ] || cat "$work/log" >> "$work/faults"
  fi
  [ ! -s "$work/faults" ]
}

# check_resident ID: the tree in its place, against the MANIFEST that was believed when it came.
check_resident() {
  set -- "$1" $(state_of "tree $1")
  [ -n "${3:-}" ] && [ -f "$trees/$1/MANIFEST" ] || {
    printf '%s\n' "it was not fetched by rookery-php pull, or has no MANIFEST" > "$work/faults"
    return 1
  }
  if ! read_manifest "$trees/$1/MANIFEST" "$1"; then
    cp "$work/sizes" "$work/faults"
    return 1
  fi
  check_tree "$trees/$1" "$3"
}

# record_check ID: what the last check has found; called with its exit status.
record_check() {
  set -- "$1" "$2" $(state_of "tree $1")
  [ -n "${4:-}" ] || return 0
  if [ "$2" -eq 0 ]; then put_state "tree $1" "$3 $4 $(date +%s)"; else put_state "tree $1" "$3 $4 -"; fi
}

# Checks trees and records how that went. Sets result to 1 when one is not as it should be.
verify_trees() {
  for id in "$@"; do
    fault=0
    check_resident "$id" || fault=1
    [ "$dry" = yes ] || record_check "$id" "$fault"
    if [ "$fault" -eq 0 ]; then
      [ "$json" = yes ] || say "$id is as its MANIFEST says"
    else
      result=1
      while IFS= read -r line; do note "$id: $line"; done < "$work/faults"
    fi
  done
}

verify() {
  need_programs awk date find sha256sum sync
  take_lock
  [ -n "$words" ] || words=$(resident_trees)
  [ -n "$words" ] || say 'there is no tree here'
  for id in $words; do
    check_id "$id"
    [ -d "$trees/$id" ] || fail 3 "there is no tree $trees/$id"
  done
  result=0
  verify_trees $words
  exit "$result"
}
