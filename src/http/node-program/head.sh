#!/bin/sh
# rookery-node: tells the farm what this node has installed. Written by the setup script of the farm, which also
# removes it (--uninstall).
set -eu
umask 077
LC_ALL=C
export LC_ALL
PREFIX='@PREFIX@'

usage() {
  cat << 'END-OF-THE-HELP'
Usage: rookery-node report [--check NAME]... [--dry-run] [--profile PROFILE] [--name NAME]
                           [--token-file FILE] [--timeout SECONDS]
       rookery-node status
       rookery-node keys [--dry-run] [--profile PROFILE]

report   runs the checks, and tells the farm how they went and which packages are installed. The farm answers
         whether this counts as proof of the publication that this node has the index of.
status   shows what this node would report about, without running or sending anything
keys     takes over new keys of the farm, and what was revoked or extended. They have to be signed by a key of the farm
         that this node trusts already. Needs gpg, and root; run it daily, before a new key of the farm signs

  --check NAME        run only this check; may be repeated. Checks that a report leaves out are not passed
  --dry-run           run the checks and print the report, send nothing; of keys, say what would be trusted
  --profile PROFILE   report about this profile only, where a node has several
  --name NAME         name of this node: that of its token (default: the host name up to the first dot)
  --token-file FILE   file with a token of role node, readable by its owner only (default: etc/rookery/node.token)
  --timeout SECONDS   how long each check may take (default: 60)

Checks are the executable files in etc/rookery/checks.d, run in the order of their names, which are of letters, digits,
"_" and "-". Exit status 0 is passed; what a check says first is kept.

Exit status: 0 it counts; 1 it was reported and does not count; 2 wrong usage; 3 something is missing on this node;
4 the farm refused it or cannot be reached.

Example:
  rookery-node report --check http --check php
END-OF-THE-HELP
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "rookery-node: $*" >&2; }
fail() { code=$1; shift; warn "$*"; exit "$code"; }
