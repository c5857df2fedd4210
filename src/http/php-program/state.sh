
# The state file: "active ID", "previous ID", "returned-from ID", "switching ID" (an activation that has not ended),
# "keep ID UNTIL" (a master that does not serve any more), "tree ID PROFILE MANIFEST VERIFIED" (- where it is not).
state_of() {
  [ -f "$state" ] || return 0
  while IFS= read -r line; do
    case $line in
      "$1 "*) printf '%s\n' "${line#"$1 "}"; return 0 ;;
    esac
  done < "$state"
}

# put_state KEY VALUE [KEY VALUE]...: in the place of what the keys had, all in one write; an empty value takes a key away.
put_state() {
  {
    [ ! -f "$state" ] || while IFS= read -r line; do
      has_key "$line" "$@" || printf '%s\n' "$line"
    done < "$state"
    while [ "$#" -gt 0 ]; do
      [ -z "$2" ] || printf '%s\n' "$1 $2"
      shift 2
    done
  } > "$state.new"
  sync "$state.new" 2> /dev/null || sync
  mv -f "$state.new" "$state"
}

# has_key LINE KEY VALUE...
has_key() {
  stated=$1
  shift
  while [ "$#" -gt 0 ]; do
    case $stated in "$1 "*) return 0 ;; esac
    shift 2
  done
  return 1
}

# The tree that the web server's include names, whatever the state says.
included() {
  [ -n "$include" ] && [ -L "$include" ] || return 0
  target=$(readlink "$include")
  target=${target##*/}
  case $target in *.include) printf '%s\n' "${target%.include}" ;; esac
}

# pid_of ID: of the master that runs the php-fpm of this very tree.
pid_of() {
  [ -f "$run/$1.pid" ] || return 0
  pid=$(cat "$run/$1.pid")
  case $pid in '' | *[!0-9]*) return 0 ;; esac
  real=$(readlink -f "$trees" || true)
  case $(readlink "/proc/$pid/exe" 2> /dev/null) in
    "$real/$1/sbin/php-fpm" | "$real/$1/sbin/php-fpm (deleted)") printf '%s\n' "$pid" ;;
  esac
}

resident_trees() {
  for place in "$trees"/[0-9]*; do
    [ ! -d "$place" ] || printf '%s\n' "${place##*/}"
  done
}
