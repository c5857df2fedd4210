
# Runs a command for the settings of each profile that is wanted.
each_profile() {
  found=no
  for conf in "$PREFIX"/etc/rookery/node.d/*.conf; do
    [ -f "$conf" ] || continue
    if [ -z "$profile_wanted" ] || [ "$(setting profile "$conf")" = "$profile_wanted" ]; then
      found=yes
      "$1" "$conf"
    fi
  done
  [ "$found" = yes ] ||
    fail 3 "this node is no client${profile_wanted:+ of $profile_wanted}: there is no such file in $PREFIX/etc/rookery/node.d; run the setup script of a channel"
}

report() {
  for program in awk cat cut find grep head mktemp mv rm sed sort tail timeout tr uname; do
    command -v "$program" > /dev/null 2>&1 || fail 3 "$program is not installed; nothing was reported"
  done
  [ "$dry" = yes ] || prepare_token
  result=0
  run_checks
  installed_json > "$work/installed"
  system_json
  each_profile report_profile
  exit "$result"
}

status_of() {
  file=$(index_file "$(setting uri "$1")")
  say "profile    $(setting profile "$1"), channel $(setting channel "$1")"
  say "farm       $(setting server "$1")"
  say "index      TIMESTAMP $(timestamp_of "$file"), in $file"
}

status() {
  say "node       $node"
  each_profile status_of
  say "installed  $(count_installed) packages"
  say "checks     $(list_checks | tr '\n' ' ')"
  if [ -f "$token_file" ]; then say "token      $token_file"; else say "token      missing: $token_file"; fi
}

need_value() { [ "$2" -gt 1 ] || fail 2 "$1 needs a value; see --help"; }

read_options() {
  while [ "$#" -gt 0 ]; do
    case $1 in
      --check)
        need_value "$1" "$#"
        shift
        case $1 in '' | *[!A-Za-z0-9_-]*) fail 2 "\"$1\" is not the name of a check" ;; esac
        only="$only $1"
        ;;
      --profile) need_value "$1" "$#"; shift; profile_wanted=$1 ;;
      --name) need_value "$1" "$#"; shift; node=$1 ;;
      --token-file) need_value "$1" "$#"; shift; token_file=$1 ;;
      --timeout) need_value "$1" "$#"; shift; limit=$1 ;;
      --dry-run) dry=yes ;;
      --help | -h) usage; exit 0 ;;
      *) fail 2 "there is no option $1; see --help" ;;
    esac
    shift
  done
  case $limit in '' | *[!0-9]* | 0* | ?????*) fail 2 "--timeout $limit is not a number of seconds from 1 to 9999" ;; esac
  case $node in '' | *[!A-Za-z0-9._-]* | [!A-Za-z0-9]*) fail 2 "\"$node\" is not the name of a node; see --name" ;; esac
}

main() {
  work=
  only=
  profile_wanted=
  dry=no
  limit=60
  node=$(uname -n | cut -d. -f1)
  checks_folder=$PREFIX/etc/rookery/checks.d
  token_file=$PREFIX/etc/rookery/node.token
  [ "$#" -gt 0 ] || { usage >&2; exit 2; }
  command=$1
  shift
  case $command in
    report | status | keys) ;;
    --help | -h | help) usage; exit 0 ;;
    *) fail 2 "there is no command $command; see --help" ;;
  esac
  read_options "$@"
  trap '[ -z "$work" ] || rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # Who listened has gone, and whatever is still said would end this at once.
  trap 'exec > /dev/null 2>&1; exit 141' PIPE
  work=$(mktemp -d)
  "$command"
}

# In braces, so that the shell has read all of it before a setup script replaces this file.
{ main "$@"; exit; }
