
# Sets standing to active, standby (its master runs) or resident.
standing_of() {
  standing=resident
  if [ "$1" = "$serving" ]; then
    standing=active
  elif [ -n "$(pid_of "$1")" ]; then
    standing=standby
  fi
}

status_json() {
  separator=
  printf '{"trees":['
  for id in $(resident_trees); do
    tree=$trees/$id
    set -- $(state_of "tree $id")
    [ "$#" -eq 3 ] || continue
    [ -z "$profile_wanted" ] || [ "$1" = "$profile_wanted" ] || continue
    standing_of "$id"
    [ "$3" != - ] || set -- "$1" "$2" null
    printf '%s\n{"id":"%s","profile":"%s","manifest":"%s","state":"%s","verifiedAt":%s,"requires":"%s"}' \
      "$separator" "$id" "$1" "$2" "$standing" "$3" "$(meta requires 2> /dev/null | tr -cd ' -~' | tr -d '"\\')"
    separator=,
  done
  printf ']}\n'
}

status_words() {
  for id in $(resident_trees); do
    standing_of "$id"
    set -- $(state_of "tree $id")
    checked='not verified'
    case ${3:--} in -) ;; *) checked="verified $(date -u -d "@$3" '+%Y-%m-%d %H:%M UTC' 2> /dev/null || printf '%s' "$3")" ;; esac
    pid=$(pid_of "$id")
    until=$(state_of "keep $id")
    say "$standing$(printf '%*s' $((10 - ${#standing})) '') $id, $checked${pid:+, php-fpm $pid}${until:+, kept for $(((until - $(date +%s)) / 60)) minutes more}"
  done
  for file in "$store"/*.INDEX.json; do
    [ -f "$file" ] || continue
    parse_index "$file" | awk '
      $1 == "profile" { profile = $2 }
      $1 == "serial" { serial = $2 }
      $1 == "channel" { shown = shown ", " $2 " " $3 }
      END { print "INDEX " serial " of " profile shown }'
  done
  [ -z "$(state_of switching)" ] || say "the activation of $(state_of switching) was stopped half way: activate it again, or rollback"
  previous=$(state_of previous)
  [ -z "$previous" ] || say "before: $previous"
}

status() {
  [ -z "$words" ] || fail 2 'status takes no tree; verify does'
  need_programs awk date find readlink sed
  result=0
  if [ "$verify_all" = yes ]; then
    need_programs flock sha256sum sync
    take_lock
    verify_trees $(resident_trees)
  fi
  serving=$(included)
  if [ "$json" = yes ]; then status_json; else status_words; fi
  exit "$result"
}

# needed_tree ID: says why it cannot go; nothing when it can.
needed_tree() {
  standing_of "$1"
  if [ "$standing" != resident ]; then
    say "it is $standing"
  elif [ "$1" = "$(state_of active)" ] || [ "$1" = "$(state_of switching)" ]; then
    say 'it is being activated'
  elif [ "$1" = "$(state_of previous)" ]; then
    say 'it is what rollback goes back to'
  elif [ -z "$words" ] && grep -Fxq "$1" "$work/shown"; then
    say 'a channel of the farm shows it'
  fi
}

# A tree goes at once, by its name; folders, not files, are made writable: other trees have the same files.
remove_tree() {
  if [ "$dry" = yes ]; then
    say "would remove $1"
    return 0
  fi
  case $1 in .*) ;; *) mv -T "$trees/$1" "$trees/.removing-$1"; set -- "$1" ".removing-$1" ;; esac
  place=${2:-$1}
  find "$trees/$place" -type d ! -perm -0700 -exec chmod u+rwx {} \;
  rm -rf "${trees:?}/$place"
  say "removed $1"
  case $1 in .*) return 0 ;; esac
  rm -rf "$store/$1.include" "$store/$1.php-fpm.conf" "$store/$1.apache"
  put_state "tree $1" ''
}

prune() {
  need_programs awk find flock mv sync
  take_lock
  serving=$(included)
  for file in "$store"/*.INDEX.json; do
    [ ! -f "$file" ] || parse_index "$file"
  done > "$work/indexes"
  awk '$1 == "channel" { print $3 }' "$work/indexes" > "$work/shown"
  for id in $words; do
    check_id "$id"
    [ -d "$trees/$id" ] || fail 3 "there is no tree $trees/$id"
    reason=$(needed_tree "$id")
    [ -z "$reason" ] || fail 3 "$id stays: $reason"
  done
  for id in ${words:-$(resident_trees)}; do
    reason=$(needed_tree "$id")
    if [ -z "$reason" ]; then remove_tree "$id"; else say "$id stays: $reason"; fi
  done
  for place in "$trees"/.removing-* "$trees"/.incoming-*; do
    [ -d "$place" ] || continue
    name=${place##*/}
    id=${name#.incoming-}
    if [ "$id" != "$name" ] && [ ! -d "$trees/$id" ] && grep -q "^tree $id " "$work/indexes"; then
      say "$name stays: a pull goes on with it"
    else
      remove_tree "$name"
    fi
  done
}
