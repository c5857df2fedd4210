#!/bin/sh
# What the init system of a node of the lab would do: lies in the node's root folder.
#   node.sh boot         starts sshd, and what serves unless web-off is there
#   node.sh web-start | web-stop | web-running
#   node.sh reboot       ends all of its processes at once and boots it anew, apart from whoever asked
#   node.sh kill         ends all of its processes at once
set -eu
root=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin
LAB_ROOT=$root
export PATH LAB_ROOT
unset ROOKERY_ROOT

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

# Twice: somebody may have been starting somebody.
kill_all() {
  kill -9 $(processes) 2> /dev/null || true
  kill -9 $(processes) 2> /dev/null || true
  rm -f "$root/web/pid" "$root/run/sshd.pid"
  rm -rf "$root/run/php"
}

case $1 in
  boot) boot ;;
  web-start) web_start ;;
  web-stop) web_stop ;;
  web-running) web_running ;;
  kill) kill_all ;;
  reboot) setsid sh "$0" die < /dev/null > "$root/reboot.log" 2>&1 & ;;
  die)
    sleep 0.2
    kill_all
    echo "boot-$(date +%s%N)" > "$root/boot-id"
    [ ! -e "$root/stays-down" ] || exit 0
    boot
    ;;
esac
