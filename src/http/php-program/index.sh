
# rsync_get NAME MAXIMUM FILE: one file of the farm. Tried again when the farm is busy or the line breaks.
rsync_get() {
  rm -f "$3"
  call_rsync --max-size="$2" "$source/$profile/$1" "$3"
  [ "$status" -eq 0 ] ||
    fail 4 "$source/$profile/$1 cannot be had: $(grep -v '^rsync error' "$work/log" | tail -n 1)"
  [ -f "$3" ] || fail 4 "$source/$profile/$1 is no file of at most $2 bytes"
}

# Sets status to rsync's. Whatever a daemon sends, no file gets larger than $size_limit KiB.
call_rsync() {
  tries=0
  while :; do
    status=0
    (
      exec 9>&-
      ulimit -f "$(((size_limit + 64) * 2))" 2> /dev/null || true
      exec rsync --timeout=60 --contimeout=20 --no-motd "$@"
    ) 2> "$work/log" || status=$?
    tries=$((tries + 1))
    case $status in
      5 | 10 | 12 | 30 | 35) [ "$tries" -lt 4 ] || return 0 ;;
      *) return 0 ;;
    esac
    if grep -Eq 'Unknown module|auth failed|access denied|Connection refused' "$work/log"; then return 0; fi
    note "$(grep -v '^rsync error' "$work/log" | tail -n 1); trying again"
    sleep "$tries"
  done
}

# check_signature SIGNATURE FILE NAME: by a key of the farm that this node trusts, or the end.
check_signature() {
  if ! gpg_at "$work/gnupg" --status-fd 1 --verify "$1" "$2" > "$work/status" 2> "$work/log"; then
    fail 5 "$3 has no good signature: $(tail -n 1 "$work/log")"
  fi
  key=$(sed -n 's/^\[GNUPG:\] VALIDSIG .* \([0-9A-F]*\)$/\1/p' "$work/status" | head -n 1)
  grep -q '^\[GNUPG:\] GOODSIG ' "$work/status" && grep -Eq '^\[GNUPG:\] TRUST_(ULTIMATE|FULLY)' "$work/status" ||
    fail 5 "$3 is signed by $key, which this node does not trust, or whose end is past"
  grep -Fq "uses $key " "$record" ||
    fail 5 "$3 is signed by $key, which is not a key of the farm of $profile"
}

# Reads an INDEX whose signature is good into lines: profile, serial, channel NAME ID, tree ID MANIFEST BYTES FILES.
parse_index() {
  awk '
    function word(text) { return text ~ /^[A-Za-z0-9][A-Za-z0-9._+@,=~%:-]*$/ }
    function bad() { print "line " NR ": " substr($0, 1, 100); failed = 1; exit 1 }
    { sub(/,$/, "") }
    NR == 1 { if ($0 != "{") bad(); next }
    NR == 2 { if ($0 != "\"format\": 1") bad(); next }
    /^"(profile|created)": "[^"\\]*"$/ && part == "" {
      split($0, at, "\"")
      if (at[2] == "profile") print "profile " at[4]
      next
    }
    /^"serial": [0-9]+$/ && part == "" { if (length($2) > 15) bad(); print "serial " $2; next }
    /^"channels": \{$/ && part == "" { part = "channels"; next }
    /^"trees": \[$/ && part == "" { part = "trees"; next }
    /^(\}|\])$/ { if (part == "") ended = 1; part = ""; next }
    part == "channels" && /^"[^"\\]*": "[^"\\]*"$/ {
      split($0, at, "\"")
      if (!word(at[2]) || !word(at[4])) bad()
      print "channel " at[2] " " at[4]
      next
    }
    part == "trees" && /^\{"id":"[^"\\]*","manifest":"[0-9a-f]*","bytes":[0-9]+,"files":[0-9]+\}$/ {
      split($0, at, "\"")
      if (!word(at[4]) || length(at[8]) != 64) bad()
      gsub(/[^0-9]/, "", at[11])
      gsub(/[^0-9]/, "", at[13])
      print "tree " at[4] " " at[8] " " at[11] " " at[13]
      next
    }
    { bad() }
    END { if (!failed && !ended) { print "its end is missing"; exit 1 } }' "$1"
}

# Fetches the INDEX, believes it when it may, and keeps it: from then on no older one is taken.
take_index() {
  copy_home
  size_limit=4096
  say "reading $source/$profile/INDEX.json"
  rsync_get INDEX.json 4m "$work/INDEX.json"
  mark=$(sha256sum < "$work/INDEX.json" | cut -c1-16)
  rsync_get "INDEX.json.$mark.sig" 64k "$work/INDEX.sig"
  check_signature "$work/INDEX.sig" "$work/INDEX.json" INDEX.json
  parse_index "$work/INDEX.json" > "$work/index" || fail 5 "INDEX.json cannot be read: $(tail -n 1 "$work/index")"
  found=$(sed -n 's/^profile //p' "$work/index")
  [ "$found" = "$profile" ] || fail 5 "INDEX.json is of the profile \"$found\", not of $profile"
  serial=$(sed -n 's/^serial //p' "$work/index")
  [ -n "$serial" ] || fail 5 'INDEX.json has no serial'
  accepted=$store/$profile.INDEX.json
  if [ -f "$accepted" ]; then
    last=$(sed -n 's/^"serial": \([0-9]*\),$/\1/p' "$accepted")
    [ "$serial" -ge "$last" ] ||
      fail 5 "INDEX.json has the serial $serial, but this node has seen $last: it is an older one, offered again"
    [ "$serial" -gt "$last" ] || cmp -s "$work/INDEX.json" "$accepted" ||
      fail 5 "INDEX.json has the serial $serial, as the one that this node has, and says something else"
  fi
  say "INDEX $serial of $profile, signed by $key"
  [ "$dry" = no ] || return 0
  if ! cmp -s "$work/INDEX.json" "$accepted"; then
    cp "$work/INDEX.json" "$accepted.new"
    sync "$accepted.new" 2> /dev/null || sync
    mv -f "$accepted.new" "$accepted"
  fi
}

# What the accepted INDEX of a profile lists of a tree: MANIFEST BYTES FILES, or nothing.
listed() {
  [ -f "$store/$1.INDEX.json" ] || return 0
  parse_index "$store/$1.INDEX.json" | awk -v id="$2" '$1 == "tree" && $2 == id { print $3, $4, $5 }'
}
