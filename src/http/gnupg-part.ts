/**
 * Shell functions for homes of gpg, shared by the client script and the program it leaves on a node.
 *
 * They read `home` and `work`, and call `fail`, `warn` and `remember KIND VALUE PATH`. `$work/listing` is what gpg shows
 * of the public keys that came, in colons.
 */
export const GNUPG_PART = String.raw`
gpg_at() {
  at=$1
  shift
  gpg --homedir "$at" --batch --no-tty --quiet --no-permission-warning --no-auto-check-trustdb "$@"
}

stop_agent() { gpgconf --homedir "$1" --kill all > /dev/null 2>&1 || true; }

gpg_failed() {
  cat "$work/log" >&2
  fail 5 "$1"
}

is_known() { gpg_at "$1" --list-keys "$2" > /dev/null 2>&1; }

is_trusted() {
  gpg_at "$1" --with-colons --list-keys "$2" 2> /dev/null | grep -Eq '^(pub|uid):[uf]:'
}

copy_home() {
  rm -rf "$work/gnupg"
  mkdir -m 700 "$work/gnupg"
  for name in pubring.kbx pubring.gpg trustdb.gpg; do
    [ ! -f "$home/$name" ] || cp "$home/$name" "$work/gnupg/$name"
  done
}

# Of the primary keys in $work/listing those that neither expired nor were revoked.
valid_primaries() {
  awk -F: '$1 == "pub" { wanted = $2 !~ /^[er]/ } $1 == "fpr" && wanted { print $10; wanted = 0 }' "$work/listing"
}

# Whether the primary key with this fingerprint, or of the subkey with it, is good or bad.
validity_of() {
  awk -F: -v key="$1" '
    $1 == "pub" { state = $2 ~ /^[er]/ ? "bad" : "good" }
    $1 == "fpr" && $10 == key { print state; exit }' "$work/listing"
}

# With getuto there is a local key whose signature makes other keys valid. Without it the key itself is trusted.
trust_key() {
  if [ -f "$home/pass" ]; then
    set -- "$1" --yes --pinentry-mode loopback --passphrase-file "$home/pass"
    if [ -s "$home/mykeyid" ]; then
      set -- "$@" --default-key "$(head -n 1 "$home/mykeyid")"
    fi
    signed=$1
    shift
    if gpg_at "$home" "$@" --quick-lsign-key "$signed" < /dev/null > "$work/log" 2>&1; then
      return 0
    fi
    warn "the local key in $home cannot sign; the key is trusted by itself instead"
    set -- "$signed"
  fi
  remember trust "$1" "$home"
  printf '%s:6:\n' "$1" | gpg_at "$home" --import-ownertrust > "$work/log" 2>&1 ||
    gpg_failed "gpg cannot trust the key in $home"
}
`;
