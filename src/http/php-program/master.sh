
# What the check URL runs, and the first thing that a new master answers.
write_check_script() {
  mkdir -p "$store"
  check_script=$store/check.php
  printf '%s\n' '<?php' "header('Content-Type: text/plain');" "header('Cache-Control: no-store');" \
    "echo get_cfg_var('rookery.tree'), \"\\n\";" > "$work/check.php"
  cmp -s "$work/check.php" "$check_script" || cp "$work/check.php" "$check_script"
}

# Asks the new master itself, before any visitor does, for the check script and for what is in SITE/warm-up.
warm_up() {
  write_check_script
  set -- "$check_script"
  if [ -f "$site/warm-up" ]; then
    while IFS= read -r line; do
      case $line in '' | '#'*) ;; *) set -- "$@" "$line" ;; esac
    done < "$site/warm-up"
  fi
  in_tree "$tree/bin/php" -n -r "$FASTCGI_CLIENT" -- "$run/$id.sock" "$@" > "$work/answers" 2> "$work/log" ||
    { note "the new php-fpm does not answer: $(tail -n 1 "$work/log")"; return 1; }
  said=$(head -n 1 "$work/answers")
  [ "$said" = "200 $id" ] || { note "the new php-fpm answers \"$said\" to $check_script, not \"200 $id\""; return 1; }
  shift
  sed 1d "$work/answers" > "$work/pages"
  while IFS= read -r line; do
    case $line in
      [234]*) ;;
      *) note "the new php-fpm answers \"$line\" to $1"; return 1 ;;
    esac
    shift
  done < "$work/pages"
  say "warmed up $id: $(wc -l < "$work/answers" | tr -d ' ') answers through $run/$id.sock"
}

# Starts the master of id beside the others, or takes the one that runs with the same configuration.
start_master() {
  started=no
  rendered=$store/$id.php-fpm.conf
  pid=$(pid_of "$id")
  if [ -n "$pid" ]; then
    if cmp -s "$work/php-fpm.conf" "$rendered"; then
      say "the php-fpm of $id runs already (pid $pid)"
      return 0
    fi
    [ "$id" != "$serving" ] || refuse 'its php-fpm serves, with another configuration'
    say "ending the php-fpm of $id, which has another configuration"
    quit_master "$id" 30
  fi
  mkdir -p "$run" "$log"
  cp "$work/php-fpm.conf" "$rendered"
  rm -f "$run/$id.sock" "$run/$id.pid"
  php_of sbin/php-fpm -y "$rendered" -D > "$work/log" 2>&1 < /dev/null 9>&- || {
    tail -n 5 "$work/log" >&2
    refuse 'php-fpm does not start'
  }
  started=yes
  for wait in 1 2 3 4 5 6 7 8 9 10; do
    pid=$(pid_of "$id")
    [ -z "$pid" ] || [ ! -S "$run/$id.sock" ] || break
    sleep 0.2
  done
  if [ -z "$pid" ] || [ ! -S "$run/$id.sock" ]; then
    quit_master "$id" 5 || true
    refuse "php-fpm has started, but $run/$id.pid or $run/$id.sock is not there: its configuration names others"
  fi
  say "started the php-fpm of $id (pid $pid)"
}

# quit_master ID SECONDS: QUIT lets the requests under way end; TERM would not. Waits that long for the end.
quit_master() {
  pid=$(pid_of "$1")
  [ -n "$pid" ] || return 0
  kill -QUIT "$pid" 2> /dev/null || true
  left=$(($2 * 10))
  while [ -n "$(pid_of "$1")" ]; do
    [ "$left" -gt 0 ] || { note "the php-fpm of $1 (pid $pid) is ending: requests are under way"; return 1; }
    left=$((left - 1))
    sleep 0.1
  done
  say "ended the php-fpm of $1 (pid $pid)"
}

# Ends masters whose keep time is over; with all, every one that does not serve.
retire_masters() {
  serving=$(included)
  now=$(date +%s)
  [ -f "$state" ] || return 0
  mkdir -p "$work"
  sed -n 's/^keep //p' "$state" > "$work/kept"
  while read -r kept until; do
    [ "$kept" != "$serving" ] || { put_state "keep $kept" ''; continue; }
    [ "${1:-}" = all ] || [ "$until" -le "$now" ] || continue
    quit_master "$kept" 5 || continue
    put_state "keep $kept" ''
  done < "$work/kept"
}

retire() {
  need_programs awk date flock sed sync
  if [ "$waiting" = yes ]; then
    mkdir -p "$run"
    exec 8> "$run/retire.lock"
    flock -n 8 || exit 0
    while [ -f "$state" ] && grep -q '^keep ' "$state"; do
      sleep 5
      awk -v now="$(date +%s)" '$1 == "keep" && $3 <= now { due = 1 } END { exit !due }' "$state" || continue
      (take_lock && retire_masters) || true
    done
    exit 0
  fi
  take_lock
  if [ "$at_once" = yes ]; then retire_masters all; else retire_masters; fi
}

# One process waits for the ends of all keep times. It must not hold this program's lock, or its output.
retire_later() {
  set -- sh "$self" retire --wait
  ! command -v setsid > /dev/null 2>&1 || set -- setsid "$@"
  "$@" > /dev/null 2>&1 < /dev/null 9>&- &
}

start() {
  need_programs awk cmp env find flock sed sha256sum sync
  take_lock
  id=$(included)
  [ -n "$id" ] || fail 3 "no tree is active: $include names none"
  serving=
  tree=$trees/$id
  allow_withdrawn=yes
  check_allowed
  [ "$web_server" != apache-mod-php ] || { say "$id runs in Apache"; exit 0; }
  check_room
  render "$work/php-fpm.conf"
  check_configuration "$work/php-fpm.conf"
  start_master
}

stop() {
  need_programs awk flock
  take_lock
  for id in $(resident_trees); do
    quit_master "$id" 30 || true
  done
}
