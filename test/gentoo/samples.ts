import * as fc from 'fast-check';
import type { DepNode } from '../../src/gentoo/dep-string.ts';

const NUMBERS = [
  '0',
  '1',
  '2',
  '9',
  '10',
  '00',
  '01',
  '010',
  '1.0',
  '1.1',
  '1.01',
  '1.010',
  '1.10',
];
const MORE_NUMBERS = [
  '1.0.0',
  '1.2.3',
  '1.2.03',
  '1.09',
  '1.9',
  '20261122',
  '1.100',
  '99999999999999999999',
];
const SUFFIXES = [
  '',
  '_alpha',
  '_alpha1',
  '_beta2',
  '_pre',
  '_pre0',
  '_rc3',
  '_p',
  '_p0',
  '_p1',
  '_p01',
];

/** Versions in which every rule of PMS 3.3 meets every other. */
export const VERSIONS: readonly string[] = [
  ...new Set([
    ...NUMBERS,
    ...MORE_NUMBERS,
    ...NUMBERS.map((number) => `${number}a`),
    ...['1', '1.0', '1.2b', '010'].flatMap((number) =>
      SUFFIXES.map((suffix) => `${number}${suffix}`),
    ),
    ...['1.0', '1.0a', '1.0_p', '1.0_alpha_p1'].flatMap((version) =>
      ['-r0', '-r00', '-r1', '-r01', '-r10', '-r9'].map((revision) => `${version}${revision}`),
    ),

    '1_p_p',
    '1_p1_p',
    '1_alpha_beta',
    '1_alpha1_beta2',
    '1_rc_p20',
    '1_p1_alpha',
    '1.2z',
    '1.2a',
    '3.0.82',
    '3.0.83',
    '3.0.9',
    '8.3.1',
    '8.3.10',
    '8.3.1_rc1',
    '8.3.1-r100',
    '0.0.0',

    '0.1',
    '0.01',
    '0.10',
    '0.001',
    '1.0_p9',
    '1.0_p10',
    '1.0_p09',
    '1.0_p00000000000000000000010',
  ]),
];

/** A version in all its parts. */
export const versionArbitrary: fc.Arbitrary<string> = fc
  .record({
    numbers: fc.array(fc.stringMatching(/^[0-9]{1,3}$/), { minLength: 1, maxLength: 4 }),
    letter: fc.constantFrom('', '', 'a', 'b', 'z'),
    suffixes: fc.array(
      fc.tuple(
        fc.constantFrom('alpha', 'beta', 'pre', 'rc', 'p'),
        fc.constantFrom('', '0', '1', '01', '20'),
      ),
      { maxLength: 2 },
    ),
    revision: fc.constantFrom('', '', '-r0', '-r1', '-r01', '-r12'),
  })
  .filter(({ numbers }) => numbers.every((number) => /^[0-9]+$/.test(number)))
  .map(
    ({ numbers, letter, suffixes, revision }) =>
      `${numbers.join('.')}${letter}${suffixes.map((suffix) => `_${suffix.join('')}`).join('')}${revision}`,
  );

export const nameArbitrary: fc.Arbitrary<string> = fc.stringMatching(
  /^[A-Za-z_][A-Za-z_+]{0,6}(-[a-z]{2,3}){0,2}$/,
);

const leaf: fc.Arbitrary<DepNode> = fc
  .constantFrom('a/a', 'b/b', 'c/c', 'd/d', 'e/e', '>=f/f-1.0:0=', '!g/g', 'h/h[x,-y(+)]')
  .map((text) => ({ kind: 'word', text }));

/** Trees as an ebuild may have them: no group without children. */
export const depTreeArbitrary: fc.Arbitrary<readonly DepNode[]> = fc.letrec<{
  nodes: readonly DepNode[];
  node: DepNode;
}>((tie) => ({
  nodes: fc.array(tie('node'), { minLength: 1, maxLength: 4, depthIdentifier: 'dep' }),
  node: fc.oneof(
    { depthIdentifier: 'dep', maxDepth: 4, withCrossShrink: true },
    leaf,
    tie('nodes').map((children): DepNode => ({ kind: 'all-of', children })),
    tie('nodes').map((children): DepNode => ({ kind: 'any-of', children })),
    fc.tuple(fc.constantFrom('x', 'y', 'z'), fc.boolean(), tie('nodes')).map(
      ([flag, isNegated, children]): DepNode => ({
        kind: 'conditional',
        flag,
        isNegated,
        children,
      }),
    ),
  ),
})).nodes;

/** Valid in Portage's configuration files. */
export const ATOMS: readonly string[] = [
  'app-misc/top',
  'app-misc/top-level',
  'dev-libs/libfoo+bar_x',
  'x11-libs/gtk+',
  'app-misc/top:0',
  'app-misc/top:0/1',
  'app-misc/top:0/1=',
  'app-misc/top:=',
  'app-misc/top:*',
  'app-misc/top:2=',
  'app-misc/top:9',
  'app-misc/top::gentoo',
  'app-misc/top:0::gentoo',
  'app-misc/top:0/1::gentoo[x]',
  'app-misc/top[x]',
  'app-misc/top[-x]',
  'app-misc/top[x,y]',
  'app-misc/top[-x(+)]',
  'app-misc/top[x(-)]',
  'app-misc/top[missing]',
  'app-misc/top[missing(+)]',
  'app-misc/top[-missing(+)]',
  'app-misc/top[missing(-)]',
  'app-misc/top[-missing(-)]',
  'app-misc/top[x?]',
  'app-misc/top[!x?]',
  'app-misc/top[x=]',
  'app-misc/top[!missing=]',
  'app-misc/top[missing(+)?]',
  '!app-misc/top',
  '!!app-misc/top',
  '!<app-misc/top-2',
  '!!>=app-misc/top-2:0',
  '*/*',
  '*/top',
  'app-misc/*',
  'app-*/t*p',
  '*/*::gentoo',
  '*/*:0',
  'app-misc/t*',
  '=app-misc/top-1*',
  '=app-misc/top-1.0*',
  '=app-misc/top-01*',
  '=app-misc/top-1.0_p*',
  '=app-misc/top-1.0-r1*',
  '=app-misc/top-1.0a*',
  '=app-misc/top-1.0b*',
  '=*/*-*9*',
  '=app-misc/top-*1*',
  '=app-misc/*-*_p*',
  'app-misc/top-1*',
  'app-misc/top-1*:0',
  '*/top-1',
  'app-*/top-1_p2-r1',
  '+app-misc/top',
  'app-misc/+top',
  '*/*::__unknown__',
  'app-misc/top::__unknown__',
  ...['=', '~', '<', '<=', '>', '>='].flatMap((operator) =>
    ['1', '1.0', '1.0-r0', '1.0-r1', '1.0a', '1.0_p1', '01', '1.10', '2', '8.3.1', '1_alpha1'].map(
      (version) => `${operator}app-misc/top-${version}`,
    ),
  ),
  '>=app-misc/top-1.0:0[x]',
  '=dev-libs/libfoo+bar_x-1.0*:0/1=',
];

/** Refused everywhere. */
export const NOT_ATOMS: readonly string[] = [
  '',
  'top',
  '/top',
  'app-misc/',
  'app-misc/top-1.0',
  '=app-misc/top',
  '>=app-misc/top',
  '==app-misc/top-1',
  '=>app-misc/top-1',
  '~app-misc/top-1*',
  '>=app-misc/top-1*',
  '=app-misc/top-1.*',
  '=app-misc/top-1*2',
  'app-misc/top:',
  'app-misc/top:0/',
  'app-misc/top:/1',
  'app-misc/top:0*',
  'app-misc/top:-1',
  'app-misc/top::',
  'app-misc/top::-gentoo',
  'app-misc/top::gentoo:0',
  'app-misc/top[]',
  'app-misc/top[x',
  'app-misc/top[x]]',
  'app-misc/top[x,]',
  'app-misc/top[!x]',
  'app-misc/top[-x?]',
  'app-misc/top[-x=]',
  'app-misc/top[x(*)]',
  'app-misc/top[x(+),x(-)]',
  'app-misc/top[x(+),-x]',
  'app-misc/top[ x ]',
  'app-misc/top[x]:0',
  '!!!app-misc/top',
  '!',
  '-app-misc/top',
  'app-misc/-top',
  '.app/top',
  'app-misc/top bar',
  'app-misc/tép',
  '**/*',
  '*/**',
  '*/*[x]',
  '=*/*-1*',
  '=app-misc/t*-1',
  '>*/*-*1*',
  'app-misc/top-1.0*',
  'app-*/top-1.0-r1',
  '=app-misc/top-1-2',
];

/** Packages to match against, in several slots and repositories. */
export const CANDIDATES: readonly {
  readonly cpv: string;
  readonly slot: string;
  readonly repo: string;
  readonly use: readonly string[];
  readonly iuse: readonly string[];
}[] = [
  '1',
  '1.0',
  '01',
  '1.0-r0',
  '1.0-r1',
  '1.0-r10',
  '1.0a',
  '1.0_p',
  '1.0_p1',
  '1.01',
  '1.1',
  '1.10',
  '10',
  '2',
  '2.0_rc1',
  '8.3.1',
  '8.3.10',
  '9999',
  '1_alpha1',
  '0.1',
  '00.1',
  '1.0b_p3-r2',
  '1.00',
].map((version, index) => ({
  cpv: `app-misc/top-${version}`,
  slot: ['0', '0/1', '2', '0/0'][index % 4] ?? '0',
  repo: ['gentoo', 'lab', '__unknown__'][index % 3] ?? 'gentoo',
  use: [[], ['x'], ['x', 'y'], ['y']][index % 4] ?? [],
  iuse: ['x', 'y'],
}));

/** Dependency strings that are valid, with words of every kind in them. */
export const DEP_STRINGS: readonly string[] = [
  '',
  ' \n\t ',
  'a/a',
  'a/a b/b',
  '( a/a )',
  '( ( a/a ) )',
  '( a/a ( b/b c/c ) )',
  'x? ( a/a )',
  '!x? ( a/a )',
  'x? ( y? ( a/a ) b/b )',
  'x? ( a/a ) !x? ( b/b )',
  '|| ( a/a )',
  '|| ( a/a b/b )',
  '|| ( ( a/a b/b ) c/c )',
  '|| ( ( a/a ) ( b/b ) )',
  '|| ( a/a || ( b/b c/c ) )',
  '|| ( || ( a/a b/b ) || ( c/c d/d ) )',
  '|| ( x? ( a/a ) )',
  '|| ( x? ( a/a ) b/b )',
  '|| ( x? ( a/a b/b ) c/c )',
  '|| ( x? ( a/a ) y? ( b/b ) )',
  'a/a || ( x? ( b/b ) ) c/c',
  '|| ( ( a/a || ( b/b c/c ) ) d/d )',
  '( || ( a/a b/b ) )',
  'x? ( || ( a/a b/b ) )',
  'x? ( || ( ( a/a ) ) )',
  '|| ( ( ( a/a b/b ) ) )',
  '>=dev-libs/a-1.2:0/3= !!<app-misc/b-2 c/c[x?,-y(+)]',
  'GPL-2 || ( MIT BSD ) x? ( Apache-2.0 )',
  'mirror x? ( test ) bindist',
  'MIT) (GPL-2 ||BSD CC0|| x?(',
  'a/a\u0085b/b\u001cc/c\u001dd/d\u00a0e/e\u3000f/f\u2028g/g',
  'a/a\ufeff \u200b \u180e b/b',
];

/** Not dependency strings in any EAPI. */
export const NOT_DEP_STRINGS: readonly string[] = [
  '(',
  ')',
  '( a/a',
  'a/a )',
  '( )',
  'x? ( )',
  '|| ( )',
  '||',
  '|| a/a',
  'x?',
  'x? a/a',
  'x? )',
  '|| x? ( a/a )',
  '( a/a ) )',
  '|| ( a/a',
  '-x? ( a/a )',
  '? ( a/a )',
  '->',
  'a/a -> b/b',
  'x?( a/a )',
  '||( a/a )',
  'x? (a/a )',
  'x? ( (a/a)',
];
