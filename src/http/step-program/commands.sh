
need_words() { [ "$2" -eq "$3" ] || fail 2 "$1 takes $3 words, not $2; see --help"; }

check_mark() {
  case $2 in
    '' | *[!0-9a-f]*) fail 2 "\"$2\" is not a digest of a $1: SHA-256 in lowercase hex" ;;
  esac
  [ "${#2}" -eq 64 ] || fail 2 "\"$2\" is not a digest of a $1: SHA-256 in lowercase hex"
}

# check_publication PROFILE CHANNEL SERIAL DIGEST PATH
check_publication() {
  check_word profile "$1"
  check_word channel "$2"
  check_number serial "$3"
  check_mark publication "$4"
  check_path publication "$5"
  case $5 in
    */../* | */.. | *//*) fail 2 "\"$5\" is not the path of a publication" ;;
    /binhost/*) ;;
    *) fail 2 "\"$5\" is not the path of a publication" ;;
  esac
}

check_tree() {
  check_word profile "$1"
  check_word tree "$2"
  check_mark tree "$3"
}

# check_command COMMAND ARGUMENT...: that it can be run, before anybody is told that it will.
check_command() {
  [ "$#" -gt 0 ] || fail 2 'a step needs a command; see --help'
  name=$1
  shift
  case $name in
    stop-web | start-web | rescan | reboot) need_words "$name" "$#" 0 ;;
    prefetch | merge) need_words "$name" "$#" 5; check_publication "$@" ;;
    pull-php | activate-php) need_words "$name" "$#" 3; check_tree "$@" ;;
    activate-release) need_words "$name" "$#" 2; check_word release "$1"; check_mark release "$2" ;;
    snapshot | restore-snapshot | drop-snapshot)
      need_words "$name" "$#" 1
      case $1 in lvm | btrfs) ;; *) fail 2 "there are no snapshots by \"$1\", only by lvm and btrfs" ;; esac
      ;;
    restart-services)
      [ "$#" -gt 0 ] || fail 2 'restart-services needs the name of a service'
      for service in "$@"; do check_word service "$service"; done
      ;;
    check)
      [ "$#" -eq 3 ] || need_words check "$#" 7
      [ "$1" = - ] || check_word tree "$1"
      [ "$2" = - ] || check_word release "$2"
      shift 2
      [ "$*" = - ] || check_publication "$@"
      ;;
    *) fail 2 "there is no command $name for steps; see --help" ;;
  esac
}

do_command() {
  name=$1
  shift
  case $name in
    snapshot | restore-snapshot | drop-snapshot) "$(printf '%s' "$name" | tr - _)_$1" ;;
    *) "$(printf '%s' "$name" | tr - _)" "$@" ;;
  esac
}

# run_command COMMAND: of the settings, a line of shell.
run_command() {
  say "+ $1"
  sh -c "$1" > "$work/log" 2>&1 < /dev/null || {
    code=$?
    tail -n 20 "$work/log"
    warn "\"$1\" ended with $code"
    return 6
  }
  tail -n 5 "$work/log"
}
