
# Sets id, digest and bytes to the tree that is wanted: the one that a channel shows, or the one named.
choose_tree() {
  wanted=${1:-$channel}
  check_word 'tree or a channel' "$wanted"
  id=$(awk -v name="$wanted" '$1 == "channel" && $2 == name { print $3 }' "$work/index")
  if [ -z "$id" ]; then
    case $wanted in
      [0-9]*-*-r[1-9]*) id=$wanted ;;
      *) fail 4 "the farm has no PHP on the channel $wanted of $profile; it has: $(awk '$1 == "channel" { print $2 }' "$work/index" | tr '\n' ' ')" ;;
    esac
  fi
  check_id "$id"
  set -- $(awk -v id="$id" '$1 == "tree" && $2 == id { print $3, $4, $5 }' "$work/index")
  [ "$#" -eq 3 ] || fail 5 "INDEX $serial of $profile does not list $id: it must not be used"
  digest=$1
  bytes=$2
}

take_manifest() {
  rsync_get "$id/MANIFEST" 16m "$work/MANIFEST"
  [ "$(sha256sum < "$work/MANIFEST" | cut -d' ' -f1)" = "$digest" ] ||
    fail 5 "the MANIFEST of $id is not the one that INDEX $serial names"
  rsync_get "$id/MANIFEST.sig" 64k "$work/MANIFEST.sig"
  check_signature "$work/MANIFEST.sig" "$work/MANIFEST" "the MANIFEST of $id"
  read_manifest "$work/MANIFEST" "$id" || fail 5 "$(cat "$work/sizes")"
  read -r blocks size_limit < "$work/sizes"
}

free_kib() { df -Pk "$1" | awk 'NR == 2 { print $4 }'; }

# All of it, less what has come already: what other trees share is known only when it was compared.
check_space() {
  place=$trees
  while [ ! -d "$place" ]; do place=$(dirname "$place"); done
  here=0
  [ ! -d "$incoming" ] || here=$(du -sk "$incoming" | cut -f1)
  need=$((blocks - here + min_free_mb * 1024))
  free=$(free_kib "$place")
  [ "$free" -ge "$need" ] ||
    fail 3 "$id needs $((need / 1024 + 1)) MiB of free space in $place, min-free-mb of it for the rest; there are $((free / 1024))"
}

# What an interrupted transfer has left, but for whole files: they are compared again, and not fetched again. Files that
# other trees share go as well: rsync would give the one file of both the mode that the farm says this time.
clear_incoming() {
  [ -d "$incoming" ] || return 0
  find "$incoming" -type d ! -perm -0700 -exec chmod u+rwx {} \;
  find "$incoming" -type f -links +1 -exec rm -f {} +
  find "$incoming" -mindepth 1 -printf '%y %P\n' | awk '
    FILENAME == ARGV[1] { type[$4] = $1; next }
    NF != 2 || $1 !~ /^[df]$/ || type[$2] != $1 { print NF == 2 && $2 ~ /^[A-Za-z0-9._+@,=~%:\/-]+$/ ? $2 : "." }
  ' "$work/expected" - > "$work/leftovers"
  if grep -Fxq . "$work/leftovers"; then
    rm -rf "$incoming"
    return 0
  fi
  while IFS= read -r path; do rm -rf "${incoming:?}/$path"; done < "$work/leftovers"
}

# Only what MANIFEST lists, and only files and folders of it: links are made here. Without -t, because of two files of the
# same contents, mode and owner one is enough, whatever their times. With -c, or equal sizes and times would count as equal.
# Asked for from the module on: below a folder of it, rsync 3.5.0 without chroot finds none of the files of a list.
transfer() {
  clear_incoming
  mkdir -p "$trees"
  [ -d "$incoming" ] || mkdir -m 700 "$incoming"
  module=$(printf '%s\n' "$source" | cut -d/ -f1-4)
  place=${source#"$module"}/$profile/$id
  sed "s|^|${place#/}/./|" "$work/paths" > "$work/wanted-paths"
  set -- -c -p --files-from="$work/wanted-paths" --max-size="${size_limit}k"
  count=0
  for place in $(included) $(resident_trees); do
    [ "$count" -lt 20 ] && [ -d "$trees/$place" ] || continue
    count=$((count + 1))
    set -- "$@" --link-dest="$trees/$place"
  done
  [ -z "$bwlimit" ] || set -- "$@" --bwlimit="$bwlimit"
  say "fetching $id: $(wc -l < "$work/sums" | tr -d ' ') files, $bytes bytes, less what is here already"
  : > "$work/stats"
  if [ -t 2 ]; then
    call_rsync "$@" --info=progress2 "$module/" "$incoming/" >&2
  else
    call_rsync "$@" --stats "$module/" "$incoming/" > "$work/stats"
  fi
  [ "$status" -eq 0 ] || fail 4 "$id cannot be had from $source: $(grep -v '^rsync error' "$work/log" | tail -n 1)"
  sed -n 's/^Total bytes received: \(.*\)/received \1 bytes/p' "$work/stats"
  while read -r path target; do ln -s "$target" "$incoming/$path"; done < "$work/links"
  cp "$work/MANIFEST" "$work/MANIFEST.sig" "$incoming/"
  chmod 644 "$incoming/MANIFEST" "$incoming/MANIFEST.sig"
}

refuse_tree() {
  while IFS= read -r line; do note "$line"; done < "$work/faults"
  fail 5 "$1"
}

# From here on the disk has all of it, before its name says so.
put_in_place() {
  chmod 755 "$incoming"
  find "$incoming" \( -type f -o -type d \) -exec sync {} + 2> /dev/null || sync
  mv -T "$incoming" "$trees/$id"
  sync "$trees" 2> /dev/null || sync
  put_state "tree $id" "$profile $digest $(date +%s)"
  say "$id is in $trees/$id"
}

pull() {
  need_programs awk chmod cmp cp cut date df du find flock gpg grep mv rsync sed sha256sum sync tail
  choose_farm
  take_lock
  take_index
  choose_tree $words
  incoming=$trees/.incoming-$id
  take_manifest
  if [ -d "$trees/$id" ]; then
    check_tree "$trees/$id" "$digest" ||
      refuse_tree "$trees/$id is there, and is not as its MANIFEST says; remove it (rookery-php prune $id) and pull again"
    [ "$dry" = yes ] || put_state "tree $id" "$profile $digest $(date +%s)"
    say "$id is in its place already, $trees/$id"
    exit 0
  fi
  check_space
  if [ "$dry" = yes ]; then
    say "would fetch $id, $bytes bytes, into $trees/$id"
    exit 0
  fi
  transfer
  check_tree "$incoming" "$digest" || refuse_tree "what $source has of $id is not as its MANIFEST says; it was not taken"
  put_in_place
}
