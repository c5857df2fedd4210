import { mkdir, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import { rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { type PackageMetadata, readMetadata } from '../../src/binpkg/metadata.ts';
import { parseCpv } from '../../src/gentoo/cpv.ts';
import { formatIndexEntry } from '../../src/gentoo/index-entry.ts';
import { formatPackagesIndex } from '../../src/gentoo/packages-index.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { epochSeconds, systemClock } from '../../src/support/clock.ts';

/** A signed binhost on disk, as a job's staging tree: what is added is there for the next job. */
export class StagingBinhost {
  readonly folder: string;
  readonly signer: Signer;
  readonly #stanzas: string[] = [];
  #timestamp = 0;

  private constructor(folder: string, signer: Signer) {
    this.folder = folder;
    this.signer = signer;
  }

  static async make(folder: string, keys: string): Promise<StagingBinhost> {
    const signer = await openSigner({
      folder: keys,
      name: 'Test',
      email: 'test@example.org',
      validDays: 30,
      clock: systemClock,
    });
    const binhost = new StagingBinhost(folder, signer);
    await mkdir(folder, { recursive: true });
    await binhost.#writeIndex();
    return binhost;
  }

  /** Signs a package that an agent has made, and lists it. */
  async add(path: string): Promise<void> {
    const source = await openByteSource(path);
    try {
      const { metadata, place, written } = await withOpenGpkg(source, {}, async (opened) => {
        const about = readMetadata(opened.head.metadata);
        const to = placeOf(about);
        await mkdir(dirname(join(this.folder, to)), { recursive: true });
        const made = await rewriteGpkg(opened, {
          metadata: new Map([['BUILD_ID', '1']]),
          signer: this.signer,
          base: `${about.pf}-1`,
          out: join(this.folder, to),
          mtimeSeconds: epochSeconds(systemClock),
        });
        return { metadata: about, place: to, written: made };
      });
      const out = join(this.folder, place);
      const mtimeSeconds = Math.floor((await stat(out)).mtimeMs / 1000);
      this.#stanzas.push(
        formatIndexEntry({
          cpv: metadata.cpv,
          path: place,
          buildId: 1,
          size: written.size,
          md5: written.md5,
          sha1: written.sha1,
          mtimeSeconds,
          metadata: metadata.text,
        }),
      );
    } finally {
      await source.close();
    }
    await this.#writeIndex();
  }

  async #writeIndex(): Promise<void> {
    this.#timestamp = Math.max(epochSeconds(systemClock), this.#timestamp + 6);
    const header = {
      VERSION: '0',
      TIMESTAMP: String(this.#timestamp),
      PACKAGES: String(this.#stanzas.length),
    };
    const text = formatPackagesIndex(header, this.#stanzas);
    for (const [name, bytes] of [
      ['Packages', text],
      ['Packages.gz', gzipSync(text)],
    ] as const) {
      await writeFile(join(this.folder, name), bytes);
      await utimes(join(this.folder, name), this.#timestamp, this.#timestamp);
    }
  }
}

function placeOf({ cpv, pf }: PackageMetadata): string {
  const { category, pn } = parseCpv(cpv);
  return `${category}/${pn}/${pf}-1.gpkg.tar`;
}
