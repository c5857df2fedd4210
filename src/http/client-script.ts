import { NAME_PATTERN } from '../gentoo/profile.ts';
import { AppError } from '../support/errors.ts';
import { FILES_PART } from './client-script-files.ts';
import { KEYS_PART } from './client-script-keys.ts';
import { nodePart } from './client-script-node.ts';

export interface ClientScriptValues {
  readonly profile: string;
  readonly channel: string;
  /** Base of the channel: `<uri>/Packages` is its index. http, https or file. */
  readonly uri: string;
  /** Where the node reports to: the server itself, http or https. */
  readonly server: string;
  /** Where the farm's PHP trees can be had, `rsync://HOST[:PORT]/php`; absent when it serves none. */
  readonly php?: string | undefined;
  /** Armored; may hold several keys, for instance while a key is being replaced. */
  readonly publicKey: string;
  /** Of one of these keys or subkeys, hex. */
  readonly fingerprint: string;
}

const SCHEMES = ['http:', 'https:', 'file:'];
/** For shell expansions with braces, which a template would take for its own. */
const D = '$';
const KEY_END = 'END-OF-THE-PUBLIC-KEY';

/**
 * The POSIX shell script that makes a Gentoo system a client of a channel: a section in binrepos.conf, FEATURES in
 * make.conf, and the farm's key in the home that Portage verifies with. `--uninstall` undoes it, `--help` tells more.
 *
 * Formats: `portage/binrepo/config.py` (binrepos.conf), `portage/util/__init__.py:getconfig` (make.conf),
 * `portage/gpkg.py:checksum_helper` (verification). Throws `client-setting-invalid`.
 */
export function renderClientScript(values: ClientScriptValues): string {
  const profile = checked('profile name', values.profile, (text) => NAME_PATTERN.test(text));
  const channel = checked('channel name', values.channel, (text) => NAME_PATTERN.test(text));
  const uri = checked('address', values.uri.replace(/\/+$/, ''), isUsableUri);
  const server = checked('server', values.server.replace(/\/+$/, ''), isServer);
  const php = checked('address of PHP trees', (values.php ?? '').replace(/\/+$/, ''), isPhpSource);
  const fingerprint = checked(
    'fingerprint',
    values.fingerprint.replaceAll(' ', '').toUpperCase(),
    (text) => /^([0-9A-F]{40}|[0-9A-F]{64})$/.test(text),
  );
  const publicKey = checked('public key', values.publicKey.trim(), isArmoredKey);
  return [
    '#!/bin/sh',
    `# Makes this Gentoo system a client of the binary packages of ${profile}, channel ${channel}.`,
    '# "--help" says what it does, "--dry-run" what it would do here, "--uninstall" undoes it.',
    'set -eu',
    'umask 022',
    'LC_ALL=C',
    'export LC_ALL',
    '',
    `PROFILE=${quoted(profile)}`,
    `CHANNEL=${quoted(channel)}`,
    `URI=${quoted(uri)}`,
    `SERVER=${quoted(server)}`,
    `PHP_SOURCE=${quoted(php)}`,
    `FINGERPRINT=${quoted(fingerprint)}`,
    '',
    'public_key() {',
    `cat << '${KEY_END}'`,
    publicKey,
    KEY_END,
    '}',
    HELP_PART + FILES_PART + KEYS_PART + PLAN_PART + nodePart() + MAIN_PART,
  ].join('\n');
}

function checked(what: string, value: string, isGood: (text: string) => boolean): string {
  if (!isGood(value)) {
    const shown = JSON.stringify(value.slice(0, 200));
    throw new AppError('client-setting-invalid', `The ${what} ${shown} cannot stand in a script.`, {
      details: { what },
    });
  }
  return value;
}

function isUsableUri(text: string): boolean {
  return (
    /^[\x21-\x7e]+$/.test(text) && URL.canParse(text) && SCHEMES.includes(new URL(text).protocol)
  );
}

function isServer(text: string): boolean {
  return isUsableUri(text) && new URL(text).protocol !== 'file:';
}

/** As `rookery-php` takes it. */
function isPhpSource(text: string): boolean {
  return text === '' || /^rsync:\/\/[A-Za-z0-9._/:@%~+-]+$/.test(text);
}

function isArmoredKey(text: string): boolean {
  const lines = text.split(/\r?\n/);
  return (
    lines[0] === '-----BEGIN PGP PUBLIC KEY BLOCK-----' &&
    lines.at(-1) === '-----END PGP PUBLIC KEY BLOCK-----' &&
    lines.every((line) => /^[A-Za-z0-9+/=:;,.()<>@ -]*$/.test(line) && line !== KEY_END)
  );
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

const HELP_PART = String.raw`
usage() {
  cat << 'END-OF-THE-HELP'
Usage: sh SCRIPT [--dry-run] [--uninstall] [--root DIR] [--prefix DIR] [--gnupg-home DIR]

Makes a Gentoo system install binary packages from the channel that this script was made for:
  etc/portage/binrepos.conf   a section with the address, and verify-signature = true
  etc/portage/make.conf       FEATURES getbinpkg and binpkg-request-signature
  etc/portage/gnupg           the key that the packages are signed with, imported and trusted
  usr/local/sbin/rookery-node the program that reports to the farm what is installed, if you want it to
  usr/local/sbin/rookery-step the program that runs steps of rollouts, when the farm's controller asks it to over ssh
  usr/local/sbin/rookery-php  the program that fetches and switches PHP trees, if the farm serves any
  etc/rookery/                the farm's address for it, and a folder for your checks
Where binrepos.conf or make.conf is a folder, a file of its own goes into it; where it is a file, a marked
block at its end. Nothing else in them is touched. Running it again changes nothing; the script of another
channel of the same profile replaces what is there.

  --dry-run         say what would be done, change nothing
  --uninstall       undo it: own files, marked blocks, the imported key
  --root DIR        configure the system below DIR instead of this one
  --prefix DIR      configure a Gentoo prefix (EPREFIX)
  --gnupg-home DIR  use this home for verification instead of /etc/portage/gnupg, and tell Portage so.
                    As the system itself sees it, without --root. Set it again at every run
  --help            show this

The environment variables ROOKERY_ROOT, ROOKERY_PREFIX and ROOKERY_GNUPG_HOME stand in for the options.

Exit status: 0 done, or nothing to do; 1 a command failed; 2 wrong usage; 3 a program is missing; 4 the
configuration that is there is in the way; 5 the key could not be imported or is not trusted. With 2 and 3
nothing was changed.
END-OF-THE-HELP
}
`;

const PLAN_PART = String.raw`
# The section, %-signs doubled as binrepos.conf wants them.
binrepos_block() {
  printf '%s\n' "$begin"
  printf '%s\n' "# Profile $PROFILE, channel $CHANNEL. Written by a script, which also removes it (--uninstall)."
  printf '%s\n' "[$section]" | doubled
  printf '%s\n' "sync-uri = $URI" "priority = 10" | doubled
  printf '%s\n' "location = $location" | doubled
  printf '%s\n' 'verify-signature = true' "$end"
}

doubled() { sed 's/%/%%/g'; }

make_conf_block() {
  printf '%s\n' "$begin"
  printf '%s\n' '# Binary packages, and none without a good signature. Written by a script, which also removes it.'
  printf '%s\n' 'FEATURES="${D}{FEATURES} getbinpkg binpkg-request-signature"'
  [ -z "$option_home" ] || printf '%s\n' "BINPKG_GPG_VERIFY_GPG_HOME=\"$option_home\""
  printf '%s\n' "$end"
}

# Portage reads the files of a folder in their order, and the last to set FEATURES may forget the others.
choose_targets() {
  binrepos=$base/etc/portage/binrepos.conf
  binrepos_target=$binrepos
  if [ ! -f "$binrepos" ]; then binrepos_target=$binrepos/$section.conf; fi
  make_conf_target=$base/etc/portage/make.conf
  if [ -d "$make_conf_target" ]; then
    make_conf_target=$make_conf_target/zz-$section.conf
  elif [ ! -e "$make_conf_target" ] && [ -f "$base/etc/make.conf" ]; then
    make_conf_target=$base/etc/make.conf
  fi
}

binrepos_files() { find -L "$binrepos" -type f ! -name '.*' ! -name '*~' 2> /dev/null || true; }

# Two sections of one name in a file make Portage drop every section; in two files the later one wins.
check_sections() {
  binrepos_files > "$work/files"
  while IFS= read -r file; do
    without_block "$file" > "$work/rest"
    if grep -q "^\[$pattern\]" "$work/rest"; then
      fail 4 "$file has a section [$section] that this script did not write; remove it first"
    fi
    sed -n 's/^\[\(.*\)\].*/\1/p' "$work/rest" | grep -Ev '^(DEFAULT|rookery-.*)$' >> "$work/others" || true
  done < "$work/files"
}

warn_about_surroundings() {
  if [ -s "$work/others" ]; then
    warn "Portage also takes packages from: $(sort -u "$work/others" | tr '\n' ' ')"
  fi
  if [ -n "$inherited_binhost" ]; then
    warn "PORTAGE_BINHOST is set in the environment, and makes verify-signature void; unset it"
  fi
  for place in etc/portage/make.conf etc/make.conf etc/portage/profile etc/portage/env etc/env.d etc/profile.env etc/environment; do
    [ -e "$base/$place" ] || continue
    found=$(grep -rlE '^[[:space:]]*(export[[:space:]]+)?PORTAGE_BINHOST[[:space:]]*=' "$base/$place" | tr '\n' ' ') || true
    [ -z "$found" ] || warn "PORTAGE_BINHOST is set in $found- it makes verify-signature void; remove it"
  done
  if [ -e "$base/etc/portage/make.conf" ] && grep -rqF "PKGDIR=\"$location\"" "$base/etc/portage/make.conf"; then
    warn "PKGDIR is $location, the place of the downloads; this makes verify-signature void"
  fi
}
`;

const MAIN_PART = String.raw`
install_client() {
  check_programs
  choose_targets
  check_sections
  find_block "$make_conf_target"
  check_programs_of_node
  read_key
  install_key
  binrepos_block > "$work/block"
  put_block "$binrepos_target"
  make_conf_block > "$work/block"
  put_block "$make_conf_target"
  install_programs
  warn_about_surroundings
  if [ "$dry" = yes ]; then
    say 'nothing was changed'
  else
    say "packages of $PROFILE now come from $URI"
  fi
}

uninstall_client() {
  choose_targets
  for other in "$state_folder"/*; do
    if [ -f "$other" ] && [ "$other" != "$state" ]; then heir=$other; fi
  done
  for target in "$binrepos_target" "$make_conf_target" "$node_conf"; do find_block "$target"; done
  remove_keys
  remove_homes
  for target in "$binrepos" "$binrepos/$section.conf" "$node_conf" "$base/etc/make.conf" \
    "$base/etc/portage/make.conf" "$base/etc/portage/make.conf/zz-$section.conf"; do
    if [ -f "$target" ]; then take_block "$target"; fi
  done
  remove_programs
  forget
  if [ "$dry" = yes ]; then say 'nothing was changed'; else say "no packages of $PROFILE are used any more"; fi
}

check_programs() {
  command -v gpg > /dev/null 2>&1 || fail 3 'gpg is not installed (app-crypt/gnupg); nothing was changed'
  for program in awk cat chmod cmp cp cut dirname find gpgconf grep head id mkdir mktemp mv readlink rm rmdir sed sort stat tail tr wc; do
    command -v "$program" > /dev/null 2>&1 || fail 3 "$program is not installed; nothing was changed"
  done
}

need_value() { [ "$2" -gt 1 ] || fail 2 "$1 needs a folder; see --help"; }

# What goes into configuration files between quotes has to be free of them.
check_path() {
  case $2 in
    '' | /) ;;
    [!/]* | *[!A-Za-z0-9._/+@:,=%~-]*) fail 2 "$1 $2 is not an absolute path of plain characters" ;;
  esac
}

read_options() {
  mode=install
  dry=no
  while [ "$#" -gt 0 ]; do
    case $1 in
      --dry-run) dry=yes ;;
      --uninstall) mode=uninstall ;;
      --root) need_value "$1" "$#"; shift; root=$1 ;;
      --prefix) need_value "$1" "$#"; shift; prefix=$1 ;;
      --gnupg-home) need_value "$1" "$#"; shift; option_home=$1 ;;
      --help | -h) usage; exit 0 ;;
      *) fail 2 "there is no option $1; see --help" ;;
    esac
    shift
  done
  check_path --prefix "$prefix"
  check_path --gnupg-home "$option_home"
  prefix=$(printf '%s\n' "$prefix" | sed 's:/*$::')
  if [ -n "$root" ]; then
    [ -d "$root" ] || fail 2 "--root $root is not a folder"
    root=$(cd "$root" && pwd -P)
    if [ "$root" = / ]; then root=; fi
  fi
  if [ -z "$root$prefix" ] && [ "$(id -u)" -ne 0 ] && [ "$dry" = no ]; then
    fail 2 'this has to be run as root'
  fi
}

clean_up() {
  [ -z "$temporary" ] || rm -f "$temporary"
  [ -z "$work" ] || rm -rf "$work"
}

from_environment() { printenv "$1" || true; }

main() {
  work=
  temporary=
  heir=
  root=$(from_environment ROOKERY_ROOT)
  prefix=$(from_environment ROOKERY_PREFIX)
  option_home=$(from_environment ROOKERY_GNUPG_HOME)
  inherited_binhost=$(from_environment PORTAGE_BINHOST)
  read_options "$@"
  base=$root$prefix
  node_home=${D}{option_home:-/etc/portage/gnupg}
  home=$root$node_home
  section=rookery-$PROFILE
  pattern=$(printf '%s\n' "$section" | sed 's/\./\\./g')
  begin="# >>> $section >>>"
  end="# <<< $section <<<"
  location=$prefix/var/cache/binhost/$section
  state_folder=$base/var/lib/rookery-client
  state=$state_folder/$PROFILE
  program_folder=$base/usr/local/sbin
  node_conf=$base/etc/rookery/node.d/$section.conf
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # Who listened has gone, and whatever is still said would end this at once.
  trap 'exec > /dev/null 2>&1; exit 141' PIPE
  work=$(mktemp -d)
  : > "$work/others"
  "$mode"_client
}

# In braces, so that the shell runs nothing of a script that was cut off on its way.
{ main "$@"; exit; }
`;
