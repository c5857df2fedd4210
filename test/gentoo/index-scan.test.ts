import { describe, expect, it } from '@jest/globals';
import { array, assert, constantFrom, dictionary, property, string } from 'fast-check';
import {
  isWrittenStanza,
  scanIndex,
  stanzaValue,
  stanzaValues,
} from '../../src/gentoo/index-scan.ts';
import { formatIndexStanza, formatPackagesIndex } from '../../src/gentoo/packages-index.ts';

const value = string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter(
  (text) => /^\P{Cc}+$/u.test(text) && !/[\u0085\u2028\u2029]/.test(text),
);
const entry = dictionary(constantFrom('DEPEND', 'SLOT', 'USE', 'MTIME', 'REPO', 'MD5'), value);

describe('an index cut into entries', () => {
  it('has what was written into it', () => {
    assert(
      property(array(entry, { maxLength: 6 }), (made) => {
        const stanzas = made.map((values, at) =>
          formatIndexStanza({ ...values, CPV: `app-misc/a-${at}` }, 'entry'),
        );
        const text = formatPackagesIndex({ VERSION: '0', TIMESTAMP: '1' }, stanzas);
        const scanned = scanIndex(text);
        expect(scanned.faults).toEqual([]);
        expect(scanned.header).toEqual(
          new Map([
            ['VERSION', '0'],
            ['TIMESTAMP', '1'],
          ]),
        );
        expect(scanned.stanzas).toEqual(stanzas);
        for (const [at, values] of made.entries()) {
          const stanza = scanned.stanzas[at] ?? '';
          const all = stanzaValues(stanza);
          expect(isWrittenStanza(stanza, scanned.header)).toBe(true);
          for (const key of [...Object.keys(values), 'CPV', 'EAPI']) {
            expect(stanzaValue(stanza, key)).toBe(all.get(key));
          }
        }
      }),
    );
  });

  it.each([
    ['nothing', '', 0, []],
    ['a header alone', 'VERSION: 0\n', 0, []],
    ['no line end at the end', 'VERSION: 0\n\nCPV: a/b-1', 1, []],
    ['no empty line at the end', 'VERSION: 0\n\nCPV: a/b-1\n', 1, []],
    ['no header', '\nCPV: a/b-1\n', 1, [1]],
    ['empty lines too many', 'VERSION: 0\n\n\nCPV: a/b-1\n\n\n\nCPV: a/b-2\n\n', 2, [3, 6, 7]],
    ['only line ends', '\n\n\n', 0, [1, 2, 3]],
  ])('takes %s', (_, text, count, lines) => {
    const { stanzas, faults } = scanIndex(text);
    expect(stanzas.length).toBe(count);
    expect(stanzas.every((stanza) => stanza.endsWith('\n') && !stanza.includes('\n\n'))).toBe(true);
    expect(faults.map(({ line }) => line).toSorted((a, b) => a - b)).toEqual(
      expect.arrayContaining(lines),
    );
    expect(faults.length > 0).toBe(lines.length > 0);
  });

  it('never throws, whatever the text', () => {
    assert(
      property(string({ unit: constantFrom('\n', ':', ' ', 'A', '\r', '\0') }), (text) => {
        const { stanzas } = scanIndex(text);
        expect(stanzas.join('').length).toBeLessThanOrEqual(text.length + 1);
      }),
    );
  });

  it('finds a value by its whole key', () => {
    const stanza = 'BDEPEND: b\nCPV: CPV: x\nDEPEND: d\nPDEPEND: p\n';
    expect(['BDEPEND', 'DEPEND', 'CPV', 'EPEND'].map((key) => stanzaValue(stanza, key))).toEqual([
      'b',
      'd',
      'CPV: x',
      undefined,
    ]);
  });
});

describe('an entry is not as Portage writes it', () => {
  const header = new Map([['CHOST', 'x']]);
  it.each([
    ['with an unknown key', 'CPV: a/b-1\nREPO_REVISIONS: {}\n'],
    ['with an empty value', 'CPV: a/b-1\nUSE: \n'],
    ['with a default', 'CPV: a/b-1\nEAPI: 0\n'],
    ['with what the header says', 'CHOST: x\nCPV: a/b-1\n'],
    ['in another order', 'USE: x\nCPV: a/b-1\n'],
    ['with a key twice', 'CPV: a/b-1\nCPV: a/b-1\n'],
    ['with a line that is none', 'CPV: a/b-1\nUSE\n'],
    ['without a space', 'CPV:a/b-1\n'],
    ['with nothing', ''],
  ])('%s', (_, stanza) => {
    expect(isWrittenStanza(stanza, header)).toBe(false);
    expect(isWrittenStanza('CHOST: y\nCPV: a/b-1\nSLOT: 1\nMTIME: 1\nREPO: r\n', header)).toBe(
      true,
    );
  });
});
