
# What is known of a step, below var/lib/rookery/step/steps/ID: "asked" (rollout, timeout, boot, at, and its words as they came),
# "process" (pid, when it began, boot), "output", "result" (exit status, when). Each is there whole or not at all.

# write_record FILE, from the standard input.
write_record() {
  cat > "$1.new"
  sync "$1.new" 2> /dev/null || sync
  mv -f "$1.new" "$1"
  sync "${1%/*}" 2> /dev/null || sync
}

check_step_id() {
  case $1 in
    '' | .* | *[!A-Za-z0-9._-]*) fail 2 "\"$1\" is not the id of a step: letters, digits, \".\", \"_\", \"-\"" ;;
  esac
  [ "${#1}" -le 120 ] || fail 2 "\"$1\" is longer than 120 characters"
}

# asked KEY: of the step in $place.
asked() { sed -n "s/^$1 //p" "$place/asked" | head -n 1; }

# Whether a process of the step in $place lives: its runner, or one that the runner has left in its session. The kernel gives
# the number of a session to nobody while a process is in it.
is_alive() {
  [ -f "$place/process" ] || { is_being_taken; return; }
  read -r pid began boot < "$place/process"
  [ "$boot" = "$(boot_id)" ] || return 1
  now=$(start_of "$pid")
  [ "$now" != "$began" ] || return 0
  [ -z "$now" ] || return 1
  cat /proc/[0-9]*/stat 2> /dev/null | sed 's/.*) //' | awk -v session="$pid" '
    $4 == session && $1 != "Z" { found = 1 }
    END { exit !found }'
}

# Between the word of a start and its process there is only the start itself, which holds the lock.
is_being_taken() {
  [ "$(asked boot)" = "$(boot_id)" ] || return 1
  (
    exec 9> "$store/lock"
    ! flock -n 9
  ) || [ -f "$place/process" ]
}

was_reboot() { [ "$(sed -n 's/^=//p' "$place/asked" | head -n 1)" = reboot ]; }

say_done() {
  read -r code at < "$place/result"
  say "done $code"
  [ ! -f "$place/output" ] || tail -c 4000 "$place/output" | tr -d '\000-\010\013-\037\177'
}

state_of_step() {
  place=$steps/$1
  if [ ! -d "$place" ]; then
    say absent
  elif was_reboot && [ "$(asked boot)" != "$(boot_id)" ]; then
    say 'done 0'
    say 'the node was started anew'
  elif [ -f "$place/result" ]; then
    say_done
  elif is_alive; then
    say "running $(($(date +%s) - $(asked at)))"
  elif [ -f "$place/result" ]; then
    say_done
  else
    say interrupted
  fi
}

# The id of a step that has not ended, other than the one named.
step_at_work() {
  for place in "$steps"/*; do
    [ -d "$place" ] && [ "${place##*/}" != "$1" ] && [ ! -f "$place/result" ] || continue
    case $(state_of_step "${place##*/}") in
      running*) printf '%s\n' "${place##*/}"; return 0 ;;
    esac
  done
}

remove_old_results() {
  find "$steps" -mindepth 1 -maxdepth 1 -type d -mtime "+$result_days" | while IFS= read -r old; do
    [ ! -f "$old/result" ] && [ "$(place=$old; is_alive && printf yes)" = yes ] || rm -rf "$old"
  done
}
