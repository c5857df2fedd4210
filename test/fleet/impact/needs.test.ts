import { describe, expect, it } from '@jest/globals';
import { effectsOf, impactOf, node, ownOf, pooled, running } from './made-impact.ts';

const TREE = { '8.3.1-zen3-r1': 'x86_64: libxml2.so.2 libc.so.6' };

function upgraded(pn: string, metadata: Readonly<Record<string, string>>) {
  return [pooled(`dev-libs/${pn}-1`, metadata), pooled(`dev-libs/${pn}-2`, metadata)] as const;
}

/** NEEDED.ELF.2 of util-linux with its library at this path. */
function files(path: string): string {
  return [
    `X86_64;/usr/lib64/${path};libuuid.so.1;;libc.so.6;x86_64`,
    'X86_64;/usr/bin/cal;;;libtinfo.so.6,libc.so.6;x86_64',
  ].join(' ');
}

function nginxWith(path: string) {
  return [node('web-1', [running('nginx', { [path]: 'sys-apps/util-linux-1' })])];
}

function needy(version: number) {
  return pooled(`app-misc/needy-${version}`, {
    REQUIRES: 'libgone.so.1',
    RDEPEND: 'sys-apps/gone',
  });
}

describe('what serves requests', () => {
  it('needs libraries that it has not mapped now', () => {
    const [xml, newXml] = upgraded('xml', { PROVIDES: 'libxml2.so.2', REQUIRES: 'libicuuc.so.74' });
    const [icu, newIcu] = upgraded('icu', { PROVIDES: 'libicuuc.so.74' });
    const [zip, newZip] = upgraded('zip', { PROVIDES: 'libzip.so.5' });
    const impact = impactOf({
      installed: [xml, icu, zip],
      published: [newXml, newIcu, newZip],
      nodes: [node('web-1', [], TREE), node('web-2', [], TREE), node('web-3')],
    });
    expect(impact.packages.map(({ name, effect, reasons }) => [name, effect, ...reasons])).toEqual([
      [
        'dev-libs/icu',
        'disruptive',
        'libicuuc.so.74 is needed by the PHP tree 8.3.1-zen3-r1 on 2 nodes, through dev-libs/xml-1',
      ],
      [
        'dev-libs/xml',
        'disruptive',
        'libxml2.so.2 is needed by the PHP tree 8.3.1-zen3-r1 on 2 nodes',
      ],
      [
        'dev-libs/zip',
        'none',
        'nothing that runs has a file of it mapped, and nothing that serves requests needs a library of it',
      ],
    ]);
  });

  it('needs what a package needs that only the node knows', () => {
    const [zip, newZip] = upgraded('zip', { PROVIDES: 'libzip.so.5' });
    const own = ownOf('app-misc/agent-1', { requires: 'x86_64: libzip.so.5' });
    const mapped = running('nginx', { '/usr/lib64/agent.so': 'app-misc/agent-1' });
    const world = { published: [newZip], nodes: [node('web-1', [mapped])] };
    expect(impactOf({ ...world, installed: [zip, own] }).packages[0]?.reasons).toEqual([
      'libzip.so.5 is needed by nginx on 1 node',
    ]);
    const unsaid = ownOf('app-misc/agent-1');
    expect(impactOf({ ...world, installed: [zip, unsaid] }).effect).toBe('none');
  });

  it('needs of a package only what the mapped file needs, where its files are known', () => {
    const metadata = { PROVIDES: 'libuuid.so.1', REQUIRES: 'libtinfo.so.6 libc.so.6' };
    const util = (path: string, version: number) =>
      pooled(`sys-apps/util-linux-${version}`, { ...metadata, 'NEEDED.ELF.2': files(path) });
    const [curses, newCurses] = upgraded('ncurses', { PROVIDES: 'libtinfo.so.6' });
    const world = {
      installed: [util('libuuid.so.1.3', 1), curses],
      published: [util('libuuid.so.1.4', 2), newCurses],
    };
    const ofLibrary = impactOf({ ...world, nodes: nginxWith('/usr/lib64/libuuid.so.1.3') });
    expect(effectsOf(ofLibrary)).toEqual({
      'sys-apps/util-linux': 'disruptive',
      'dev-libs/ncurses': 'none',
    });
    const ofOther = impactOf({ ...world, nodes: nginxWith('/usr/lib64/unknown.so') });
    expect(effectsOf(ofOther)['dev-libs/ncurses']).toBe('disruptive');
  });

  it('needs the libraries of a web server that is not running now', () => {
    const [pcre, newPcre] = upgraded('pcre2', { PROVIDES: 'libpcre2-8.so.0' });
    const nginx = pooled('www-servers/nginx-1', { REQUIRES: 'libpcre2-8.so.0' });
    const impact = impactOf({ installed: [pcre, nginx], published: [newPcre, nginx] });
    expect(impact.packages[0]?.reasons).toEqual([
      'libpcre2-8.so.0 is needed by www-servers/nginx-1',
    ]);
  });
});

describe('a merge that takes something away', () => {
  const [xml] = upgraded('xml', { PROVIDES: 'libxml2.so.2' });
  const newXml = pooled('dev-libs/xml-2', { PROVIDES: 'libxml2.so.16' });

  it('is blocked while a PHP tree needs it that lies on a node', () => {
    const world = { installed: [xml], published: [newXml] };
    const impact = impactOf({ ...world, nodes: [node('web-1', [], TREE)] });
    expect([impact.effect, impact.packages[0]?.reasons[0]]).toEqual([
      'blocked',
      'libxml2.so.2 would be gone, which the PHP tree 8.3.1-zen3-r1 needs on 1 node',
    ]);
    expect(impactOf(world).effect).toBe('none');
  });

  it('is not when another package brings it', () => {
    const compat = pooled('dev-libs/xml-compat-1', { PROVIDES: 'libxml2.so.2' });
    const needing = pooled('dev-libs/xml-2', {
      PROVIDES: 'libxml2.so.16',
      RDEPEND: 'dev-libs/xml-compat',
    });
    const impact = impactOf({
      installed: [xml],
      published: [needing, compat],
      nodes: [node('web-1', [], TREE)],
    });
    expect(effectsOf(impact)).toEqual({
      'dev-libs/xml': 'disruptive',
      'dev-libs/xml-compat': 'disruptive',
    });
  });

  it('is blocked while an installed package needs it that stays', () => {
    const own = ownOf('app-misc/agent-1', { requires: 'x86_64: libxml2.so.2' });
    const impact = impactOf({ installed: [xml, own], published: [newXml] });
    expect([impact.effect, impact.packages[0]?.reasons[0]]).toEqual([
      'blocked',
      'app-misc/agent-1 needs the library libxml2.so.2 (x86_64); there is libxml2.so.16',
    ]);
  });

  it('is blocked when something that comes would lack what it needs', () => {
    const lacking = pooled('dev-libs/xml-2', {
      PROVIDES: 'libxml2.so.2',
      RDEPEND: '>=sys-apps/new-2',
    });
    const published = [lacking, pooled('sys-apps/new-1')];
    const impact = impactOf({ installed: [xml], published });
    expect([impact.effect, impact.packages[0]?.reasons[0]]).toEqual([
      'blocked',
      'dev-libs/xml-2 needs >=sys-apps/new-2 (RDEPEND), which neither the snapshot nor the base system has',
    ]);
  });

  it('is not blocked by what was lacking before', () => {
    expect(impactOf({ installed: [needy(1)], published: [needy(2)] }).effect).toBe('none');
  });
});
