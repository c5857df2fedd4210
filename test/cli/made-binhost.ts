import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { writeGpkg } from '../../src/binpkg/gpkg/write.ts';
import { packImage } from '../../src/binpkg/image.ts';
import { formatIndexEntry } from '../../src/gentoo/index-entry.ts';
import { formatPackagesIndex } from '../../src/gentoo/packages-index.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import type { FarmServer } from './farm-server.ts';

export const TIMESTAMP = 1_795_000_000;
const BUILD_TIME = 1_794_000_000;

/** A package of a made binhost. What the index says of it can be made wrong. */
export interface MadePackage {
  readonly cpv: string;
  readonly path: string;
  bytes: Buffer;
}

export async function makeSigner(folder: string, name: string): Promise<Signer> {
  return await openSigner({
    folder: join(folder, `signing-${name}`),
    name,
    email: `${name}@example.org`,
    validDays: 10,
    clock: systemClock,
  });
}

/** Packs one small package with the real writer. */
export async function makePackage(
  folder: string,
  cpv: string,
  signer: Signer | undefined,
): Promise<MadePackage> {
  const [category = '', pf = ''] = cpv.split('/');
  const work = join(folder, `${pf}-${Math.random()}`);
  mkdirSync(join(work, 'image/usr/bin'), { recursive: true });
  writeFileSync(join(work, 'image/usr/bin', pf), `I am ${pf}\n`);
  const image = await packImage(join(work, 'image'));
  const out = join(work, 'out.gpkg.tar');
  await writeGpkg({
    base: `${pf}-1`,
    metadata: new Map<string, string | Buffer>([
      ['CATEGORY', `${category}\n`],
      ['PF', `${pf}\n`],
      ['SLOT', '0\n'],
      ['EAPI', '8\n'],
      ['KEYWORDS', 'amd64\n'],
      ['BUILD_TIME', `${BUILD_TIME}\n`],
      ['BUILD_ID', '1'],
      ['environment.bz2', Buffer.from('QlpoORdyRThQkAAAAAA=', 'base64')],
    ]),
    image: image.stream(),
    out,
    workFolder: work,
    mtimeSeconds: BUILD_TIME,
    ...(signer === undefined ? {} : { signer }),
  });
  return { cpv, path: `${category}/${pf}-1.gpkg.tar`, bytes: readFileSync(out) };
}

/** The index entry that is true for a package. */
export function entryOf({ cpv, path, bytes }: MadePackage): string {
  return formatIndexEntry({
    cpv,
    path,
    buildId: 1,
    size: bytes.length,
    md5: createHash('md5').update(bytes).digest('hex'),
    sha1: createHash('sha1').update(bytes).digest('hex'),
    mtimeSeconds: BUILD_TIME,
    metadata: { SLOT: '0', EAPI: '8', KEYWORDS: 'amd64', BUILD_TIME: String(BUILD_TIME) },
  });
}

export interface IndexOptions {
  readonly plain?: string;
  readonly lastModified?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export function indexOf(entries: readonly string[]): string {
  return formatPackagesIndex(
    {
      VERSION: '0',
      TIMESTAMP: String(TIMESTAMP),
      PACKAGES: String(entries.length),
      CHOST: 'x86_64-pc-linux-gnu',
    },
    entries,
  );
}

/** Serves a binhost below `/binhost/web-v3/stable` and returns its URI. */
export function serveBinhost(
  server: FarmServer,
  packages: readonly MadePackage[],
  index: string,
  options: IndexOptions = {},
): string {
  const base = '/binhost/web-v3/stable';
  const time = new Date((options.lastModified ?? TIMESTAMP) * 1000).toUTCString();
  const serve = (path: string, bytes: Buffer, headers: Record<string, string> = {}): void => {
    server.on(`GET ${base}/${path}`, (_, response) => {
      response.writeHead(200, headers).end(bytes);
    });
  };
  serve('Packages.gz', gzipSync(index), { 'last-modified': time, ...options.headers });
  serve('Packages', Buffer.from(options.plain ?? index), { 'last-modified': time });
  for (const { path, bytes } of packages) {
    serve(path, bytes);
  }
  return `${server.url}${base}`;
}
