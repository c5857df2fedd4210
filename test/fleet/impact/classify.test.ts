import { describe, expect, it } from '@jest/globals';
import { effectsOf, impactOf, node, ownOf, PUBLICATION, pooled, running } from './made-impact.ts';

const SSL = '/usr/lib64/libssl.so.3';
const OLD_SSL = pooled('dev-libs/openssl-3.0.1', { PROVIDES: 'libssl.so.3 libcrypto.so.3' });
const NEW_SSL = pooled('dev-libs/openssl-3.0.2', { PROVIDES: 'libssl.so.3 libcrypto.so.3' });
const ssl = { installed: [OLD_SSL], published: [NEW_SSL] };
const sslBy = (name: string, tree: string | null = null) =>
  running(name, { [SSL]: 'dev-libs/openssl-3.0.1' }, tree);

function rows(match: string, effect: 'none' | 'reboot') {
  return {
    packages: [{ match, effect, reason: 'ours' }],
    programs: [{ match: 'our-*', effect: 'disruptive' as const, order: 1, reason: 'ours' }],
  };
}

describe('what an upgrade does to nodes', () => {
  it('is nothing where nothing changes', () => {
    expect(impactOf({ installed: [OLD_SSL], published: [OLD_SSL] })).toEqual({
      profile: 'zen3',
      installedDigest: 'i'.repeat(64),
      nodes: ['web-1'],
      to: PUBLICATION,
      effect: 'none',
      packages: [],
      restarts: [],
    });
  });

  it('says which program has what mapped, and on how many nodes', () => {
    const nodes = ['web-2', 'web-1', 'web-3'].map((name) =>
      node(name, name === 'web-3' ? [] : [sslBy('php-fpm')]),
    );
    const impact = impactOf({ ...ssl, nodes });
    expect(impact.nodes).toEqual(['web-1', 'web-2', 'web-3']);
    expect([impact.effect, impact.packages]).toEqual([
      'disruptive',
      [
        {
          name: 'dev-libs/openssl',
          slot: '0',
          from: 'dev-libs/openssl-3.0.1',
          to: 'dev-libs/openssl-3.0.2',
          effect: 'disruptive',
          reasons: ['libssl.so.3 is mapped by php-fpm on 2 nodes'],
        },
      ],
    ]);
  });

  it('restarts what serves no requests, sshd last', () => {
    const services = ['sshd', 'zabbix_agentd', 'crond'].map((name) => sslBy(name));
    const impact = impactOf({ ...ssl, nodes: [node('web-1', services)] });
    expect([impact.effect, impact.restarts]).toEqual([
      'service-restart',
      ['crond', 'zabbix_agentd', 'sshd'],
    ]);
    expect(impact.packages[0]?.reasons).toContain('libssl.so.3 is mapped by sshd on 1 node');
  });

  it('counts the strongest, and still says the rest', () => {
    const impact = impactOf({ ...ssl, nodes: [node('web-1', [sslBy('sshd'), sslBy('nginx')])] });
    expect([impact.effect, impact.restarts]).toEqual(['disruptive', ['sshd']]);
    expect(impact.packages[0]?.reasons).toEqual([
      'libssl.so.3 is mapped by nginx on 1 node',
      'libssl.so.3 is mapped by sshd on 1 node',
    ]);
  });

  it('takes a php-fpm of a PHP tree for one that serves, whatever its name', () => {
    const impact = impactOf({ ...ssl, nodes: [node('web-1', [sslBy('fpm', '8.3.1-zen3-r1')])] });
    expect(impact.packages[0]?.reasons).toEqual([
      'libssl.so.3 is mapped by fpm of the PHP tree 8.3.1-zen3-r1 on 1 node',
    ]);
  });

  it.each([
    ['sys-kernel/gentoo-kernel-bin', 'reboot', 'it is the kernel, which only a boot changes'],
    ['sys-kernel/gentoo-sources', 'none', 'it has only the source of a kernel'],
    ['sys-libs/glibc', 'reboot', 'every process has the library of C mapped'],
    ['www-servers/nginx', 'disruptive', 'it is a web server'],
    ['app-text/tree', 'none', 'it has no programs or libraries that could be running'],
  ])('knows %s by its name', (name, effect, reason) => {
    const impact = impactOf({
      installed: [pooled(`${name}-1`)],
      published: [pooled(`${name}-2`)],
    });
    expect(impact.packages[0]).toMatchObject({ effect });
    expect(impact.packages[0]?.reasons).toContain(reason);
  });

  it('takes the rows of a profile first, which never weaken what is seen', () => {
    const kernel = {
      installed: [pooled('sys-kernel/gentoo-kernel-1')],
      published: [pooled('sys-kernel/gentoo-kernel-2')],
    };
    expect(impactOf({ ...kernel, rules: rows('sys-kernel/*', 'none') }).effect).toBe('none');
    const nodes = [node('web-1', [sslBy('our-worker')])];
    expect(impactOf({ ...ssl, nodes, rules: rows('dev-libs/*', 'none') }).effect).toBe(
      'disruptive',
    );
  });

  it('is not known of nodes that do not say all that runs there', () => {
    const doc = [pooled('app-doc/pages-1'), pooled('app-doc/pages-2')] as const;
    const impact = impactOf({
      installed: [OLD_SSL, doc[0]],
      published: [NEW_SSL, doc[1]],
      nodes: [node('web-1'), node('web-2', null)],
    });
    expect(effectsOf(impact)).toEqual({
      'dev-libs/openssl': 'disruptive',
      'app-doc/pages': 'none',
    });
    expect(impact.packages[0]?.reasons).toEqual([
      'the node web-2 does not say all that runs on it, and it has programs or libraries',
    ]);
  });

  it('is blocked on nodes of another profile', () => {
    const impact = impactOf({ ...ssl, profile: 'zen2' });
    expect([impact.effect, impact.packages[0]?.reasons[0]]).toEqual([
      'blocked',
      'the nodes have the profile zen2, and the publication is for zen3',
    ]);
  });

  it('looks at a build of the same version as at any other', () => {
    const again = pooled('dev-libs/openssl-3.0.1', { PROVIDES: 'libssl.so.3' }, 2);
    const nodes = [node('web-1', [sslBy('nginx')])];
    expect(impactOf({ installed: [OLD_SSL], published: [again], nodes }).effect).toBe('disruptive');
  });

  it('counts a mapping of a build that is gone for the package that took its place', () => {
    const gone = running('nginx', { [SSL]: 'dev-libs/openssl-3.0.0' });
    expect(impactOf({ ...ssl, nodes: [node('web-1', [gone])] }).effect).toBe('disruptive');
    const other = ownOf('dev-libs/openssl-1.1.1', { slot: '1.1' });
    const compat = running('nginx', { '/usr/lib64/libssl.so.1.1': 'dev-libs/openssl-1.1.1' });
    const installed = [OLD_SSL, other];
    const nodes = [node('web-1', [compat])];
    expect(impactOf({ installed, published: [NEW_SSL], nodes }).effect).toBe('none');
  });
});
