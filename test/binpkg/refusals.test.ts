import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type ByteSource, memorySource } from '../../src/binpkg/byte-source.ts';
import { withOpenGpkg } from '../../src/binpkg/gpkg/open-gpkg.ts';
import { GPKG_REFUSALS } from '../../src/binpkg/gpkg/refusals.ts';
import { rewriteGpkg } from '../../src/binpkg/gpkg/rewrite.ts';
import { type VerifyOptions, verifyGpkg } from '../../src/binpkg/gpkg/verify.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { imageCases, metadataCases } from './hostile-inside.ts';
import { containerCases, MANIFEST, SIGNATURES } from './hostile-outside.ts';
import { forgedSource, MTIME, PretendKey } from './made-package.ts';

const folder = temporaryFolder();
const victim = join(folder, 'outside', 'victim');
mkdirSync(join(folder, 'outside'));
writeFileSync(victim, 'untouched');

const out = join(folder, 'out.gpkg.tar');

/** Signs what is good, in the pass in which it is verified. */
async function signed(source: ByteSource, options: VerifyOptions = {}): Promise<void> {
  const request = { signer: new PretendKey('ours'), out, mtimeSeconds: MTIME };
  await withOpenGpkg(source, options, async (opened) => await rewriteGpkg(opened, request));
}

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
    await expect(signed(source, options)).rejects.toMatchObject({ code });
    expect(existsSync(out)).toBe(false);
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

    const options = { clock, limits: { timeMs: 800 } };
    await expect(verifyGpkg(slow, options)).rejects.toMatchObject({ code: 'gpkg-time-exceeded' });
    await expect(signed(slow, options)).rejects.toMatchObject({ code: 'gpkg-time-exceeded' });
    expect(existsSync(out)).toBe(false);
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
    await expect(signed(stopping, { signal: stop.signal })).rejects.toMatchObject({
      code: 'verification-aborted',
    });
    expect(existsSync(out)).toBe(false);
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
    const reached = [...cases.map(({ code }) => code), 'gpkg-time-exceeded'];

    expect([...new Set(reached)].toSorted()).toEqual(Object.keys(GPKG_REFUSALS).toSorted());
  });
});
