import { basename } from 'node:path/posix';
import type { FileUse } from './runtime-use.ts';

const SHOWN_FILES = 3;
const SHOWN_NODES = 3;

/** `libssl.so.3 is mapped by php-fpm on 480 nodes`. */
export function mappedSentence(use: FileUse): string {
  const files = [...use.files]
    .toSorted(([a, some], [b, others]) => others - some || Number(a > b) - Number(a < b))
    .map(([path]) => basename(path));
  const names = [...new Set(files)];
  const verb = names.length === 1 ? 'is' : 'are';
  return `${listed(names, SHOWN_FILES)} ${verb} mapped by ${programWords(use)}${onNodes(use.nodes)}`;
}

/** `php-fpm of the PHP tree 8.2.36-zen3-r1`. */
export function programWords({ program, tree }: Pick<FileUse, 'program' | 'tree'>): string {
  return tree === null ? program : `${program} of the PHP tree ${tree}`;
}

/** ` on 480 nodes`. */
export function onNodes(nodes: number): string {
  return ` on ${nodes === 1 ? '1 node' : `${nodes} nodes`}`;
}

/** `3 nodes (web-1, web-2 and web-3) do not say all that runs on them`. */
export function silentSentence(nodes: readonly string[]): string {
  const names = listed(nodes, SHOWN_NODES);
  return nodes.length === 1
    ? `the node ${names} does not say all that runs on it`
    : `${nodes.length} nodes (${names}) do not say all that runs on them`;
}

/** `libssl.so.3`, with its category where that is not the usual one. */
export function shownSoname(soname: string): string {
  const [category = '', file = ''] = soname.split(': ');
  return category === 'x86_64' ? file : `${file} (${category})`;
}

function listed(names: readonly string[], most: number): string {
  const shown = names.length <= most ? names : names.slice(0, most);
  const last = names.length > most ? `${names.length - most} more` : shown.at(-1);
  const before = names.length > most ? shown : shown.slice(0, -1);
  return before.length === 0 ? (last ?? '') : `${before.join(', ')} and ${last}`;
}
