
take_lock() {
  mkdir -p "$steps"
  exec 9> "$store/lock"
  for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
    ! flock -n 9 || return 0
    sleep 0.2
  done
  fail 9 'another rookery-step is taking a step on'
}

start() {
  timeout_wanted=3600
  rollout=-
  [ "$#" -gt 0 ] || fail 2 'start needs an id; see --help'
  check_step_id "$1"
  id=$1
  shift
  while [ "$#" -gt 0 ]; do
    case $1 in
      --timeout) need_value "$1" "$#"; timeout_wanted=$2; shift 2 ;;
      --rollout) need_value "$1" "$#"; rollout=$2; shift 2 ;;
      *) break ;;
    esac
  done
  check_number --timeout "$timeout_wanted"
  [ "$timeout_wanted" -gt 0 ] || fail 2 '--timeout has to be more than 0'
  check_word rollout "${rollout#-}x"
  [ "$#" -gt 0 ] || fail 2 'start needs a command; see --help'
  check_command "$@"
  need_programs awk cut date find flock head sed setsid sync tail timeout tr
  take_lock
  if [ ! -d "$steps/$id" ]; then
    other=$(step_at_work "$id")
    [ -z "$other" ] || fail 9 "the step $other is at work here"
    remove_old_results
    take_on "$@"
  fi
  state_of_step "$id"
}

take_on() {
  fresh=$steps/.new.$id
  rm -rf "$fresh"
  mkdir "$fresh"
  {
    printf '%s\n' "rollout $rollout" "timeout $timeout_wanted" "boot $(boot_id)" "at $(date +%s)"
    encode_words "$@"
  } | write_record "$fresh/asked"
  : > "$fresh/output"
  mv -T "$fresh" "$steps/$id"
  sync "$steps" 2> /dev/null || sync
  tell_log "$rollout: $id: $*"
  setsid sh "$self" run "$id" < /dev/null >> "$steps/$id/output" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  left=100
  while [ ! -f "$steps/$id/process" ] && [ "$left" -gt 0 ]; do
    left=$((left - 1))
    sleep 0.05 2> /dev/null || sleep 1
  done
}

tell_log() {
  [ -z "$root" ] && command -v logger > /dev/null 2>&1 || return 0
  logger -t rookery-step -- "$1" 2> /dev/null || true
}

# What setsid starts: runs the step of its words within its time, and writes down what came of it.
run_step() {
  check_step_id "$1"
  place=$steps/$1
  [ -f "$place/asked" ] && [ ! -f "$place/process" ] || fail 2 "the step $1 is not one to be run"
  # Whoever is stopped is the step, not who writes down how it ended. Handlers, unlike ignored signals, are not inherited.
  trap : HUP INT TERM
  printf '%s %s %s\n' "$$" "$(start_of "$$")" "$(boot_id)" | write_record "$place/process"
  seconds=$(asked timeout)
  sed -n '/^=/p' "$place/asked" > "$work/words"
  set --
  while IFS= read -r line; do
    decode_word "${line#=}"
    set -- "$@" "$decoded"
  done < "$work/words"
  status=0
  timeout -k 10 "$seconds" sh "$self" do "$@" || status=$?
  [ "$status" -ne 124 ] || say "it did not end within $seconds seconds"
  printf '%s %s\n' "$status" "$(date +%s)" | write_record "$place/result"
  tell_log "${place##*/}: ended with $status"
}
