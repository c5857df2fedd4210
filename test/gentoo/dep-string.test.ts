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

const deep = (levels: number): string => `${'( '.repeat(levels)}a/a${' )'.repeat(levels)}`;
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
    expect(formatDepString(parseDepString(text))).toBe(text.trim().split(/\s+/).join(' '));
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
  });

  it('stops at brackets nested without end', () => {
    expect(formatDepString(useReduce(deep(100), 'all'))).toBe('a/a');
    expect(() => parseDepString(deep(101))).toThrow('nested more than 100');
    expect(() => parseDepString(deep(500_000))).toThrow('nested more than 100');
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
    expect(() => flattenAtoms('a/a:=', 'all', { eapi: '4' })).toThrow(
      'EAPI 4 has no slot operators',
    );
  });
});
