import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type ManifestEntry, parseManifest } from '../../src/php/manifest.ts';
import { formatIndex, indexSignatureName, parseIndex } from '../../src/php/php-index.ts';
import { createVerifier } from '../../src/signing/verifier.ts';
import type { Clock } from '../../src/support/clock.ts';

/**
 * What is wrong with the served trees of a profile, a sentence each: everything that a node would refuse, and everything
 * that is there besides. `folder` is `mirror-root/php/<profile>`.
 */
export async function inspectPhp(
  folder: string,
  keys: { readonly publicKeys: string; readonly clock: Clock },
): Promise<string[]> {
  const names = readdirSync(folder);
  if (!names.includes('INDEX.json')) {
    return names.length === 0 ? [] : [`without INDEX.json: ${names.join(' ')}`];
  }
  const text = readFileSync(join(folder, 'INDEX.json'), 'utf8');
  const index = parseIndex(text);
  const ids = index.trees.map(({ id }) => id);
  const known = new Set(['INDEX.json', ...ids]);
  const faults = names
    .filter((name) => !known.has(name) && !/^INDEX\.json\.[0-9a-f]{16}\.sig$/.test(name))
    .map((name) => `${name} is there besides`);
  if (formatIndex(index) !== text) {
    faults.push('INDEX.json is not in its own form');
  }
  const signed = [[join(folder, 'INDEX.json'), join(folder, indexSignatureName(text))] as const];
  for (const { id, manifest } of index.trees) {
    faults.push(...faultsOfTree(join(folder, id), id, manifest));
    signed.push([join(folder, id, 'MANIFEST'), join(folder, id, 'MANIFEST.sig')]);
  }
  const verifier = await createVerifier([keys.publicKeys], { clock: keys.clock });
  for (const [file, signature] of signed) {
    try {
      const state = createHash('sha512').update(readFileSync(file));
      await verifier.verifyState(state, readFileSync(signature, 'utf8'));
    } catch (error) {
      faults.push(`${file}: ${String(error)}`);
    }
  }
  return faults;
}

function faultsOfTree(folder: string, id: string, digest: string): string[] {
  let text: string;
  try {
    text = readFileSync(join(folder, 'MANIFEST'), 'utf8');
  } catch (error) {
    return [`${id}: ${String(error)}`];
  }
  const { id: named, entries } = parseManifest(text);
  const faults = named === id && sha256(text) === digest ? [] : [`${id}: another MANIFEST`];
  const there = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const listed = new Set(entries.map(({ path }) => path));
  for (const path of there) {
    if (!listed.has(path) && path !== 'MANIFEST' && path !== 'MANIFEST.sig') {
      faults.push(`${id}: ${path} is not listed`);
    }
  }
  const wrong = entries.filter((entry) => !isAsListed(join(folder, entry.path), entry));
  return [...faults, ...wrong.map(({ path }) => `${id}: ${path} is not as MANIFEST says`)];
}

function isAsListed(place: string, entry: ManifestEntry): boolean {
  const status = lstatSync(place, { throwIfNoEntry: false });
  if (status === undefined) {
    return false;
  }
  if (entry.type === 'link') {
    return status.isSymbolicLink() && readlinkSync(place) === entry.target;
  }
  if ((status.mode & 0o7777) !== entry.mode) {
    return false;
  }
  return entry.type === 'directory'
    ? status.isDirectory()
    : status.isFile() && sha256(readFileSync(place)) === entry.sha256;
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}
