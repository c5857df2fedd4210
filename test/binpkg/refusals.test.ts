import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { memorySource } from '../../src/binpkg/byte-source.ts';
import { GPKG_REFUSALS } from '../../src/binpkg/gpkg/refusals.ts';
import { rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { imageCases, metadataCases } from './hostile-inside.ts';
import { containerCases, MANIFEST, SIGNATURES } from './hostile-outside.ts';
import { forge, forgedSource, MTIME } from './made-package.ts';

const folder = temporaryFolder();
const victim = join(folder, 'outside', 'victim');
mkdirSync(join(folder, 'outside'));
writeFileSync(victim, 'untouched');

describe.each([
  ['container', containerCases(victim)],
  ['Manifest', MANIFEST],
  ['signatures', SIGNATURES],
  ['metadata', metadataCases(victim)],
  ['image', imageCases(victim)],
])('the %s is refused for', (_part, cases) => {
  it.each(cases)('$what: $code', async ({ code, forged, bytes, options }) => {
    const source = bytes === undefined ? await forgedSource(forged) : memorySource(bytes);

    await expect(verifyGpkg(source, options)).rejects.toMatchObject({ code });
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
  });
});

describe('a package is refused', () => {
  it('when checking it takes too long', async () => {
    const clock = new ManualClock();
    const source = await forgedSource();
    const slow = {
      ...source,
      stream: (offset: number, length: number) => {
        clock.advance(500);
        return source.stream(offset, length);
      },
    };

    await expect(verifyGpkg(slow, { clock, limits: { timeMs: 800 } })).rejects.toMatchObject({
      code: 'gpkg-time-exceeded',
    });
  });

  it('when the checking is stopped', async () => {
    const stop = new AbortController();
    const source = await forgedSource();
    const stopping = {
      ...source,
      stream: (offset: number, length: number) => {
        stop.abort();
        return source.stream(offset, length);
      },
    };

    await expect(verifyGpkg(stopping, { signal: stop.signal })).rejects.toMatchObject({
      code: 'verification-aborted',
    });
  });

  it('when it is not what was verified any more', async () => {
    const bytes = await forge();
    const source = memorySource(bytes);
    const verified = await verifyGpkg(source);
    const at = verified.imageMember.offset + 40;
    bytes[at] = (bytes[at] ?? 0) ^ 1;

    const rewriting = rewriteGpkg({
      source,
      verified,
      metadata: new Map(),
      out: join(folder, 'out.gpkg.tar'),
      mtimeSeconds: MTIME,
    });

    await expect(rewriting).rejects.toMatchObject({ code: 'gpkg-source-changed' });
  });
});

describe('every reason for a refusal', () => {
  it('is reached by a case of this file', () => {
    const cases = [
      containerCases(victim),
      MANIFEST,
      SIGNATURES,
      metadataCases(victim),
      imageCases(victim),
    ].flat();
    const reached = [...cases.map(({ code }) => code), 'gpkg-time-exceeded', 'gpkg-source-changed'];

    expect([...new Set(reached)].toSorted()).toEqual(Object.keys(GPKG_REFUSALS).toSorted());
  });
});
