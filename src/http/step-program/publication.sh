
# take_publication PROFILE CHANNEL SERIAL DIGEST PATH: its index into $work/Packages, the very one that the plan names. Sets
# source (its address) and timestamp.
take_publication() {
  source=
  home=
  for file in "$base"/etc/rookery/node.d/*.conf; do
    [ -f "$file" ] && [ "$(sed -n 's/^profile = //p' "$file" | head -n 1)" = "$1" ] || continue
    uri=$(sed -n 's/^uri = //p' "$file" | head -n 1)
    source=${uri%/binhost/*}$5
    home=$(sed -n 's/^gnupg = //p' "$file" | head -n 1)
  done
  [ -n "$source" ] ||
    fail 3 "this node is no client of $1: no file in $base/etc/rookery/node.d says so; run the setup script of a channel"
  fetch "$source/Packages" "$work/Packages" ||
    fail 4 "$source/Packages cannot be had: $(tail -n 1 "$work/log")"
  digest=$(sha256sum < "$work/Packages" | cut -d' ' -f1)
  [ "$digest" = "$4" ] ||
    fail 5 "$source/Packages has the digest $digest; the plan names $4"
  timestamp=$(awk '/^$/ { exit } /^TIMESTAMP: [0-9]+$/ { print $2; exit }' "$work/Packages")
  [ -n "$timestamp" ] || fail 5 "$source/Packages has no TIMESTAMP"
  say "publication $3 of $1/$2, TIMESTAMP $timestamp, is what the plan names"
}

# Where Portage looks for a configuration, with one source of packages: the publication, frozen, its index the one that was
# checked. All else in there is a link to what this system has. Portage takes packages of PKGDIR as well, even with
# --getbinpkgonly, so that a newer one there would win: it gets a PKGDIR that is empty.
make_configuration() {
  configuration=$store/configuration
  rm -rf "$configuration"
  mkdir -p "$configuration/etc/portage" "$configuration/packages"
  real=${PORTAGE_CONFIGROOT:-$base}
  for name in "$real"/etc/portage/* "$real"/etc/make.conf; do
    [ -e "$name" ] || continue
    case $name in */binrepos.conf) continue ;; esac
    ln -s "$(readlink -f "$name")" "$configuration/${name#"$real"/}"
  done
  {
    printf '%s\n' "[rookery-$1]" "sync-uri = $source" 'priority = 10'
    printf '%s\n' "location = $PREFIX/var/cache/binhost/rookery-$1" 'verify-signature = true' 'frozen = true'
  } | sed 's/%/%%/g' > "$configuration/etc/portage/binrepos.conf"
  put_index "$(index_file "$source")"
}

put_index() {
  mkdir -p "${1%/*}"
  cp "$work/Packages" "$1.new"
  mv -f "$1.new" "$1"
}

# Of an option that is said twice Portage takes the last: the settings cannot make it ask, compile, or forbid to go back.
# Backups of what is replaced would be put into the PKGDIR that is thrown away, and one that fails would end the merge halfway:
# the way back is the publication before, or the snapshot.
run_emerge() {
  say "+ emerge $*"
  FEATURES="${FEATURES:-} -unmerge-backup -downgrade-backup" PORTAGE_CONFIGROOT=$configuration PORTAGE_BINHOST='' PKGDIR=$configuration/packages \
    "$emerge_command" --ignore-default-opts --color=n --nospinner --with-bdeps=n $emerge_options \
    --ask=n --usepkgonly=y --getbinpkgonly=y --update --deep --newuse --rebuilt-binaries=y "$@" @world < /dev/null 2>&1
}

need_portage() {
  need_programs awk cut "$emerge_command" readlink sed sha256sum sync tail
  case $emerge_options in *[!A-Za-z0-9._=@/\ -]*) fail 3 "emerge-options has characters that are not plain" ;; esac
  [ -z "${PORTAGE_BINHOST:-}" ] || fail 3 'PORTAGE_BINHOST is set, and makes verify-signature void'
}

prefetch() {
  need_portage
  take_publication "$@"
  make_configuration "$1"
  run_emerge --fetchonly || fail 6 'emerge could not fetch all of it'
}

merge() {
  need_portage
  take_publication "$@"
  make_configuration "$1"
  rm -f "$store/merged"
  run_emerge || fail 6 'emerge did not merge all of it'
  check_tree_libraries
  report_leftovers
  show_channel "$1" "$2"
  printf '%s\n' "$1 $2 $3 $4 $timestamp" | write_record "$store/merged"
  say "merged publication $3 of $1/$2"
}

# A PHP tree needs libraries that Portage knows of nobody who does.
check_tree_libraries() {
  lacking=
  for tree in "$base"/opt/php/[0-9]*; do
    [ -f "$tree/META.json" ] || continue
    lost=$(missing_libraries)
    [ -z "$lost" ] || lacking="$lacking ${tree##*/} needs ${lost% };"
  done
  [ -z "$lacking" ] || fail 1 "after the merge libraries of PHP trees are missing:$lacking"
}

# What people have to look at, and nothing here decides.
report_leftovers() {
  registry=$base/var/lib/portage/preserved_libs_registry
  if [ -f "$registry" ] && grep -q '[^{}[:space:]]' "$registry"; then
    say 'note: libraries were preserved for packages that still need the old ones:'
    tr ',' '\n' < "$registry" | sed -n 's/.*"\(\/[^"]*\)".*/  \1/p' | head -n 50
  fi
  find "$base/etc" -name '._cfg????_*' 2> /dev/null | head -n 50 > "$work/configurations"
  if [ -s "$work/configurations" ]; then
    say 'note: configuration files wait for dispatch-conf or etc-update; what is there was left as it is:'
    sed 's/^/  /' "$work/configurations"
  fi
}

# What rookery-node reports: the index that this node has of its channel. Indexes of publications before have done their duty.
show_channel() {
  for file in "$base"/etc/rookery/node.d/*.conf; do
    [ -f "$file" ] && [ "$(sed -n 's/^profile = //p' "$file" | head -n 1)" = "$1" ] &&
      [ "$(sed -n 's/^channel = //p' "$file" | head -n 1)" = "$2" ] || continue
    put_index "$(index_file "$(sed -n 's/^uri = //p' "$file" | head -n 1)")"
  done
  used=$(index_file "$source")
  for place in "${used%/*/Packages}"/*; do
    [ "$place/Packages" = "$used" ] || rm -rf "$place"
  done
}
