import { nodeProgram } from './node-program.ts';

const PROGRAM_END = 'END-OF-THE-NODE-PROGRAM';

/**
 * The part of the client script that installs `rookery-node`, with its settings for this profile, and takes them away.
 * Profiles on one system share the program; it goes with the last of them.
 *
 * It reads `root`, `prefix`, `base`, `dry`, `work`, `heir`, `begin`, `end`, `node_program`, `node_conf`, `node_home`, PROFILE,
 * CHANNEL, URI, SERVER and the functions of the files part.
 */
export function nodePart(): string {
  return `
node_program_text() {
cat << '${PROGRAM_END}'
${nodeProgram()}${PROGRAM_END}
}
${INSTALL_PART}`;
}

const INSTALL_PART = String.raw`
node_block() {
  printf '%s\n' "$begin"
  printf '%s\n' '# For rookery-node. Written by a script, which also removes it (--uninstall).'
  printf '%s\n' "profile = $PROFILE" "channel = $CHANNEL" "uri = $URI" "server = $SERVER" "gnupg = $node_home" "$end"
}

# A program of that name that no setup script wrote stays what it is.
check_node_program() {
  [ -e "$node_program" ] || return 0
  [ -f "$node_program" ] && head -n 2 "$node_program" | grep -q '^# rookery-node: ' ||
    fail 4 "$node_program is not the program of this name that belongs here; move it away first"
}

install_node_program() {
  node_block > "$work/block"
  put_block "$node_conf"
  make_folder "$base/etc/rookery/checks.d"
  make_folder "$(dirname "$node_program")"
  check_inside "$node_program"
  [ -e "$node_program" ] || remember file - "$node_program"
  node_program_text | sed "s|@PREFIX@|$prefix|" > "$work/new"
  write_file "$node_program"
  [ "$dry" = yes ] || chmod 755 "$node_program"
}

remove_node_program() {
  [ -z "$heir" ] && recorded file "$node_program" && [ -f "$node_program" ] || return 0
  if [ "$dry" = yes ]; then
    say "would remove $node_program"
    return 0
  fi
  rm -f "$node_program"
  say "removed $node_program"
}
`;
