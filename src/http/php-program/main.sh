
need_value() { [ "$2" -gt 1 ] || fail 2 "$1 needs a value; see --help"; }

read_options() {
  while [ "$#" -gt 0 ]; do
    case $1 in
      --profile) need_value "$1" "$#"; shift; check_word profile "$1"; profile_wanted=$1 ;;
      --bwlimit) need_value "$1" "$#"; shift; bwlimit=$1 ;;
      --check-url) need_value "$1" "$#"; shift; check_url=$1 ;;
      --keep-minutes) need_value "$1" "$#"; shift; keep_minutes=$1 ;;
      --mod-php) mod_php=yes ;;
      --allow-withdrawn) allow_withdrawn=yes ;;
      --verify) verify_all=yes ;;
      --json) json=yes ;;
      --dry-run) dry=yes ;;
      --now) at_once=yes ;;
      --wait) waiting=yes ;;
      --help | -h) usage; exit 0 ;;
      -*) fail 2 "there is no option $1; see --help" ;;
      *) check_word 'tree or a channel' "$1"; words="$words${words:+ }$1" ;;
    esac
    shift
  done
}

set_places() {
  root=${ROOKERY_ROOT:-}
  check_path ROOKERY_ROOT "$root"
  root=${root%/}
  base=$root$PREFIX
  trees=$base/opt/php
  store=$base/var/lib/rookery/php
  state=$store/state
  run=$base/run/php
  log=$base/var/log/rookery-php
  site=$base/etc/php-site
}

clean_up() {
  status=$?
  trap - EXIT
  [ "$in_switch" = no ] || (switch_back 'this program was stopped') || true
  [ -z "$work" ] || rm -rf "$work"
  exit "$status"
}

main() {
  work=
  words=
  in_switch=no
  profile_wanted=
  bwlimit=
  check_url=
  keep_minutes=
  mod_php=no
  allow_withdrawn=no
  verify_all=no
  json=no
  dry=no
  at_once=no
  waiting=no
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  case $0 in
    /*) self=$0 ;;
    */*) self=$(pwd)/$0 ;;
    *) self=$(command -v -- "$0") ;;
  esac
  [ "$#" -gt 0 ] || { usage >&2; exit 2; }
  command=$1
  shift
  case $command in
    pull | verify | activate | rollback | status | prune | start | stop | retire) ;;
    --help | -h | help) usage; exit 0 ;;
    *) fail 2 "there is no command $command; see --help" ;;
  esac
  read_options "$@"
  set_places
  case $base$command in
    status) ;;
    pull | verify | activate | rollback | prune | start | stop | retire)
      [ "$dry" = yes ] || [ "$(id -u)" -eq 0 ] || fail 2 'this has to be run as root'
      ;;
  esac
  read_settings
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # Who listened has gone, and whatever is still said would end this at once.
  trap 'exec > /dev/null 2>&1; exit 141' PIPE
  work=$(mktemp -d)
  "$command"
}

# In braces, so that the shell has read all of it before a setup script replaces this file.
{ main "$@"; exit; }
