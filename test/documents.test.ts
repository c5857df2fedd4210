import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { GPKG_REFUSALS } from '../src/binpkg/gpkg/refusals.ts';
import { XPAK_REFUSALS } from '../src/binpkg/xpak/refusals.ts';
import { MAY_IMPORT } from './support/rooms.ts';

const PROJECT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(PROJECT, path), 'utf8');

const sources = readdirSync(join(PROJECT, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name));

/** Codes that are written out: in `new AppError(...)`, and in the tables of refused packages. */
function errorCodes(): string[] {
  const thrown = sources.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/new AppError\(\s*'([a-z0-9-]+)'/g)].map(
      (match) => match[1] ?? '',
    ),
  );
  return [
    ...new Set([...thrown, ...Object.keys(GPKG_REFUSALS), ...Object.keys(XPAK_REFUSALS)]),
  ].toSorted();
}

describe('the documents', () => {
  it('list every error code, and no other', () => {
    const documented = [...read('docs/errors.md').matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(
      (match) => match[1],
    );
    expect(documented).toEqual(errorCodes());
  });

  it('show the table of rooms that the architecture test holds', () => {
    const rows = [
      ...read('docs/architecture.md').matchAll(/^\| `([a-z]+)` \| .* \| ([a-z, -]+) \|$/gm),
    ];
    const shown = Object.fromEntries(
      rows.map(([, room, allowed]) => [room, allowed === '-' ? [] : (allowed?.split(', ') ?? [])]),
    );
    expect(shown).toEqual(MAY_IMPORT);
  });

  it('link only to files that are there', () => {
    const pages = [
      'README.md',
      ...readdirSync(join(PROJECT, 'docs')).map((name) => `docs/${name}`),
    ];
    const broken = pages
      .filter((page) => page.endsWith('.md'))
      .flatMap((page) =>
        [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)]
          .map((match) => resolve(PROJECT, page, '..', match[1] ?? ''))
          .filter((target) => !existsSync(target))
          .map((target) => `${page} -> ${target}`),
      );
    expect(broken).toEqual([]);
  });
});

describe('the sources', () => {
  it('have no drawers: names say what is inside', () => {
    const drawer = /^(utils?|helpers?|misc|manager|lib|types|base)\.ts$/;
    expect(sources.filter((file) => drawer.test(file.split('/').at(-1) ?? ''))).toEqual([]);
  });

  it('name no path of one machine', () => {
    const wrong = sources.filter((file) =>
      /['"`](\/root|\/work|\/home)\//.test(readFileSync(file, 'utf8')),
    );
    expect(wrong).toEqual([]);
  });
});
