import { NODE_KEYS_PART } from './node-program-keys.ts';

/** For shell expansions with braces, which a template would take for its own. */
const D = '$';

/**
 * `rookery-node`, the POSIX shell program that the setup script leaves on a node: it tells the farm what is installed
 * and how the node's checks went. It needs what a Gentoo system has: sh, awk, sed, find, timeout, wget (or curl).
 *
 * `@PREFIX@` is replaced by the EPREFIX of the node. Formats: `portage/dbapi/vartree.py` (/var/db/pkg),
 * `portage/dbapi/bintree.py:_populate_remote_repo` (the place of the cached index), `src/protocol/nodes.ts`.
 */
export function nodeProgram(): string {
  return HEAD_PART + READ_PART + CHECK_PART + SEND_PART + NODE_KEYS_PART + MAIN_PART;
}

const HEAD_PART = String.raw`#!/bin/sh
# rookery-node: tells the farm what this node has installed. Written by the setup script of the farm, which also
# removes it (--uninstall).
set -eu
umask 077
LC_ALL=C
export LC_ALL
PREFIX='@PREFIX@'

usage() {
  cat << 'END-OF-THE-HELP'
Usage: rookery-node report [--check NAME]... [--dry-run] [--profile PROFILE] [--name NAME]
                           [--token-file FILE] [--timeout SECONDS]
       rookery-node status
       rookery-node keys [--dry-run] [--profile PROFILE]

report   runs the checks, and tells the farm how they went and which packages are installed. The farm answers
         whether this counts as proof of the publication that this node has the index of.
status   shows what this node would report about, without running or sending anything
keys     takes over new keys of the farm, and what was revoked or extended. They have to be signed by a key of the farm
         that this node trusts already. Needs gpg, and root; run it daily, before a new key of the farm signs

  --check NAME        run only this check; may be repeated. Checks that a report leaves out are not passed
  --dry-run           run the checks and print the report, send nothing; of keys, say what would be trusted
  --profile PROFILE   report about this profile only, where a node has several
  --name NAME         name of this node: that of its token (default: the host name up to the first dot)
  --token-file FILE   file with a token of role node, readable by its owner only (default: etc/rookery/node.token)
  --timeout SECONDS   how long each check may take (default: 60)

Checks are the executable files in etc/rookery/checks.d, run in the order of their names, which are of letters, digits,
"_" and "-". Exit status 0 is passed; what a check says first is kept.

Exit status: 0 it counts; 1 it was reported and does not count; 2 wrong usage; 3 something is missing on this node;
4 the farm refused it or cannot be reached.

Example:
  rookery-node report --check http --check php
END-OF-THE-HELP
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "rookery-node: $*" >&2; }
fail() { code=$1; shift; warn "$*"; exit "$code"; }
`;

const READ_PART = String.raw`
# setting KEY FILE: of the file that the setup script wrote for a profile.
setting() { sed -n "s/^$1 = //p" "$2" | head -n 1; }

# Where Portage keeps the index that it has read from an address: by host, without port and user, and path.
index_file() {
  printf '%s\n' "$1" | awk -v base="$PREFIX/var/cache/edb/binhost" '{
    sub(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//, "")
    slash = index($0, "/")
    host = slash ? substr($0, 1, slash - 1) : $0
    path = slash ? substr($0, slash + 1) : ""
    sub(/^.*@/, "", host)
    if (host ~ /^\[/) { sub(/^\[/, "", host); sub(/\].*$/, "", host) } else sub(/:[0-9]*$/, "", host)
    print base "/" tolower(host) "/" path "/Packages"
  }'
}

# TIMESTAMP of an index, or null.
timestamp_of() {
  found=
  if [ -f "$1" ]; then
    found=$(awk '/^$/ { exit } /^TIMESTAMP: [0-9]+$/ { print $2; exit }' "$1")
  fi
  printf '%s\n' "${D}{found:-null}"
}

# The installed packages as a JSON list. Values are plain words; anything that JSON would have to escape is dropped.
installed_json() {
  printf '%s\n' "$PREFIX"/var/db/pkg/*/*/PF | awk '
    function value(name,    text, line) {
      text = ""
      while ((getline line < (folder "/" name)) > 0) text = text (text == "" ? "" : " ") line
      close(folder "/" name)
      return plain(text)
    }
    function plain(text) {
      gsub(/[^ -~]/, " ", text)
      gsub(/["\\]/, "", text)
      gsub(/  +/, " ", text)
      sub(/^ /, "", text)
      sub(/ $/, "", text)
      return text
    }
    function number(text) {
      sub(/^0+/, "", text)
      return text ~ /^[0-9]+$/ ? text : "null"
    }
    BEGIN { printf "[" }
    {
      folder = $0
      sub(/\/PF$/, "", folder)
      parts = split(folder, path, "/")
      pf = path[parts]
      category = path[parts - 1]
      if (pf == "*" || pf ~ /^-MERGING-/ || category ~ /^[-.]/) next
      printf "%s\n{\"cpv\":\"%s\",\"slot\":\"%s\",\"buildId\":%s,\"buildTime\":%s,\"repository\":\"%s\",\"use\":\"%s\",\"iuse\":\"%s\",\"provides\":\"%s\"}", \
        (count++ ? "," : ""), plain(category "/" pf), value("SLOT"), number(value("BUILD_ID")), \
        number(value("BUILD_TIME")), value("repository"), value("USE"), value("IUSE"), \
        value("PROVIDES")
    }
    END { print "]" }'
}

count_installed() {
  set -- "$PREFIX"/var/db/pkg/*/[!-]*/PF
  if [ -e "$1" ]; then say "$#"; else say 0; fi
}
`;

const CHECK_PART = String.raw`
# The names of the checks to run, a line each. Others than root could otherwise decide what runs as root.
list_checks() {
  for file in "$checks_folder"/*; do
    [ -f "$file" ] && [ -x "$file" ] || continue
    name=${D}{file##*/}
    case $name in
      *[!A-Za-z0-9_-]*) warn "$file is passed over: its name has other characters than letters, digits, _ and -" ;;
      *)
        if [ -n "$(find -L "$file" -prune \( -perm -0020 -o -perm -0002 \))" ]; then
          warn "$file is passed over: others than its owner may write to it"
        elif [ "${D}{#name}" -gt 64 ]; then
          warn "$file is passed over: its name is longer than 64 characters"
        else
          printf '%s\n' "$name"
        fi
        ;;
    esac
  done
}

wanted_checks() {
  list_checks > "$work/all-checks"
  if [ -z "$only" ]; then
    cat "$work/all-checks"
    return 0
  fi
  for name in $only; do
    grep -Fxq -- "$name" "$work/all-checks" || fail 2 "there is no check $name in $checks_folder that can be run"
  done
  for name in $only; do printf '%s\n' "$name"; done | sort -u
}

# Runs a check within its time. Whatever it leaves running, this goes on: its output is read for a bounded time too.
run_check() {
  printf '1\n' > "$work/status"
  {
    umask 022
    status=0
    timeout -k 5 "$limit" "$checks_folder/$1" < /dev/null 2>&1 || status=$?
    printf '%s\n' "$status" > "$work/status"
  } | timeout "$((limit + 10))" sh -c 'head -c 2000; cat > /dev/null' > "$work/output" || true
  status=$(cat "$work/status")
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    printf '%s\n' "It did not end within $limit seconds." | cat - "$work/output" > "$work/longer"
    mv -f "$work/longer" "$work/output"
  fi
}

escaped() {
  tr '\t' ' ' < "$1" | tr -d '\000-\010\013-\037\177' | sed 's/\\/\\\\/g; s/"/\\"/g' | awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }'
}

# Runs the checks and writes the JSON list of their results to $work/checks.
run_checks() {
  printf '[' > "$work/checks"
  separator=
  wanted_checks > "$work/wanted"
  while IFS= read -r name <&3; do
    run_check "$name"
    passed=false
    if [ "$status" -eq 0 ]; then passed=true; fi
    warn "check $name: $(if [ "$passed" = true ]; then say passed; else say "failed with status $status"; fi)"
    printf '%s\n{"name":"%s","passed":%s,"output":"%s"}' \
      "$separator" "$name" "$passed" "$(escaped "$work/output")" >> "$work/checks"
    separator=,
  done 3< "$work/wanted"
  printf ']\n' >> "$work/checks"
}
`;

const SEND_PART = String.raw`
# field NAME FILE: a text of a JSON object in one line, unescaped. An unescaped quote cannot stand inside of a value.
field() {
  awk -v name="$1" '{
    mark = "\"" name "\":\""
    at = index($0, mark)
    if (!at) exit
    rest = substr($0, at + length(mark))
    text = ""
    for (i = 1; i <= length(rest); i++) {
      one = substr(rest, i, 1)
      if (one == "\"") break
      if (one == "\\") {
        i++
        one = substr(rest, i, 1)
        if (one == "n") one = "\n"
        else if (one == "t") one = "\t"
        else if (one == "u") { one = "?"; i += 4 }
      }
      text = text one
    }
    print text
    exit
  }' "$2"
}

# The token goes into a file that only this program's user can read, never into a command line or the environment.
prepare_token() {
  [ -f "$token_file" ] || fail 3 "there is no token in $token_file; make one with: rookery token create $node --role node --to FILE"
  if [ -n "$(find -L "$token_file" -prune \( -perm -0040 -o -perm -0004 \))" ]; then
    fail 3 "$token_file can be read by others than its owner; chmod 600 it"
  fi
  token=$(head -n 1 "$token_file")
  case $token in
    '' | *[!A-Za-z0-9._~+/=-]*) fail 3 "the first line of $token_file is not a token" ;;
  esac
}

# send URL: posts $work/report, the answer goes to $work/answer.
send() {
  : > "$work/answer"
  if command -v wget > /dev/null 2>&1 && wget --version 2> /dev/null | grep -q 'GNU Wget'; then
    printf '%s\n' "header = Authorization: Bearer $token" 'header = Content-Type: application/json' > "$work/settings"
    wget --config="$work/settings" -nv --content-on-error --max-redirect=0 --tries=3 --timeout=60 \
      --post-file="$work/report" -O "$work/answer" "$1" 2> "$work/log"
  elif command -v curl > /dev/null 2>&1; then
    printf '%s\n' "header = \"Authorization: Bearer $token\"" 'header = "Content-Type: application/json"' \
      'header = "Expect:"' > "$work/settings"
    curl --config "$work/settings" -sS --retry 2 --connect-timeout 60 --max-time 600 \
      --data-binary "@$work/report" -o "$work/answer" -w 'the server answered %{http_code}\n' "$1" > "$work/log" 2>&1
  else
    fail 3 'neither wget nor curl is installed; nothing was reported'
  fi
}

# What rookery-php says of the trees of a profile, to be the member php of the report; nothing where it is not.
php_member() {
  [ -x "$PREFIX/usr/local/sbin/rookery-php" ] || return 0
  if "$PREFIX/usr/local/sbin/rookery-php" status --json --profile "$profile" > "$work/php" 2> "$work/log" &&
    head -n 1 "$work/php" | grep -q '^{"trees":\['; then
    printf ',"php":'
    cat "$work/php"
  else
    warn "rookery-php says nothing about its trees: $(tail -n 1 "$work/log")"
  fi
}

report_profile() {
  conf=$1
  profile=$(setting profile "$conf")
  channel=$(setting channel "$conf")
  server=$(setting server "$conf")
  timestamp=$(timestamp_of "$(index_file "$(setting uri "$conf")")")
  {
    printf '{"profile":"%s","channel":"%s","timestamp":%s,"installed":' "$profile" "$channel" "$timestamp"
    cat "$work/installed"
    printf ',"checks":'
    cat "$work/checks"
    php_member
    printf '}\n'
  } > "$work/report"
  if [ "$dry" = yes ]; then
    cat "$work/report"
    return 0
  fi
  sent=0
  send "$server/api/nodes/$node/report" || sent=$?
  answer=$(field answer "$work/answer")
  if [ -n "$answer" ]; then
    say "$answer"
    case $(cat "$work/answer") in
      *'"counts":true'*) ;;
      *) [ "$result" -gt 1 ] || result=1 ;;
    esac
    return 0
  fi
  result=4
  refusal=$(field title "$work/answer")
  if [ -z "$refusal" ] && [ "$sent" -eq 6 ] && grep -q 'Authentication Failed' "$work/log"; then
    # wget keeps no answer of status 401.
    warn "$server refused the report: the token in $token_file is not known, or it was revoked. [token-invalid]"
  elif [ -n "$refusal" ]; then
    warn "$server refused the report: $refusal [$(field code "$work/answer")]"
  else
    warn "$server gave no answer of a farm (status $sent): $(tail -n 3 "$work/log" | tr '\n' ' ')"
  fi
}
`;

const MAIN_PART = String.raw`
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
    fail 3 "this node is no client${D}{profile_wanted:+ of $profile_wanted}: there is no such file in $PREFIX/etc/rookery/node.d; run the setup script of a channel"
}

report() {
  for program in awk cat find grep head mktemp mv rm sed sort tail timeout tr; do
    command -v "$program" > /dev/null 2>&1 || fail 3 "$program is not installed; nothing was reported"
  done
  [ "$dry" = yes ] || prepare_token
  result=0
  run_checks
  installed_json > "$work/installed"
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
  work=$(mktemp -d)
  "$command"
}

# In braces, so that the shell has read all of it before a setup script replaces this file.
{ main "$@"; exit; }
`;
