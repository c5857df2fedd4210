import { GNUPG_PART } from './gnupg-part.ts';

/**
 * The part of the client script that brings the farm's key into the home with which Portage verifies
 * (BINPKG_GPG_VERIFY_GPG_HOME).
 *
 * Whether something has to be done is found out on a copy of the home, so that a run without news, and a dry run,
 * leave every byte of it as it is. Portage asks gpg with --no-auto-check-trustdb as a user of no rights: the trust
 * database has to be complete and readable for everybody.
 *
 * It reads `root`, `prefix`, `dry`, `work`, `home`, `option_home`, FINGERPRINT and the functions of the files part.
 */
export const KEYS_PART = String.raw`${GNUPG_PART}
# Lists the fingerprints of the primary keys that are to be trusted in $work/primaries. Others are imported as well: a
# revocation has to be known, and the end of a key may be moved later.
read_key() {
  mkdir -m 700 "$work/gnupg"
  public_key > "$work/key.asc"
  gpg_at "$work/gnupg" --with-colons --import-options show-only --import "$work/key.asc" \
    > "$work/listing" 2> "$work/log" || gpg_failed 'gpg cannot read the public key in this script'
  grep -q "^fpr:.*:$FINGERPRINT:" "$work/listing" ||
    fail 5 "the public key in this script does not have the fingerprint $FINGERPRINT"
  if [ "$(validity_of "$FINGERPRINT")" = bad ]; then
    fail 5 'the public key in this script expired or was revoked; get a new script from the server'
  fi
  valid_primaries > "$work/primaries"
}

# The home has to be getuto's from the start: it trusts Gentoo's own keys only when it makes the home itself.
call_getuto() {
  [ -z "$option_home" ] && [ -z "$prefix" ] && [ ! -d "$home" ] || return 0
  command -v getuto > /dev/null 2>&1 || return 0
  [ -f "$root/usr/share/openpgp-keys/gentoo-release.asc" ] && [ "$(id -u)" -eq 0 ] || return 0
  if [ "$dry" = yes ]; then
    say "would run getuto to make $home"
    return 0
  fi
  say "running getuto to make $home"
  ROOT=$root getuto < /dev/null > "$work/log" 2>&1 || gpg_failed 'getuto failed'
}

# Sets work_left to what is missing: nothing, import (then trust as well) or trust.
plan_key() {
  copy_home
  : > "$work/new-keys"
  while IFS= read -r key; do
    is_known "$work/gnupg" "$key" || printf '%s\n' "$key" >> "$work/new-keys"
  done < "$work/primaries"
  gpg_at "$work/gnupg" --status-fd 1 --import "$work/key.asc" > "$work/import" 2> "$work/log" ||
    gpg_failed 'gpg cannot import the public key in this script'
  work_left=nothing
  while IFS= read -r key; do
    is_trusted "$work/gnupg" "$key" || work_left=trust
  done < "$work/primaries"
  if grep ' IMPORT_OK ' "$work/import" | grep -Evq ' IMPORT_OK 0 '; then
    work_left=import
  fi
}

install_key() {
  call_getuto
  plan_key
  if [ "$work_left" != nothing ]; then
    if [ "$dry" = yes ]; then
      say "would import the key $FINGERPRINT into $home and trust it"
    else
      import_key
    fi
  else
    say "the key $FINGERPRINT is in $home and trusted"
  fi
  while IFS= read -r key; do remember uses "$key" "$home"; done < "$work/primaries"
  open_up 755 555 "$home"
  for name in pubring.kbx pubring.gpg trustdb.gpg; do open_up a+r 444 "$home/$name"; done
  [ "$dry" = yes ] || check_trust
}

import_key() {
  check_inside "$home"
  if [ ! -d "$home" ]; then
    remember home - "$home"
    make_folder "$home"
  fi
  while IFS= read -r key; do remember key "$key" "$home"; done < "$work/new-keys"
  gpg_at "$home" --import "$work/key.asc" > "$work/log" 2>&1 || gpg_failed "gpg cannot import into $home"
  while IFS= read -r key; do
    is_trusted "$work/gnupg" "$key" || trust_key "$key"
  done < "$work/primaries"
  gpg_at "$home" --check-trustdb < /dev/null > "$work/log" 2>&1 || gpg_failed "gpg cannot check the trust in $home"
  stop_agent "$home"
  say "imported the key $FINGERPRINT into $home"
}

check_trust() {
  copy_home
  while IFS= read -r key; do
    is_trusted "$work/gnupg" "$key" || fail 5 "the key $key is in $home, but gpg does not trust it"
  done < "$work/primaries"
  [ "$(id -u)" -eq 0 ] && command -v setpriv > /dev/null 2>&1 || return 0
  setpriv --reuid=nobody --regid=nogroup --clear-groups test -r "$home/trustdb.gpg" 2> /dev/null ||
    warn "the user nobody, as whom Portage verifies, cannot read $home/trustdb.gpg; check the folders above it"
}

remove_keys() {
  [ -f "$state" ] && [ -z "$heir" ] || return 0
  sed -n '/^trust /p' "$state" > "$work/keys"
  sed -n '/^key /p' "$state" >> "$work/keys"
  [ -s "$work/keys" ] || return 0
  if [ "$dry" = yes ]; then
    sed -n 's/^key \([^ ]*\) /rookery: would remove the key \1 from /p' "$work/keys"
    return 0
  fi
  command -v gpg > /dev/null 2>&1 || fail 3 'gpg is not installed, so that the imported key cannot be removed; nothing was undone'
  while IFS=' ' read -r kind key path; do
    path=$root$path
    is_known "$path" "$key" || continue
    case $kind in
      trust) printf '%s:2:\n' "$key" | gpg_at "$path" --import-ownertrust > "$work/log" 2>&1 ;;
      key) gpg_at "$path" --yes --delete-keys "$key" < /dev/null > "$work/log" 2>&1 && say "removed the key $key from $path" ;;
    esac || gpg_failed "gpg cannot remove the key $key from $path"
    gpg_at "$path" --check-trustdb < /dev/null > /dev/null 2>&1 || true
  done < "$work/keys"
}

# A home that was made by this script goes when no key of anybody else is in it.
remove_homes() {
  [ -f "$state" ] && [ -z "$heir" ] && [ "$dry" = no ] || return 0
  sed -n 's/^home - //p' "$state" > "$work/homes"
  while IFS= read -r path; do
    path=$root$path
    [ -d "$path" ] || continue
    stop_agent "$path"
    if gpg_at "$path" --with-colons --list-keys 2> /dev/null < /dev/null | grep -q '^pub:'; then
      say "left $path as it is: there are other keys in it"
      continue
    fi
    for name in pubring.kbx pubring.kbx~ trustdb.gpg random_seed tofu.db; do rm -f "$path/$name"; done
    rm -f "$path"/.\#lk* "$path"/*.lock "$path"/S.*
    for name in private-keys-v1.d openpgp-revocs.d; do rmdir "$path/$name" 2> /dev/null || true; done
    rmdir "$path" 2> /dev/null || say "left $path as it is: there are other files in it"
  done < "$work/homes"
}
`;
