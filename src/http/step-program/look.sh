
ask() {
  if command -v curl > /dev/null 2>&1; then
    curl -fsS --max-time 5 "$1" 2> "$work/log"
  elif command -v wget > /dev/null 2>&1; then
    timeout 5 wget -q -O - "$1" 2> "$work/log"
  else
    fail 3 'neither curl nor wget is installed'
  fi
}

# answers URL WORD: whether it is the first line of the answer, five times in a row, within check-seconds. Old workers may still
# answer at first. Sets said.
answers() {
  right=0
  end=$(($(date +%s) + check_seconds))
  while :; do
    if ask "$1" > "$work/answer"; then
      said=$(head -n 1 "$work/answer" | tr -cd 'A-Za-z0-9._+@,=~%: -' | cut -c1-100)
    else
      said="no answer ($(tail -n 1 "$work/log"))"
    fi
    if [ "$said" = "$2" ]; then
      right=$((right + 1))
      [ "$right" -lt 5 ] || return 0
    else
      right=0
      [ "$(date +%s)" -lt "$end" ] || return 1
      sleep 0.1
    fi
  done
}

# What php-fpm says of its processes: "QUEUED IDLE ACTIVE", or nothing. Its status page is at /rookery-php-status.
php_workers() {
  tree=$(php_active)
  socket=$base/run/php/$tree.sock
  [ -n "$tree" ] && [ -S "$socket" ] && [ -x "$base/opt/php/$tree/bin/php" ] || return 0
  set -- timeout 5 "$base/opt/php/$tree/bin/php" -n -r "$FASTCGI_CLIENT" -- "$socket" '/rookery-php-status?json'
  [ ! -d "$base/opt/php/$tree/lib/private" ] || set -- env LD_LIBRARY_PATH="$base/opt/php/$tree/lib/private" "$@"
  PHP_INI_SCAN_DIR='' "$@" 2> /dev/null | awk '
    function number(name,    at, rest) {
      at = index($0, "\"" name "\":")
      rest = substr($0, at + length(name) + 3)
      return at && rest ~ /^[0-9]/ ? rest + 0 : "-"
    }
    NR == 1 && $1 == 200 { print number("listen queue"), number("idle processes"), number("active processes") }'
}

look() {
  say "boot-id $(boot_id)"
  say "kernel $(uname -r)"
  if is_web_running; then say 'web running'; else say 'web stopped'; fi
  active=$(php_active)
  say "php ${active:--}"
  active=$(release_active)
  say "release ${active:--}"
  if [ -f "$store/merged" ]; then
    read -r profile channel serial digest timestamp < "$store/merged"
    say "merged $timestamp"
  else
    say 'merged -'
  fi
  workers=$(php_workers) || workers=
  say "workers ${workers:-- - -}"
}

# The file that the node's health URL looks at: with it the node says that it leaves. A restart of the node must not forget it.
health() {
  [ "$#" -le 1 ] || fail 2 'health takes one word; see --help'
  case ${1:-} in
    '') ;;
    ready) rm -f "$health_file" ;;
    drain | maint)
      mkdir -p "${health_file%/*}"
      [ "$(health_told)" = "$1" ] || printf '%s\n' "$1" | write_record "$health_file"
      ;;
    *) fail 2 "\"$1\" is none of ready, drain and maint" ;;
  esac
  told=$(health_told)
  since=0
  [ "$told" = ready ] || since=$(($(date +%s) - $(date -r "$health_file" +%s)))
  say "health $told $since"
  if is_web_running; then say 'web running'; else say 'web stopped'; fi
}

health_told() {
  told=ready
  [ ! -f "$health_file" ] || read -r told < "$health_file" || told=drain
  case $told in ready | maint) say "$told" ;; *) say drain ;; esac
}
