
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
    if [ -f "$work/system" ]; then
      printf ',"system":'
      cat "$work/system"
    fi
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
