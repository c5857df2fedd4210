#!/bin/sh
# rookery-step: steps of rollouts on this node. Written by the setup script of the farm, which also removes it (--uninstall).
set -eu
umask 022
LC_ALL=C
export LC_ALL
PREFIX='@PREFIX@'

usage() {
  cat << 'END-OF-THE-HELP'
Usage: rookery-step start ID [--timeout SECONDS] [--rollout NAME] COMMAND [ARGUMENT]...
       rookery-step state ID
       rookery-step look
       rookery-step health [ready|drain|maint]
       rookery-step releases
       rookery-step words [BASE64]

start    takes a step on and returns at once: it runs apart from this program and from whoever called it, and ends after its
         timeout at the latest (default: 3600). An id is run once at most; a second start says what became of the first
state    "absent", "running SECONDS", "interrupted" (it began, and there is neither a result nor a process), or
         "done STATUS" and the end of what it said
look     what serves here, a fact a line
health   whether balancers that ask this node for its health should use it; without a word, says what they are told
releases the releases of the web application that lie here, with what identifies their content
words    reads any of these commands from the standard input, or from BASE64: "rookery-step 1", a line "=WORD" for each word,
         and ".". Characters other than A-Z a-z 0-9 . _ / + @ , = ~ % : - are written as \0OOO, octal

Commands of steps, where PUBLICATION is PROFILE CHANNEL SERIAL DIGEST PATH:
  prefetch PUBLICATION           fetches the packages that a merge would take
  merge PUBLICATION              makes this node what the publication says: emerge of @world, binary packages only
  pull-php PROFILE ID MANIFEST   rookery-php pull, and that it is this tree
  activate-php PROFILE ID MANIFEST
  snapshot|restore-snapshot|drop-snapshot lvm|btrfs
  stop-web, start-web            the services of web-services
  restart-services NAME...       in this order
  rescan                         ends with 1 when a process that serves maps a file that was replaced
  reboot                         is done when the node was started anew
  activate-release NAME DIGEST   switches the web server to a release of the web application
  check TREE RELEASE PUBLICATION the node's own checks, and that it serves exactly this; "-" stands for "whatever it is"

Settings: etc/rookery/step.conf, one "key = value" a line; docs/fleet.md of the farm describes them.

Exit status: 0 done; 1 it was looked at, and is not good; 2 wrong usage; 3 something is missing on this node; 4 the farm
cannot be reached; 5 what came is not what the plan names; 6 a command of the node failed; 7 switched, and switched back;
8 switching back failed as well: look at the node; 9 another step is at work. 124: it did not end in time.
END-OF-THE-HELP
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "rookery-step: $*" >&2; }
fail() { code=$1; shift; warn "$*"; exit "$code"; }

need_programs() {
  for program in "$@"; do
    command -v "$program" > /dev/null 2>&1 || fail 3 "$program is not installed"
  done
}
