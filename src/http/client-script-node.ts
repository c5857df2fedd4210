import { nodeProgram, phpProgram, stepProgram } from './node-programs.ts';

const PROGRAM_END = 'END-OF-THE-NODE-PROGRAM';

/**
 * The part of the client script that installs `rookery-node` and `rookery-step`, with their settings for this profile, and
 * takes them away; `rookery-php` as well where the farm serves PHP trees. Profiles on one system share the programs; they go with the
 * last of them.
 *
 * It reads `root`, `prefix`, `base`, `dry`, `work`, `heir`, `begin`, `end`, `program_folder`, `node_conf`, `node_home`, PROFILE,
 * CHANNEL, URI, SERVER, PHP_SOURCE and the functions of the files part.
 */
export function nodePart(): string {
  return `
node_program_text() {
cat << '${PROGRAM_END}'
${nodeProgram()}${PROGRAM_END}
}

php_program_text() {
cat << '${PROGRAM_END}'
${phpProgram()}${PROGRAM_END}
}

step_program_text() {
cat << '${PROGRAM_END}'
${stepProgram()}${PROGRAM_END}
}
${INSTALL_PART}`;
}

const INSTALL_PART = String.raw`
node_block() {
  printf '%s\n' "$begin"
  printf '%s\n' '# For rookery-node. Written by a script, which also removes it (--uninstall).'
  printf '%s\n' "profile = $PROFILE" "channel = $CHANNEL" "uri = $URI" "server = $SERVER" "gnupg = $node_home"
  [ -z "$PHP_SOURCE" ] || printf '%s\n' "php = $PHP_SOURCE"
  printf '%s\n' "$end"
}

# A program of that name that no setup script wrote stays what it is.
check_programs_of_node() {
  for name in rookery-node rookery-php rookery-step; do
    [ -e "$program_folder/$name" ] || continue
    [ "$name" != rookery-php ] || [ -n "$PHP_SOURCE" ] || continue
    [ -f "$program_folder/$name" ] && head -n 2 "$program_folder/$name" | grep -q "^# $name: " ||
      fail 4 "$program_folder/$name is not the program of this name that belongs here; move it away first"
  done
}

# install_program NAME FUNCTION, which prints its text.
install_program() {
  check_inside "$program_folder/$1"
  [ -e "$program_folder/$1" ] || remember file - "$program_folder/$1"
  "$2" | sed "s|@PREFIX@|$prefix|" > "$work/new"
  write_file "$program_folder/$1"
  [ "$dry" = yes ] || chmod 755 "$program_folder/$1"
}

install_programs() {
  node_block > "$work/block"
  put_block "$node_conf"
  make_folder "$base/etc/rookery/checks.d"
  make_folder "$program_folder"
  install_program rookery-node node_program_text
  install_program rookery-step step_program_text
  [ -z "$PHP_SOURCE" ] || install_program rookery-php php_program_text
}

remove_programs() {
  [ -z "$heir" ] || return 0
  for name in rookery-node rookery-php rookery-step; do
    recorded file "$program_folder/$name" && [ -f "$program_folder/$name" ] || continue
    if [ "$dry" = yes ]; then
      say "would remove $program_folder/$name"
    else
      rm -f "$program_folder/$name"
      say "removed $program_folder/$name"
    fi
  done
}
`;
