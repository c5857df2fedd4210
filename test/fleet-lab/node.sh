#!/bin/sh
# What the init system of a node of the lab would do: lies in the node's root folder. With a file "netns" beside it, which names a
# network namespace, the node is in there, and in a process namespace whose first process is this.
#   node.sh boot         starts sshd, and what serves unless web-off is there
#   node.sh web-start | web-stop | web-running
#   node.sh reboot       ends all of its processes at once and boots it anew, apart from whoever asked
#   node.sh kill         ends all of its processes at once
#   node.sh within COMMAND...   runs it on the node
set -eu
root=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
LAB_ROOT=$root
TMPDIR=$root/tmp
export PATH LAB_ROOT TMPDIR
unset ROOKERY_ROOT
netns=
[ ! -f "$root/netns" ] || netns=$(cat "$root/netns")

# With libraries that the file preload names, when it is there.
nginx() { LD_PRELOAD=$(cat "$root/preload" 2> /dev/null || true) command nginx -e "$root/web/error.log" -p "$root/web" -c "$root/web/server.conf" "$@"; }

is_alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2> /dev/null; }

await_end() {
  left=300
  while is_alive "$1" && [ "$left" -gt 0 ]; do
    left=$((left - 1))
    sleep 0.1
  done
  ! is_alive "$1"
}

web_start() {
  "$root/usr/local/sbin/rookery-php" start
  is_alive "$root/web/pid" || nginx
}

web_stop() {
  if is_alive "$root/web/pid"; then
    nginx -s quit
    await_end "$root/web/pid"
  fi
  "$root/usr/local/sbin/rookery-php" stop
}

web_running() {
  is_alive "$root/web/pid" || return 1
  for file in "$root"/run/php/*.pid; do
    ! is_alive "$file" || return 0
  done
  return 1
}

boot() {
  is_alive "$root/run/sshd.pid" || "$(command -v sshd)" -f "$root/etc/sshd_config" -E "$root/sshd.log"
  [ -e "$root/web-off" ] || web_start
}

# All of this node's processes but this one: those with its mark in their environment, its masters, and whom these have
# started, to the third generation.
processes() {
  set -- $(grep -lzxF "LAB_ROOT=$root" /proc/[0-9]*/environ 2> /dev/null | tr -cd '0-9\n')
  for file in "$root/web/pid" "$root/run/sshd.pid" "$root"/run/php/*.pid; do
    ! is_alive "$file" || set -- "$@" "$(cat "$file")"
  done
  young=$*
  for generation in 1 2 3; do
    young=$(for pid in $young; do cat "/proc/$pid/task/$pid/children" 2> /dev/null || true; done)
    set -- "$@" $young
  done
  for pid in "$@"; do
    [ "$pid" = "$$" ] || printf '%s\n' "$pid"
  done
}

# What the boot before has left.
forget() {
  rm -f "$root/web/pid" "$root/run/sshd.pid"
  rm -rf "$root/run/php"
}

# Twice: somebody may have been starting somebody.
kill_all() {
  kill -9 $(processes) 2> /dev/null || true
  kill -9 $(processes) 2> /dev/null || true
  forget
}

note_boot() { echo "boot-$(date +%s%N)" | tee -a "$root/reboots" > "$root/boot-id"; }

# The rest is for nodes in namespaces. Of these nobody but the node sees its processes: their numbers are its own.
is_inside() { [ -z "$netns" ] || [ "$(readlink /proc/self/ns/pid)" = "$(cat "$root/inside" 2> /dev/null)" ]; }

enter() {
  outer=$(cat "$root/unshare.pid")
  exec nsenter -t "$(cat "/proc/$outer/task/$outer/children" | tr -d ' ')" -n -p -m -- "$@"
}

isolate() {
  ! is_alive "$root/supervisor.pid" || return 0
  rm -f "$root/up"
  setsid sh "$0" supervise < /dev/null >> "$root/supervisor.log" 2>&1 &
  left=300
  while [ ! -e "$root/up" ] && [ "$left" -gt 0 ]; do
    left=$((left - 1))
    sleep 0.1
  done
  [ -e "$root/up" ]
}

# Boots it again and again: with the first process, the kernel ends all others.
supervise() {
  echo "$$" > "$root/supervisor.pid"
  while :; do
    ip netns exec "$netns" unshare --pid --fork --kill-child --mount-proc sh "$0" init &
    echo "$!" > "$root/unshare.pid"
    wait "$!" || true
    note_boot
    [ ! -e "$root/stays-down" ] || break
  done
  rm -f "$root/supervisor.pid"
}

init() {
  trap 'exit 0' TERM
  readlink /proc/self/ns/pid > "$root/inside"
  forget
  boot
  : > "$root/up"
  while :; do
    sleep 1000 &
    wait "$!" || true
  done
}

kill_isolated() {
  for file in "$root/supervisor.pid" "$root/unshare.pid"; do
    ! is_alive "$file" || kill -9 "$(cat "$file")" || true
    rm -f "$file"
  done
  forget
}

case $1 in
  within)
    shift
    is_inside || enter "$@"
    exec "$@"
    ;;
  web-* | reboot) is_inside || enter sh "$root/node.sh" "$@" ;;
esac
case $1 in
  boot) if [ -n "$netns" ]; then isolate; else boot; fi ;;
  supervise) supervise ;;
  init) init ;;
  web-start) web_start ;;
  web-stop) web_stop ;;
  web-running) web_running ;;
  kill) if [ -n "$netns" ]; then kill_isolated; else kill_all; fi ;;
  reboot)
    if [ -n "$netns" ]; then
      setsid sh -c 'sleep 0.2; kill -TERM 1' < /dev/null > "$root/reboot.log" 2>&1 &
    else
      setsid sh "$0" die < /dev/null > "$root/reboot.log" 2>&1 &
    fi
    ;;
  die)
    sleep 0.2
    kill_all
    note_boot
    [ ! -e "$root/stays-down" ] || exit 0
    boot
    ;;
esac
