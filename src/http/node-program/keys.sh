
# Takes over new keys of the farm. Nothing is believed of the way they came: a key of the farm that this node trusts already
# has to have signed them. A key whose end was moved is first brought up to date in a copy of the home (merge-only: gpg takes
# no key that is not there), or a node that comes late could not believe anything any more.

# remember KIND VALUE PATH, in the record of the setup script, whose --uninstall undoes it.
remember() {
  grep -Fxq -- "$1 $2 $3" "$record" || printf '%s\n' "$1 $2 $3" >> "$record"
}

# The fingerprints of all keys of the farm that are trusted in the copy of the home.
trusted_keys() {
  sed -n 's/^uses \([0-9A-F]*\) .*/\1/p' "$record" | sort -u | while IFS= read -r primary; do
    if is_trusted "$work/gnupg" "$primary"; then
      gpg_at "$work/gnupg" --with-colons --list-keys "$primary" | awk -F: '$1 == "fpr" { print $10 }'
    fi
  done
}

# Sets vouching to the key whose signature makes $work/keys.asc the farm's.
find_vouching() {
  vouching=
  mark=$(sha256sum < "$work/keys.asc" | cut -c1-16)
  trusted_keys > "$work/trusted"
  while IFS= read -r key <&3; do
    [ -z "$vouching" ] && fetch "$1.$mark.$key.sig" "$work/keys.sig" || continue
    gpg_at "$work/gnupg" --status-fd 1 --verify "$work/keys.sig" "$work/keys.asc" > "$work/status" 2> "$work/log" || continue
    if grep -q "^\[GNUPG:\] VALIDSIG $key " "$work/status" &&
      grep -Eq '^\[GNUPG:\] TRUST_(ULTIMATE|FULLY)' "$work/status"; then
      vouching=$key
    fi
  done 3< "$work/trusted"
}

keys_of_profile() {
  conf=$1
  profile=$(setting profile "$conf")
  uri=$(setting uri "$conf")
  home=$(setting gnupg "$conf")
  [ -n "$home" ] || home=/etc/portage/gnupg
  record=$PREFIX/var/lib/rookery-client/$profile
  [ -f "$record" ] && [ -d "$home" ] || fail 3 "the setup script of $profile has left no keys here; run it again"
  source=${uri%/binhost/*}/keys/rookery.asc
  if ! fetch "$source" "$work/keys.asc"; then
    warn "the keys of the farm cannot be had from $source: $(tail -n 1 "$work/log")"
    result=4
    return 0
  fi
  copy_home
  gpg_at "$work/gnupg" --import-options merge-only --import "$work/keys.asc" > "$work/log" 2>&1 ||
    gpg_failed "$source holds no public keys"
  gpg_at "$work/gnupg" --check-trustdb < /dev/null > /dev/null 2>&1 || true
  find_vouching "$source"
  if [ -z "$vouching" ]; then
    warn "no key of the farm that this node trusts has signed $source; if that is not expected, run the setup script of $profile again"
    result=4
    return 0
  fi
  take_keys
}

take_keys() {
  gpg_at "$work/gnupg" --with-colons --import-options show-only --import "$work/keys.asc" > "$work/listing" 2> "$work/log" ||
    gpg_failed 'gpg cannot read the public keys'
  valid_primaries > "$work/primaries"
  if [ "$dry" = yes ]; then
    while IFS= read -r key; do
      is_trusted "$home" "$key" || say "would import and trust the key $key in $home"
    done < "$work/primaries"
    return 0
  fi
  while IFS= read -r key; do
    is_known "$home" "$key" || remember key "$key" "$home"
  done < "$work/primaries"
  gpg_at "$home" --import "$work/keys.asc" > "$work/log" 2>&1 || gpg_failed "gpg cannot import into $home"
  gpg_at "$home" --check-trustdb < /dev/null > "$work/log" 2>&1 || gpg_failed "gpg cannot check the trust in $home"
  while IFS= read -r key <&3; do
    remember uses "$key" "$home"
    is_trusted "$home" "$key" && continue
    trust_key "$key"
    say "the key $key of the farm is now trusted, on the word of $vouching"
  done 3< "$work/primaries"
  gpg_at "$home" --check-trustdb < /dev/null > "$work/log" 2>&1 || gpg_failed "gpg cannot check the trust in $home"
  stop_agent "$home"
  for name in pubring.kbx pubring.gpg trustdb.gpg; do
    [ ! -f "$home/$name" ] || chmod a+r "$home/$name"
  done
  say "the keys of $profile are up to date"
}

keys() {
  for program in awk chmod cp cut gpg gpgconf grep mkdir rm sed sha256sum sort tail; do
    command -v "$program" > /dev/null 2>&1 || fail 3 "$program is not installed; nothing was changed"
  done
  result=0
  each_profile keys_of_profile
  stop_agent "$work/gnupg"
  exit "$result"
}
