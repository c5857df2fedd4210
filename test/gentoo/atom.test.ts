import { describe, expect, it } from '@jest/globals';
import {
  type AtomCandidate,
  evaluateAtom,
  formatAtom,
  matchesAtom,
  parseAtom,
} from '../../src/gentoo/atom.ts';
import { ATOMS, NOT_ATOMS } from './samples.ts';

const refusal = (why: string): unknown =>
  expect.objectContaining({ code: 'invalid-atom', message: expect.stringContaining(why) });

describe('parseAtom', () => {
  it('gives every part', () => {
    expect(parseAtom('!!>=app-misc/top-2.1-r3:0/1=::gentoo[x,-y(+),z?]')).toEqual({
      text: '!!>=app-misc/top-2.1-r3:0/1=::gentoo[x,-y(+),z?]',
      blocker: '!!',
      operator: '>=',
      category: 'app-misc',
      pn: 'top',
      version: '2.1-r3',
      slot: '0',
      subSlot: '1',
      slotOperator: '=',
      repo: 'gentoo',
      isWildcard: false,
      use: [
        { flag: 'x', kind: 'enabled', missing: null },
        { flag: 'y', kind: 'disabled', missing: true },
        { flag: 'z', kind: 'if-enabled', missing: null },
      ],
    });
    expect(parseAtom('=app-misc/top-1*')).toMatchObject({ operator: '=*', version: '1' });
    expect(parseAtom('*/*')).toMatchObject({ isWildcard: true, category: '*', pn: '*' });
  });

  it.each(ATOMS)('prints %s as it was', (text) => {
    expect(formatAtom(parseAtom(text))).toBe(text);
  });

  it.each([...NOT_ATOMS, '-app/top', '*/top-1[x]', '=*/top-1', 'a'.repeat(3000)])(
    'refuses %j',
    (text) => {
      expect(() => parseAtom(text)).toThrow(refusal(text.slice(0, 100)));
    },
  );

  it.each([
    ['app-misc/top-1', 'a version needs an operator'],
    ['>=app-misc/top', '">=" needs a version'],
    ['>=app-misc/top-1*', '"*" cannot stand'],
    ['app-misc/top:0*', '":0*" is not a slot dependency'],
    ['app-misc/top[x(+),x]', '[x(+),x] are not valid USE dependencies'],
    ['*/*[x]', 'a wildcard cannot have USE'],
    ['=app-misc/top-1-2', 'a BUILD_ID cannot stand here'],
    ['(app-misc/top', 'a space is missing around a bracket'],
    ['app-misc/top||', 'a space is missing around a bracket or "||"'],
  ])('says what is wrong with %s', (text, why) => {
    expect(() => parseAtom(text)).toThrow(refusal(why));
  });

  it.each([
    ['app-misc/top:0', '0', '1', 'slots'],
    ['app-misc/top[x]', '1', '2', 'USE dependencies'],
    ['!!app-misc/top', '1', '2', 'strong blockers'],
    ['app-misc/top[x(+)]', '3', '4', 'USE defaults'],
    ['app-misc/top:=', '4', '5', 'slot operators'],
    ['app-misc/top:0/1', '4', '5', 'slot operators'],
  ])('%s is refused in EAPI %s and accepted in EAPI %s', (text, before, since, what) => {
    expect(() => parseAtom(text, { eapi: before })).toThrow(
      refusal(`EAPI ${before} has no ${what}`),
    );
    expect(parseAtom(text, { eapi: since }).text).toBe(text);
  });

  it.each([
    ['=app-misc/top-1-2', 'top', '1', '2'],
    ['>=app-misc/top-1.0-r3-0:0/2=[x?]', 'top', '1.0-r3', '0'],
    ['~app-misc/top-1-2-3', 'top-1', '2', '3'],
  ])('takes the BUILD_ID of %s where it is allowed', (text, pn, version, buildId) => {
    const atom = parseAtom(text, { allowsBuildId: true });

    expect(atom).toMatchObject({ pn, version, buildId });
    expect(formatAtom(atom)).toBe(text);
    expect(() => parseAtom(text, { allowsBuildId: true, eapi: '8' })).toThrow(refusal('BUILD_ID'));
  });

  it.each(['=app-misc/top-1-02', '=app-misc/top-1-1.0', '=app-misc/top-1-2*', 'app-misc/top-1-2'])(
    'refuses %s, which has no BUILD_ID either',
    (text) => {
      expect(() => parseAtom(text, { allowsBuildId: true })).toThrow(refusal(text));
    },
  );

  it('keeps what only configuration files may say out of ebuilds, and unknown EAPIs out', () => {
    expect(() => parseAtom('*/*', { eapi: '8' })).toThrow(refusal('wildcards'));
    expect(() => parseAtom('a/b::gentoo', { eapi: '8' })).toThrow(refusal('repositories'));
    expect(() => parseAtom('a/b', { eapi: '10' })).toThrow('"10" is not an EAPI');
  });
});

const X = new Set(['x']);

const top = (version: string, more: Partial<AtomCandidate> = {}): AtomCandidate => ({
  cpv: `app-misc/top-${version}`,
  slot: '0/1',
  ...more,
});

describe('matchesAtom', () => {
  it.each([
    ['app-misc/top', '1', true],
    ['app-misc/other', '1', false],
    ['=app-misc/top-1.0', '1.0-r0', true],
    ['=app-misc/top-1.0', '1.0-r1', false],
    ['~app-misc/top-1.0', '1.0-r1', true],
    ['~app-misc/top-1.0', '1.0.0', false],
    ['=app-misc/top-1*', '1.5', true],
    ['=app-misc/top-1*', '1a', true],
    ['=app-misc/top-1*', '10', false],
    ['=app-misc/top-1a*', '1a_p1', true],
    ['=app-misc/top-1_p*', '1_pre', false],
    ['=app-misc/top-01*', '1.5', true],
    ['=app-misc/top-1.0-r1*', '1.0-r1', true],
    ['=app-misc/top-1.0-r1*', '1.0-r10', false],
    ['<app-misc/top-2', '2_rc1', true],
    ['>app-misc/top-2', '2-r1', true],
    ['>=app-misc/top-2', '2', true],
    ['<=app-misc/top-2', '2.0', false],
    ['app-misc/top:0', '1', true],
    ['app-misc/top:0/1', '1', true],
    ['app-misc/top:0/2', '1', false],
    ['app-misc/top:2', '1', false],
    ['app-misc/top:=', '1', true],
    ['!app-misc/top', '1', true],
    ['*/*', '1', true],
    ['app-*/t*p', '1', true],
    ['app-*/t*pp', '1', false],
    ['*/*-misc', '1', false],
    ['=*/*-*99*', '9999', true],
    ['=*/*-*99*', '19', false],
    ['app-misc/top-1*', '1', false],
    ['*/top-1', '1', false],
    ['+app-misc/top', '1', false],
  ])('%s and version %s: %s', (atom, version, matches) => {
    expect(matchesAtom(parseAtom(atom), top(version))).toBe(matches);
  });

  it('takes the slot for the sub-slot where there is none', () => {
    expect(matchesAtom(parseAtom('app-misc/top:2/2'), top('1', { slot: '2' }))).toBe(true);
  });

  it.each([
    ['[x]', true],
    ['[-x]', false],
    ['[y]', false],
    ['[-y]', true],
    ['[gone]', false],
    ['[-gone]', false],
    ['[gone(+)]', true],
    ['[gone(-)]', false],
    ['[-gone(-)]', true],
    ['[-gone(+)]', false],
    ['[gone?]', false],
    ['[y?]', true],
  ])('%s against USE="x" IUSE="+x -y": %s', (use, matches) => {
    const candidate = top('1', { use: ['x'], iuse: ['+x', '-y'] });

    expect(matchesAtom(parseAtom(`app-misc/top${use}`), candidate)).toBe(matches);
  });

  it('asks about flags and repository only where they are known', () => {
    expect(matchesAtom(parseAtom('app-misc/top::lab[x]'), top('1'))).toBe(true);
    expect(matchesAtom(parseAtom('app-misc/top[gone]'), top('1', { use: ['gone'] }))).toBe(true);
    expect(matchesAtom(parseAtom('app-misc/top::lab'), top('1', { repo: 'gentoo' }))).toBe(false);
    expect(matchesAtom(parseAtom('a*/top::lab'), top('1', { repo: '__unknown__' }))).toBe(true);
  });
});

describe('evaluateAtom', () => {
  it.each([
    ['a/b[x?]', 'a/b[x]', 'a/b'],
    ['a/b[!x?]', 'a/b', 'a/b[-x]'],
    ['a/b[x=]', 'a/b[x]', 'a/b[-x]'],
    ['a/b[!x=]', 'a/b[-x]', 'a/b[x]'],
    ['a/b:0=[y,x(+)?]', 'a/b:0=[y,x(+)]', 'a/b:0=[y]'],
    ['a/b:0::lab[x?]', 'a/b:0[x]', 'a/b:0'],
    ['a/b::lab[y]', 'a/b::lab[y]', 'a/b::lab[y]'],
  ])('%s becomes %s with x and %s without', (text, withX, withoutX) => {
    expect(evaluateAtom(parseAtom(text), new Set(['x'])).text).toBe(withX);
    expect(evaluateAtom(parseAtom(text), new Set()).text).toBe(withoutX);
  });

  it.each([
    ['[gone?]', false, true],
    ['[!gone?]', false, false],
    ['[gone(+)?]', true, true],
    ['[x?]', true, true],
    ['[x=,gone?]', false, true],
  ])('%s is decided and still asks for the flag: matches %s, blocks %s', (use, matches, blocks) => {
    const decided = evaluateAtom(parseAtom(`app-misc/top${use}`), X);
    const blocker = evaluateAtom(parseAtom(`!app-misc/top${use}`), X);
    const candidate = top('1', { use: ['x'], iuse: ['x', 'y'] });

    expect([matchesAtom(decided, candidate), matchesAtom(blocker, candidate)]).toEqual([
      matches,
      blocks,
    ]);
  });
});
