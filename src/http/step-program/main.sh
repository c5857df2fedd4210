
need_value() { [ "$2" -gt 1 ] || fail 2 "$1 needs a value; see --help"; }

set_places() {
  root=${ROOKERY_ROOT:-}
  check_path ROOKERY_ROOT "$root"
  root=${root%/}
  base=$root$PREFIX
  store=$base/var/lib/rookery/step
  steps=$store/steps
  php_program=$base/usr/local/sbin/rookery-php
  checks_folder=$base/etc/rookery/checks.d
}

main() {
  work=
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  case $0 in
    /*) self=$0 ;;
    */*) self=$(pwd)/$0 ;;
    *) self=$(command -v -- "$0") ;;
  esac
  [ "$#" -gt 0 ] || { usage >&2; exit 2; }
  command=$1
  shift
  set_places
  case $command in --help | -h | help) usage; exit 0 ;; esac
  trap '[ -z "$work" ] || rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # Who listened has gone, and whatever is still said would end this at once.
  trap 'exec > /dev/null 2>&1; exit 141' PIPE
  work=$(mktemp -d)
  case $command in words) words "$@"; exit 0 ;; esac
  read_settings
  case $command in
    start) [ -n "$base" ] || [ "$(id -u)" -eq 0 ] || fail 2 'this has to be run as root'; start "$@" ;;
    state) [ "$#" -eq 1 ] || fail 2 'state needs one id'; check_step_id "$1"; state_of_step "$1" ;;
    look) look ;;
    health) health "$@" ;;
    releases) list_releases ;;
    run) run_step "$1" ;;
    do) check_command "$@"; do_command "$@" ;;
    *) fail 2 "there is no command $command; see --help" ;;
  esac
}

# In braces, so that the shell has read all of it before a setup script replaces this file.
{ main "$@"; exit; }
