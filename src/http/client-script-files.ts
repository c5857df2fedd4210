/** For shell expansions with braces, which a template would take for its own. */
const D = '$';

/**
 * The part of the client script that changes files: marked blocks in configuration files, and a record of what was
 * made, from which `--uninstall` works.
 *
 * A line of the record (`var/lib/rookery-client/<profile>`) is `<kind> <value> <path>`, written before the change:
 * `folder -` and `file -` made, `newline -` added at the end of a file before the block, `mode <old mode>` changed,
 * `home -` made, `key` and `trust <fingerprint>` put into a home, `uses <fingerprint>` of a home.
 * Paths are those of the system itself, without --root.
 *
 * It reads `root`, `dry`, `work`, `state`, `state_folder`, `begin` and `end`.
 */
export const FILES_PART = String.raw`
say() { printf '%s\n' "rookery: $*"; }
warn() { printf '%s\n' "rookery: warning: $*" >&2; }
fail() { code=$1; shift; printf '%s\n' "rookery: $*" >&2; exit "$code"; }

missing_folders() {
  folder=$1
  while [ ! -d "$folder" ]; do
    printf '%s\n' "$folder"
    folder=$(dirname "$folder")
  done
}

# With --root, a link in there may point at a file of this system.
check_inside() {
  [ -n "$root" ] || return 0
  existing=$1
  while [ ! -e "$existing" ] && [ ! -L "$existing" ]; do existing=$(dirname "$existing"); done
  resolved=$(readlink -f "$existing") || resolved=
  case "$resolved/" in
    "$root"/*) ;;
    *) fail 4 "$1 leads outside of $root through a symbolic link; nothing was written there" ;;
  esac
}

# remember KIND VALUE PATH
remember() {
  [ "$dry" = no ] || return 0
  line="$1 $2 ${D}{3#"$root"}"
  if [ ! -f "$state" ]; then
    check_inside "$state"
    missing_folders "$state_folder" > "$work/missing"
    mkdir -p "$state_folder"
    while IFS= read -r missing; do
      printf '%s\n' "folder - ${D}{missing#"$root"}"
    done < "$work/missing" > "$state"
  fi
  grep -Fxq -- "$line" "$state" || printf '%s\n' "$line" >> "$state"
}

recorded() { [ -f "$state" ] && grep -Fxq -- "$1 - ${D}{2#"$root"}" "$state"; }

make_folder() {
  check_inside "$1"
  [ ! -d "$1" ] || return 0
  if [ "$dry" = yes ]; then
    say "would make the folder $1"
    return 0
  fi
  missing_folders "$1" > "$work/wanted"
  while IFS= read -r made; do remember folder - "$made"; done < "$work/wanted"
  mkdir -p "$1"
}

# Sets first and last to the line numbers of the block in a file; both are empty when there is none.
find_block() {
  first=
  last=
  [ -f "$1" ] || return 0
  first=$(grep -nFx -- "$begin" "$1" | cut -d: -f1)
  last=$(grep -nFx -- "$end" "$1" | cut -d: -f1)
  case "$first,$last" in
    ,) return 0 ;;
    ,* | *, | *[!0-9,]*) damaged_block "$1" ;;
  esac
  [ "$first" -lt "$last" ] || damaged_block "$1"
}

damaged_block() { fail 4 "the lines '$begin' and '$end' in $1 do not enclose one block; repair them by hand"; }

without_block() {
  find_block "$1"
  if [ -n "$first" ]; then
    head -n $((first - 1)) "$1"
    tail -n +$((last + 1)) "$1"
  else
    cat "$1"
  fi
}

# Puts $work/block into a file: where the block was, else at the end.
put_block() {
  make_folder "$(dirname "$1")"
  check_inside "$1"
  [ ! -e "$1" ] || [ -f "$1" ] || fail 4 "$1 is neither a file nor a folder"
  find_block "$1"
  if [ -n "$first" ]; then
    head -n $((first - 1)) "$1" > "$work/new"
    cat "$work/block" >> "$work/new"
    tail -n +$((last + 1)) "$1" >> "$work/new"
  elif [ -f "$1" ]; then
    cat "$1" > "$work/new"
    if [ -n "$(tail -c 1 "$1")" ]; then
      remember newline - "$1"
      printf '\n' >> "$work/new"
    fi
    cat "$work/block" >> "$work/new"
  else
    remember file - "$1"
    cat "$work/block" > "$work/new"
  fi
  write_file "$1"
}

take_block() {
  check_inside "$1"
  find_block "$1"
  [ -n "$first" ] || return 0
  without_block "$1" > "$work/new"
  size=$(wc -c < "$work/new")
  if recorded newline "$1" && [ "$(tail -n +$((last + 1)) "$1" | wc -c)" -eq 0 ]; then
    head -c $((size - 1)) "$work/new" > "$work/shorter"
    mv -f "$work/shorter" "$work/new"
  fi
  if [ ! -s "$work/new" ] && recorded file "$1"; then
    if [ "$dry" = yes ]; then
      say "would remove $1"
    else
      rm -f "$1"
      say "removed $1"
    fi
  else
    write_file "$1"
  fi
}

# Gives a file the bytes of $work/new in one step; owner, mode and links stay as they are.
write_file() {
  if [ -f "$1" ] && cmp -s "$work/new" "$1"; then
    say "$1 is already right"
    return 0
  fi
  if [ "$dry" = yes ]; then
    say "would write $1"
    return 0
  fi
  place=$(readlink -f "$1") || fail 4 "$1 is a link that leads nowhere"
  temporary=$(dirname "$place")/.rookery.$$
  if [ -f "$place" ]; then
    cp -p "$place" "$temporary"
  else
    : > "$temporary"
  fi
  cat "$work/new" > "$temporary"
  mv -f "$temporary" "$place"
  temporary=
  say "wrote $1"
}

# Adds permissions ($1, as chmod takes them) where bits of the mode $2 are missing.
open_up() {
  [ -e "$3" ] || return 0
  [ -z "$(find "$3" -prune -perm "-$2")" ] || return 0
  if [ "$dry" = yes ]; then
    say "would make $3 readable for everybody"
    return 0
  fi
  remember mode "$(stat -c %a "$3")" "$3"
  chmod "$1" "$3"
}

# Files and keys are undone by now; folders are removed while they are empty. What another profile on this system
# still needs is handed over to its record.
forget() {
  [ -f "$state" ] || return 0
  if [ "$dry" = yes ]; then
    say "would remove $state"
    return 0
  fi
  if [ -n "$heir" ]; then
    grep -v '^uses ' "$state" | grep -Fxv -f "$heir" > "$work/inherited" || true
    cat "$work/inherited" >> "$heir"
    rm -f "$state"
    return 0
  fi
  cp "$state" "$work/record"
  rm -f "$state"
  sed -n 's/^mode //p' "$work/record" | while IFS=' ' read -r mode path; do
    [ ! -e "$root$path" ] || chmod "$mode" "$root$path"
  done
  sed -n 's/^folder - //p' "$work/record" | sort -r | while IFS= read -r path; do
    rmdir "$root$path" 2> /dev/null || true
  done
}
`;
