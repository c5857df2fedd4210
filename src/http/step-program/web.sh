
# service_command DEED NAME: what this system does it with.
service_command() {
  if command -v rc-service > /dev/null 2>&1; then
    printf 'rc-service %s %s\n' "$2" "$1"
  elif command -v systemctl > /dev/null 2>&1; then
    printf 'systemctl %s %s\n' "$1" "$2"
  else
    fail 3 "neither rc-service nor systemctl is installed: set $1-command in $conf"
  fi
}

need_services() { [ -n "$web_services" ] || fail 3 "set web-services in $conf: the services to stop and start, in the order to start them"; }

stop_web() {
  if [ -n "$stop_command" ]; then
    run_command "$stop_command" || exit 6
    return 0
  fi
  need_services
  reversed=
  for service in $web_services; do reversed="$service $reversed"; done
  for service in $reversed; do
    run_command "$(service_command stop "$service")" || exit 6
  done
}

start_web() {
  if [ -n "$start_command" ]; then
    run_command "$start_command" || exit 6
    return 0
  fi
  need_services
  for service in $web_services; do
    run_command "$(service_command start "$service")" || exit 6
  done
}

# Whether all that serves runs.
is_web_running() {
  if [ -n "$running_command" ]; then
    sh -c "$running_command" > /dev/null 2>&1 < /dev/null
    return
  fi
  [ -n "$web_services" ] || return 1
  for service in $web_services; do
    if command -v rc-service > /dev/null 2>&1; then
      rc-service "$service" status > /dev/null 2>&1 || return 1
    else
      systemctl is-active --quiet "$service" 2> /dev/null || return 1
    fi
  done
}

restart_services() {
  for service in "$@"; do
    if [ -n "$restart_command" ]; then
      set_command=$(printf '%s\n' "$restart_command" | sed "s|@NAME@|$service|g")
    else
      set_command=$(service_command restart "$service")
    fi
    run_command "$set_command" || exit 6
  done
}

# The processes that serve and map code that is no more: "NAME PID FILE" a line. Memory that was never a file of code has names
# that end the same: only what may be run counts, and no devices and no memory files. Of a prefix only its own files count,
# wherever it lies.
stale_maps() {
  for place in /proc/[0-9]*; do
    [ -r "$place/maps" ] || continue
    name=$(cat "$place/comm" 2> /dev/null) || continue
    serves "$name" || continue
    case $(readlink "$place/root" 2> /dev/null) in
      "${root:-/}" | /) ;;
      *) continue ;;
    esac
    awk -v name="$name" -v pid="${place##*/}" -v own="$base/" '
      function counts(path) { return own == "/" ? path ~ /^\// && path !~ /^\/(dev|memfd:|SYSV|proc|run|tmp)/ : index(path, own) == 1 }
      $2 ~ /x/ && / \(deleted\)$/ && counts($6) && !($6 in seen) {
        seen[$6] = 1
        print name, pid, $6
      }' "$place/maps" 2> /dev/null || true
  done
}

serves() {
  for known in $web_processes; do
    case $1 in "$known" | "$known"[0-9.:-]*) return 0 ;; esac
  done
  return 1
}

rescan() {
  need_programs awk readlink
  stale_maps > "$work/stale"
  if [ -s "$work/stale" ]; then
    say 'these processes serve with files that were replaced:'
    head -n 50 "$work/stale"
    exit 1
  fi
  say 'no process that serves maps a file that was replaced'
}

# It is done when another boot says so: see state_of_step.
reboot() {
  this_boot=$(boot_id)
  sync
  run_command "$reboot_command" || exit 6
  say 'waiting for the end of this boot'
  while [ "$(boot_id)" = "$this_boot" ]; do sleep 1; done
}
