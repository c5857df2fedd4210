import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { MAY_IMPORT } from './support/rooms.ts';

/** Files of `src/` itself that know all rooms. */
const ROOTS = new Set(['server.ts', 'rooms.ts', 'rebuild.ts', 'main.ts']);
const PURE_ROOMS = ['gentoo', 'protocol'];
const EFFECTS = /^node:(fs|net|tls|http|https|http2|dns|dgram|child_process|worker_threads|timers)/;
const SRC = resolve(import.meta.dirname, '../src');
const SPECIFIER =
  /\b(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;

interface Edge {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

function roomOf(path: string): string {
  return relative(SRC, path).split('/')[0] ?? '';
}

function edgesOf(file: string): Edge[] {
  return [...readFileSync(file, 'utf8').matchAll(SPECIFIER)].map((match) => {
    const specifier = match[1] ?? match[2] ?? '';
    const to = specifier.startsWith('.') ? roomOf(resolve(dirname(file), specifier)) : specifier;
    return { file: relative(SRC, file), from: roomOf(file), to };
  });
}

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name));
const edges = files.flatMap(edgesOf);
const show = (edge: Edge): string => `${edge.file} -> ${edge.to}`;

describe('the rooms of src', () => {
  it('are the ones that are guarded here', () => {
    const rooms = new Set(files.map(roomOf).filter((room) => !ROOTS.has(room)));
    expect([...rooms].toSorted()).toEqual(Object.keys(MAY_IMPORT).toSorted());
    expect(edges.length).toBeGreaterThan(50);
  });

  it('import only the rooms they are allowed to', () => {
    const wrong = edges.filter(
      ({ from, to }) =>
        (to in MAY_IMPORT || ROOTS.has(to)) &&
        to !== from &&
        !ROOTS.has(from) &&
        !MAY_IMPORT[from]?.includes(to),
    );
    expect(wrong.map(show)).toEqual([]);
  });

  it('stay free of disk, network and processes where they are pure', () => {
    const wrong = edges.filter(({ from, to }) => PURE_ROOMS.includes(from) && EFFECTS.test(to));
    expect(wrong.map(show)).toEqual([]);
  });
});
