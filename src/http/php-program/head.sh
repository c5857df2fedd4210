#!/bin/sh
# rookery-php: PHP trees on this node. Written by the setup script of the farm, which also removes it (--uninstall).
set -eu
umask 022
LC_ALL=C
export LC_ALL
PREFIX='@PREFIX@'

usage() {
  cat << 'END-OF-THE-HELP'
Usage: rookery-php pull [ID|CHANNEL] [--bwlimit KBPS] [--profile PROFILE]
       rookery-php verify [ID]...
       rookery-php activate ID [--check-url URL] [--keep-minutes N] [--mod-php] [--allow-withdrawn]
       rookery-php rollback [the options of activate]
       rookery-php status [--verify] [--json] [--profile PROFILE]
       rookery-php prune [ID]...
       rookery-php start | stop | retire [--now]

pull      fetches a tree with rsync: that of a channel (default: the channel of this node) or the one named. Nothing is
          believed that a key of the farm has not signed; the tree stands in its place whole, or not at all
verify    reads trees in full and compares them with their MANIFEST
activate  starts the PHP of a tree beside the one that serves, warms it up, switches the web server's include, asks the
          web server which PHP answers, and switches back when it is another. The old one stays for the keep time
rollback  activates the tree before, or switches an activation back that was stopped half way
status    what is here, what serves, what runs. --verify reads all trees
prune     removes trees that are not in use: all that no channel of the farm shows, or those named
start     starts the PHP of the active tree, at boot; stop ends all of them, after their requests
retire    ends those whose keep time is over (--now: every one that does not serve). Runs by itself after activate

  --bwlimit KBPS      as rsync has it
  --profile PROFILE   trees of this profile, where the node has several
  --check-url URL     what to ask instead of check-url
  --keep-minutes N    instead of keep-minutes
  --mod-php           stop Apache, switch its module, start it; drain the node before
  --allow-withdrawn   take a tree although the farm does not list it any more
  --dry-run           of pull, activate, rollback and prune: check all there is to check, change nothing
  --json              for programs
  --help              show this

Settings: etc/rookery/php.conf, one "key = value" a line; docs/clients.md of the farm describes them.

Exit status: 0 done, or nothing to do; 1 a tree is not as its MANIFEST says (verify, status --verify); 2 wrong usage;
3 something is missing on this node: a program, a setting, disk space, or what has to be there before; 4 the farm cannot be
reached, or does not have it; 5 what the farm or the disk has is not to be trusted: signature, serial, digest, files;
6 this node cannot run the tree: libraries, php-fpm -t, extensions, warm-up; nothing was changed; 7 switched, and
switched back: the old PHP serves; 8 switching back failed as well: look at the node; 9 another rookery-php is at work.

Examples:
  rookery-php pull testing --bwlimit 5000
  rookery-php activate 8.2.31-web-v3-r1 --keep-minutes 30
END-OF-THE-HELP
}

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "rookery-php: $*" >&2; }
fail() { code=$1; shift; note "$*"; exit "$code"; }

# Stands in gpg's functions for the record of the setup script; nothing here changes a home.
remember() { :; }

need_programs() {
  for program in "$@"; do
    command -v "$program" > /dev/null 2>&1 || fail 3 "$program is not installed"
  done
}

# One change at a time. The kernel gives the lock back when this program ends; what stays running must not inherit it.
# A moment is waited for, because the end of a keep time takes it as well.
take_lock() {
  [ "$dry" = no ] || return 0
  [ -d "$store" ] || mkdir -p "$store"
  exec 9> "$store/lock"
  for wait in 1 2 3 4 5 6 7 8 9 10; do
    ! flock -n 9 || return 0
    sleep 0.2
  done
  fail 9 "another rookery-php is at work here"
}
