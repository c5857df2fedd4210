import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  type DepNode,
  flattenAtoms,
  formatDepString,
  parseDepString,
  useReduce,
} from '../../src/gentoo/dep-string.ts';
import { DEP_STRINGS, depTreeArbitrary, NOT_DEP_STRINGS } from './samples.ts';

const X = new Set(['x']);

/** What Python takes for white space. */
// oxlint-disable-next-line no-control-regex -- the separators among the control characters are meant
const SPACES = /[\p{White_Space}\u001c-\u001f]+/u;

const deep = (levels: number): string => `${'( '.repeat(levels)}a/a${' )'.repeat(levels)}`;
const deepAnyOf = (levels: number, inside: string): string =>
  `${'|| ( '.repeat(levels)}${inside}${' )'.repeat(levels)}`;
const texts = (...query: Parameters<typeof flattenAtoms>): string[] =>
  flattenAtoms(...query).map(({ text }) => text);

const words = (nodes: readonly DepNode[]): string[] =>
  formatDepString(nodes)
    .split(' ')
    .filter((word) => !/^[()|]+$/.test(word));

describe('parseDepString', () => {
  it('makes a tree', () => {
    expect(parseDepString('a/a !x? ( || ( b/b ( c/c d/d ) ) )')).toEqual([
      { kind: 'word', text: 'a/a' },
      {
        kind: 'conditional',
        flag: 'x',
        isNegated: true,
        children: [
          {
            kind: 'any-of',
            children: [
              { kind: 'word', text: 'b/b' },
              {
                kind: 'all-of',
                children: [
                  { kind: 'word', text: 'c/c' },
                  { kind: 'word', text: 'd/d' },
                ],
              },
            ],
          },
        ],
      },
    ]);
  });

  it.each(DEP_STRINGS)('prints %j as it was, white space aside', (text) => {
    expect(formatDepString(parseDepString(text))).toBe(
      text.split(SPACES).filter(Boolean).join(' '),
    );
  });

  it('gives back every tree that was printed', () => {
    fc.assert(
      fc.property(depTreeArbitrary, (tree) => {
        expect(parseDepString(formatDepString(tree))).toEqual(tree);
      }),
    );
  });

  it.each(NOT_DEP_STRINGS)('refuses %j', (text) => {
    expect(() => parseDepString(text)).toThrow(
      expect.objectContaining({ code: 'invalid-dependency-string' }),
    );
  });

  it('names the word at fault', () => {
    expect(() => parseDepString('a/a || b/b')).toThrow('At word 3, "b/b", "(" has to stand here.');
    expect(() => parseDepString('a/a ( b/b')).toThrow('At its end ")" is missing.');
    expect(() => parseDepString('x? (a/a )')).toThrow('At word 2, "(a/a",');
    expect(() => parseDepString('a/a -> b/b')).toThrow('At word 2, "->", only SRC_URI');
  });

  it('parts words at what Python takes for white space, and at nothing else', () => {
    const spaces = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).filter(
      (character) => parseDepString(`a/a${character}b/b`).length === 2,
    );

    expect(spaces).toHaveLength(29);
    expect(spaces.every((character) => SPACES.test(character))).toBe(true);
  });

  it('takes brackets and bars that stick to a word of LICENSE for a part of it', () => {
    expect(parseDepString('(MIT GPL-2) ||BSD x?(')).toEqual(
      ['(MIT', 'GPL-2)', '||BSD', 'x?('].map((text) => ({ kind: 'word', text })),
    );
  });

  it('reads a long string in every bracket that is allowed', () => {
    const text = deepAnyOf(100, 'a/a '.repeat(200_000));

    expect(flattenAtoms(text).map(({ text: atom }) => atom)).toEqual(['a/a']);
    expect(useReduce(text, X, { eapi: '8', isOfAtoms: true })).toHaveLength(1);
    expect(() => parseDepString('a/a '.repeat(300_000))).toThrow('1200000 characters');
  }, 60_000);

  it.each(['a/a ', '( a/a ) ', '|| ( a/a ) ', 'x? ( a/a ) ', '|| ( || ( a/a b/b ) ) '])(
    'and its readers live through %j without end',
    (piece) => {
      const text = piece.repeat(Math.ceil(800_000 / piece.length));
      for (const hostile of [`( ${text})`, `|| ( ( ${text}) b/b )`]) {
        const reduced = useReduce(hostile, X, { eapi: '8', isOfAtoms: true });
        expect(formatDepString(reduced).length).toBeGreaterThan(0);
        expect(flattenAtoms(hostile).length).toBeLessThanOrEqual(2);
      }
    },
    60_000,
  );

  it('stops at brackets nested without end', () => {
    expect(formatDepString(useReduce(deep(100), 'all'))).toBe('a/a');
    expect(() => parseDepString(deep(101))).toThrow('nested more than 100');
    expect(() => parseDepString(deep(200_000))).toThrow('nested more than 100');
    expect(() => parseDepString('a'.repeat(5_000_000))).toThrow('5000000 characters');
  });
});

describe('useReduce', () => {
  it.each([
    ['x? ( a/a ) !x? ( b/b )', 'a/a', 'b/b'],
    ['( ( a/a ) )', 'a/a', 'a/a'],
    ['|| ( a/a )', 'a/a', 'a/a'],
    ['|| ( x? ( a/a c/c ) b/b )', '|| ( ( a/a c/c ) b/b )', 'b/b'],
    ['|| ( a/a || ( b/b c/c ) )', '|| ( a/a b/b c/c )', '|| ( a/a b/b c/c )'],
    ['a/a || ( x? ( b/b ) )', 'a/a b/b', 'a/a __const__/empty-any-of'],
  ])('%s is "%s" with x and "%s" without', (text, withX, withoutX) => {
    expect(formatDepString(useReduce(text, X))).toBe(withX);
    expect(formatDepString(useReduce(text, new Set()))).toBe(withoutX);
  });

  it('lets an empty any-of hold up to EAPI 6', () => {
    expect(useReduce('|| ( x? ( a/a ) )', new Set(), { eapi: '6' })).toEqual([]);
    expect(useReduce('|| ( x? ( a/a ) )', new Set(), { eapi: '7' })).toHaveLength(1);
  });

  it.each([
    ['|| ( a/a ( b/b || ( ( c/c d/d ) ) ) )', '( b/b c/c d/d )', '( b/b ( c/c d/d ) )'],
    ['|| ( a/a ( || ( ( c/c d/d ) ) b/b ) )', '( c/c d/d b/b )', '( ( c/c d/d ) b/b )'],
    ['|| ( a/a ( b/b x? ( || ( ( c/c d/d ) ) ) ) )', '( b/b c/c d/d )', '( b/b ( c/c d/d ) )'],
    ['|| ( a/a ( b/b ( || ( ( c/c d/d ) ) ) ) )', '( b/b c/c d/d )', '( b/b ( c/c d/d ) )'],
  ])('leaves in %s the brackets that Portage leaves', (text, ofWords, ofAtoms) => {
    const reduce = (isOfAtoms: boolean): string =>
      formatDepString(useReduce(text, X, { isOfAtoms }));
    expect([reduce(false), reduce(true)]).toEqual([
      `|| ( a/a ${ofWords} )`,
      `|| ( a/a ${ofAtoms} )`,
    ]);
  });

  it('changes no word the second time', () => {
    fc.assert(
      fc.property(depTreeArbitrary, (tree) => {
        const once = useReduce(tree, X, { eapi: '6' });
        expect(words(useReduce(once, X, { eapi: '6' }))).toEqual(words(once));
      }),
    );
  });
});

describe('flattenAtoms', () => {
  it('gives each atom once, with alternatives, as the flags decide', () => {
    const text = '|| ( a/a b/b ) x? ( c/c[x?] ) !x? ( d/d ) a/a';

    expect(texts(text, X)).toEqual(['a/a', 'b/b', 'c/c[x]']);
    expect(texts(text, new Set())).toEqual(['a/a', 'b/b', 'd/d']);
    expect(texts(text)).toEqual(['a/a', 'b/b', 'c/c[x?]', 'd/d']);
    expect(texts('|| ( x? ( a/a ) )', new Set())).toEqual([]);
  });

  it('refuses words that are no atoms', () => {
    expect(() => flattenAtoms('a/a GPL-2')).toThrow('"GPL-2" is not a valid atom');
    expect(() => flattenAtoms('x? ( a/a GPL-2 )', new Set())).toThrow(
      '"GPL-2" is not a valid atom',
    );
    expect(() => flattenAtoms('x? ( a/* )', new Set())).toThrow('has a wildcard');
    expect(texts('=a/a-1-2', 'all', { allowsBuildId: true })).toEqual(['=a/a-1-2']);
    expect(() => flattenAtoms('=a/a-1-2')).toThrow('a BUILD_ID cannot stand here');
    expect(() => flattenAtoms('(a/a')).toThrow('a space is missing');
    expect(() => flattenAtoms('a/a:=', 'all', { eapi: '4' })).toThrow(
      'EAPI 4 has no slot operators',
    );
  });
});
