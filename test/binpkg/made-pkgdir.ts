import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { writeGpkg } from '../../src/binpkg/gpkg/write.ts';
import { type IndexOptions, indexPkgdir } from '../../src/binpkg/pkgdir/index-pkgdir.ts';
import { parsePackagesIndex, valueOf } from '../../src/gentoo/packages-index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { IMAGE, MTIME, piecesOf, tar } from './made-package.ts';

export const NOON = 1_790_000_000;

/** Metadata of a package that is like any other. */
export function metadataOf(cpv: string, more: Readonly<Record<string, string>> = {}) {
  const [category = '', pf = ''] = cpv.split('/');
  return {
    CATEGORY: `${category}\n`,
    PF: `${pf}\n`,
    SLOT: '0\n',
    EAPI: '8\n',
    KEYWORDS: 'amd64 ~arm64\n',
    CHOST: 'x86_64-pc-linux-gnu\n',
    USE: 'amd64 elibc_glibc\n',
    BUILD_TIME: '1767000000\n',
    BUILD_ID: '1',
    repository: 'lab\n',
    ...more,
  };
}

/** A folder of packages below a temporary one, and its index. */
export class MadePkgdir {
  readonly folder: string;
  readonly clock = new ManualClock(NOON * 1000);
  readonly #work: string;
  #made = 0;

  constructor(parent: string, name = 'pkgdir') {
    this.folder = join(parent, name);
    this.#work = join(parent, `${name}-work`);
    mkdirSync(this.folder);
    mkdirSync(this.#work);
  }

  /** Writes a package into its place, `CATEGORY/PN/PF-BUILD_ID.gpkg.tar` unless another is named. */
  async put(
    cpv: string,
    options: { readonly path?: string; readonly metadata?: Readonly<Record<string, string>> } = {},
  ): Promise<string> {
    const metadata = metadataOf(cpv, options.metadata);
    const path = options.path ?? placeOf(cpv, metadata.BUILD_ID);
    this.#made += 1;
    const out = join(this.#work, `${this.#made}.gpkg.tar`);
    await writeGpkg({
      base: cpv.split('/')[1] ?? '',
      metadata: new Map(Object.entries(metadata)),
      image: piecesOf(tar([...IMAGE, { name: 'image/made', content: String(this.#made) }]), 4096),
      out,
      workFolder: this.#work,
      mtimeSeconds: MTIME,
    });
    this.place(out, path, MTIME + this.#made);
    return path;
  }

  place(file: string, path: string, mtimeSeconds: number): void {
    mkdirSync(dirname(this.file(path)), { recursive: true });
    copyFileSync(file, this.file(path));
    utimesSync(this.file(path), mtimeSeconds, mtimeSeconds);
  }

  file(path: string): string {
    return join(this.folder, path);
  }

  remove(path: string): void {
    rmSync(this.file(path));
  }

  /** Changes a byte and leaves size and time as they are. */
  damage(path: string, offset: number): void {
    const bytes = readFileSync(this.file(path));
    const { mtimeMs } = statSync(this.file(path));
    bytes[offset] = (bytes[offset] ?? 0) ^ 1;
    writeFileSync(this.file(path), bytes);
    utimesSync(this.file(path), mtimeMs / 1000, mtimeMs / 1000);
  }

  async index(options: Partial<IndexOptions> = {}) {
    return await indexPkgdir(this.folder, { clock: this.clock, ...options });
  }

  text(): string {
    return readFileSync(this.file('Packages'), 'utf8');
  }

  compressedText(): string {
    return gunzipSync(readFileSync(this.file('Packages.gz'))).toString('utf8');
  }

  /** Rewrites the index by hand, with the time that it says, in both files. */
  edit(change: (text: string) => string): void {
    const text = change(this.text());
    this.overwrite(text);
  }

  overwrite(text: string): void {
    const timestamp = Number(/^TIMESTAMP: ([0-9]+)$/m.exec(text)?.[1] ?? 0);
    writeFileSync(this.file('Packages'), text);
    utimesSync(this.file('Packages'), timestamp, timestamp);
    if (existsSync(this.file('Packages.gz'))) {
      utimesSync(this.file('Packages.gz'), timestamp, timestamp);
    }
  }

  /** What Portage sees of every entry, by PATH. */
  entries(): Map<string, Record<string, string>> {
    const index = parsePackagesIndex(this.text());
    return new Map(
      index.entries.map((entry) => {
        const keys = [...new Set([...entry.keys(), 'CHOST', 'REPO'])].toSorted();
        const values = keys.map((key) => [key, valueOf(index, entry, key) ?? '']);
        return [entry.get('PATH') ?? '', Object.fromEntries(values)];
      }),
    );
  }
}

export function placeOf(cpv: string, buildId: string): string {
  const [category = '', pf = ''] = cpv.split('/');
  return `${category}/${pf.replace(/-[0-9][^-]*(?:-r[0-9]+)?$/, '')}/${pf}-${buildId}.gpkg.tar`;
}
