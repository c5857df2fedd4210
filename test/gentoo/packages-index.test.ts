import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { formatIndexEntry, type IndexedFile } from '../../src/gentoo/index-entry.ts';
import { type IndexStanza, readIndexStanzas } from '../../src/gentoo/index-reader.ts';
import {
  formatIndexStanza,
  formatPackagesIndex,
  parsePackagesIndex,
  valueOf,
} from '../../src/gentoo/packages-index.ts';

const FILE: IndexedFile = {
  cpv: 'app-misc/top-2.1-r3',
  path: 'app-misc/top/top-2.1-r3-1.gpkg.tar',
  buildId: 1,
  size: 10_240,
  md5: '9d4f3608185cd2c42270b8b0243615c4',
  sha1: 'd4ae021561cc1c842b9ed56d0a967b49c983ef54',
  mtimeSeconds: 1_795_378_139,
  metadata: {
    BUILD_TIME: '1795376811\n',
    DEFINED_PHASES: 'install\n',
    EAPI: '8\n',
    SLOT: '0\n',
    IUSE: '+x  static\t+doc\n',
    RDEPEND: '\n\tapp-misc/libhi:0/1=\n\t>=app-misc/hello-1.0[doc]\n',
    REQUIRES: '',
    repository: 'testrepo\n',
    DESCRIPTION: 'not for the index',
    CFLAGS: '-O2',
    SIZE: '17',
  },
};
const STANZA = `BUILD_ID: 1
BUILD_TIME: 1795376811
CPV: app-misc/top-2.1-r3
DEFINED_PHASES: install
EAPI: 8
IUSE: +x static +doc
MD5: 9d4f3608185cd2c42270b8b0243615c4
PATH: app-misc/top/top-2.1-r3-1.gpkg.tar
RDEPEND: app-misc/libhi:0/1= >=app-misc/hello-1.0[doc]
SHA1: d4ae021561cc1c842b9ed56d0a967b49c983ef54
SIZE: 10240
MTIME: 1795378139
REPO: testrepo
`;

describe('formatIndexEntry', () => {
  it('writes a package as Portage does: its keys, its order, defaults left out, white space folded', () => {
    expect(formatIndexEntry(FILE)).toBe(STANZA);
  });

  it.each([
    ['PATH', { path: '../x-1.gpkg.tar' }],
    ['PATH', { path: '/x-1.gpkg.tar' }],
    ['PATH', { path: 'a/.x-1.gpkg.tar' }],
    ['PATH', { path: 'a/x-1.tbz2' }],
    ['PATH', { path: 'a/x\n-1.gpkg.tar' }],
    ['MD5', { md5: FILE.md5.toUpperCase() }],
    ['SHA1', { sha1: FILE.md5 }],
    ['SIZE', { size: -1 }],
    ['SIZE', { size: 1.5 }],
    ['MTIME', { mtimeSeconds: Number.NaN }],
    ['BUILD_ID', { buildId: 2 ** 60 }],
    ['BUILD_TIME', { metadata: { BUILD_TIME: 'today' } }],
    ['BUILD_TIME', { metadata: {} }],
  ])('refuses a wrong %s: %j', (key, wrong) => {
    expect(() => formatIndexEntry({ ...FILE, ...wrong })).toThrow(
      expect.objectContaining({
        code: 'invalid-index-entry',
        message: expect.stringContaining(`${FILE.cpv} cannot have the ${key} `),
      }),
    );
  });

  it('refuses a value that could end the line, and a CPV that clients crash on', () => {
    const metadata = { ...FILE.metadata, LICENSE: 'GPL-2\u0000MTIME: 0' };

    expect(() => formatIndexEntry({ ...FILE, metadata })).toThrow('LICENSE');
    expect(() => formatIndexEntry({ ...FILE, cpv: 'app-misc/top' })).toThrow('app-misc/top');
  });

  it('never lets metadata add a line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        fc.pre(!/\p{Cc}/u.test(value.replaceAll(/\s/g, '')));
        const metadata = { ...FILE.metadata, LICENSE: value };
        const text = formatIndexEntry({ ...FILE, metadata });
        const [entry] = parsePackagesIndex(`VERSION: 0\n\n${text}\n`).entries;
        expect(entry?.size).toBeLessThanOrEqual(14);
        expect(entry?.get('CPV')).toBe(FILE.cpv);
      }),
    );
  });
});

const stanza = (cpv: string, more = ''): string => `CPV: ${cpv}\n${more}`;

describe('formatPackagesIndex', () => {
  it('sorts header keys and CPVs as strings, and keeps builds of one CPV as they came', () => {
    const text = formatPackagesIndex(
      { VERSION: '0', ARCH: 'amd64', PROFILE: '', REPO: 'lab', URI: 'u' },
      [
        stanza('a/b-9', 'SIZE: 1\n'),
        stanza('a/b-10'),
        stanza('a/b-9', 'SIZE: 0\n'),
        stanza('a/B-1'),
      ],
    );

    expect(text).toBe(
      'ARCH: amd64\nURI: u\nVERSION: 0\nREPO: lab\n\nCPV: a/B-1\n\nCPV: a/b-10\n\nCPV: a/b-9\nSIZE: 1\n\nCPV: a/b-9\nSIZE: 0\n\n',
    );
  });

  it('leaves out what an entry inherits, and only that', () => {
    const text = formatPackagesIndex({ CHOST: 'x', REPO: 'lab', VERSION: '0' }, [
      'CHOST: x\nCPV: a/a-1\nMTIME: 1\nREPO: lab\n',
      'CHOST: xy\nCPV: a/b-1\nREPO: lab2\n',
    ]);

    expect(text.split('\n\n').slice(1, 3)).toEqual([
      'CPV: a/a-1\nMTIME: 1',
      'CHOST: xy\nCPV: a/b-1\nREPO: lab2',
    ]);
    const index = parsePackagesIndex(text);
    expect(index.entries.map((entry) => valueOf(index, entry, 'CHOST'))).toEqual(['x', 'xy']);
    expect(index.entries.map((entry) => valueOf(index, entry, 'EAPI'))).toEqual(['0', '0']);
    expect(index.entries.map((entry) => valueOf(index, entry, 'MD5'))).toEqual([
      undefined,
      undefined,
    ]);
  });

  it.each(['SIZE: 1\n', 'CPV: a/b-1', 'CPV: a/b-1\n\nCPV: a/c-1\n', ''])(
    'refuses %j as an entry',
    (text) => {
      expect(() => formatPackagesIndex({ VERSION: '0' }, [text])).toThrow(
        expect.objectContaining({ code: 'invalid-index-value' }),
      );
    },
  );

  it('refuses header values with line ends', () => {
    expect(() => formatPackagesIndex({ VERSION: '0\nURI: x' }, [])).toThrow('VERSION: 0');
    expect(() => formatPackagesIndex({ 'A: x\nB': '0' }, [])).toThrow('cannot be a line');
  });

  it('gives back what was written', () => {
    const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
    const entry = fc.dictionary(
      fc.constantFrom('USE', 'IUSE', 'SLOT', 'MTIME', 'REPO', 'DESC'),
      value,
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
        const named = entries.map((values, index) => ({ ...values, CPV: `a/b-${index}` }));
        const text = formatPackagesIndex(
          { VERSION: '0' },
          named.map((values) => formatIndexStanza(values, 'entry')),
        );
        const index = parsePackagesIndex(text);
        expect(index.entries).toHaveLength(entries.length);
        for (const [position, values] of named.entries()) {
          const found = index.entries[position] ?? new Map<string, string>();
          for (const [key, wanted] of Object.entries(values)) {
            expect(valueOf(index, found, key)).toBe(wanted);
          }
          expect([...found.keys()].every((key) => key in values)).toBe(true);
        }
      }),
    );
  });
});

describe('parsePackagesIndex', () => {
  it('reads header and entries, nothing leaking from one to the next', () => {
    const index = parsePackagesIndex(
      'VERSION: 0\nURI: http://x/?a: b\n\nCPV: a/a-1\nUSE: x\n\nCPV: a/b-1\nUSE:\n',
    );

    expect(Object.fromEntries(index.header)).toEqual({ VERSION: '0', URI: 'http://x/?a: b' });
    expect(index.entries.map((entry) => Object.fromEntries(entry))).toEqual([
      { CPV: 'a/a-1', USE: 'x' },
      { CPV: 'a/b-1', USE: '' },
    ]);
    expect(parsePackagesIndex('VERSION: 0\n\n').entries).toEqual([]);
  });

  it.each([
    ['VERSION: 0\n\nCPV a\n', 3, 'is not "KEY: value"'],
    ['VERSION:0\n', 1, 'a space is missing'],
    ['VERSION: 0\r\n', 1, 'control character'],
    ['VERSION: 0\n\n\nCPV: a/a-1\n', 3, 'hides everything'],
    ['\nVERSION: 0\n', 1, 'hides everything'],
    ['VERSION: 0\n\nCPV: a/a-1\n\n\nCPV: a/b-1\n', 5, 'hides everything'],
    ['VERSION: 0\n\nUSE: x\nSIZE: 1\n\nCPV: a/b-1\n', 4, 'no CPV'],
    ['VERSION: 0\n\nUSE: x', 3, 'no CPV'],
    ['VERSION: 0\n\nCPV: a/b-1\nCPV: a/c-1\n', 4, 'CPV stands twice'],
    ['VERSION: 0\n\n__proto__: x\nCPV: a/b-1\n__proto__: x\n', 5, 'stands twice'],
  ])('refuses %j with the number of the line', (text, line, why) => {
    expect(() => parsePackagesIndex(text)).toThrow(
      expect.objectContaining({ code: 'invalid-packages-index', details: { line } }),
    );
    expect(() => parsePackagesIndex(text)).toThrow(why);
  });
});

async function read(text: string, sizes: readonly number[]): Promise<IndexStanza[] | string> {
  const bytes = Buffer.from(text);
  async function* pieces(): AsyncGenerator<Buffer> {
    let at = 0;
    for (let turn = 0; at < bytes.length; turn += 1) {
      const size = sizes[turn % sizes.length] ?? 1;
      yield bytes.subarray(at, at + size);
      at += size;
    }
  }
  try {
    const found: IndexStanza[] = [];
    for await (const one of readIndexStanzas(pieces())) {
      found.push(one);
    }
    return found;
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}

function whole(text: string): IndexStanza[] | string {
  try {
    const { header, entries } = parsePackagesIndex(text);
    return header.size === 0 && entries.length === 0 ? [] : [header, ...entries];
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}

async function* brokenOff(): AsyncGenerator<Buffer> {
  yield Buffer.from('VERSION: 0\n\nCPV: a/b-1\n\nCPV');
  throw new Error('the connection broke');
}
describe('readIndexStanzas', () => {
  it('finds the same stanzas and faults whatever the pieces are', async () => {
    const line = fc.constantFrom(
      '',
      '',
      'A: b',
      'CPV: a/b-1',
      'DESC: \u00fc\u20ac',
      'x',
      'K:v',
      'B: \r',
    );
    const text = fc.array(line, { maxLength: 14 }).map((lines) => lines.join('\n'));
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(text, sizes, async (given, cut) => {
        expect(await read(given, cut)).toEqual(whole(given));
      }),
      { numRuns: 500 },
    );
  });

  it('gives a stanza out before the next one has come', async () => {
    const found: string[] = [];
    const reading = (async () => {
      for await (const one of readIndexStanzas(brokenOff())) {
        found.push([...one.keys()].join());
      }
    })();
    await expect(reading).rejects.toThrow('the connection broke');
    expect(found).toEqual(['VERSION', 'CPV']);
  });

  it('refuses a line without end', async () => {
    expect(await read(`A: ${'x'.repeat(17 * 1024 * 1024)}`, [1024 * 1024])).toContain(
      'Line 1 of the index: it has more than',
    );
  });
});
