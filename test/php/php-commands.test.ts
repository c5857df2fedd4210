import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { phpDifferenceSchema, phpProfileSchema } from '../../src/protocol/php.ts';
import { digestOf } from '../../src/support/digests.ts';
import { makeElf } from '../binpkg/made-elf.ts';
import { runProgram } from '../cli/run-program.ts';
import { makePackage } from '../repository/make-package.ts';
import { LiveServer } from '../support/live-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { FACTS, packSmallTree, SMALL_TREE, type TreeFiles } from './made-tree.ts';

const folder = temporaryFolder();
const FIRST = '8.2.30-web-r1';
const SECOND = '8.3.1-web-r1';
let server: LiveServer;

beforeAll(async () => {
  server = await LiveServer.create(folder);
  await server.start();
  await upload(SMALL_TREE, FACTS, '&channel=testing');
  await upload(
    {
      ...SMALL_TREE,
      'bin/php': {
        content: makeElf({ type: 3, needed: ['libssl.so.4'], flags1: 0x08000001 }),
        mode: 0o755,
      },
      'lib/extensions/zip.so': { content: makeElf({}) },
    },
    { ...FACTS, php: '8.3.1', extensions: ['Core', 'pdo', 'zip'] },
  );
});
afterAll(async () => {
  await server.stop();
});

async function upload(files: TreeFiles, facts: object, more = ''): Promise<void> {
  const bytes = packSmallTree(files, facts);
  const sha512 = digestOf('sha512', bytes);
  await server.call('PUT', `/api/profiles/web/php?sha512=${sha512}${more}`, bytes);
}

async function rookery(...words: readonly string[]) {
  const options = ['--server', server.url, '--token-file', server.tokenFile];
  return await runProgram(['php', ...words, ...options], { cwd: folder });
}

async function said(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await rookery(...words);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

async function publish(cpv: string, soname: string): Promise<void> {
  const metadata = { PROVIDES: `x86_64: ${soname}\n` };
  await server.pushFile('web', await makePackage(folder, cpv, { metadata }));
  await server.call('POST', '/api/profiles/web/channels/testing/publish', {});
}

async function page(path: string): Promise<string> {
  const response = await fetch(server.url + path, { headers: { accept: 'text/html' } });
  expect(response.status).toBe(200);
  return await response.text();
}

describe('the commands of PHP trees', () => {
  it('list and show them', async () => {
    const list = await said('list', 'web');
    expect(list).toContain('2 trees, INDEX 2');
    expect(list).toMatch(new RegExp(`${FIRST}\\s+testing\\s+cli fpm\\s+2 `));
    const shown = await said('show', 'web', SECOND);
    expect(shown).toMatch(/requires:\s+x86_64: libc\.so\.6 libssl\.so\.3 libssl\.so\.4/);
    expect((await rookery('show', 'web', '9.9.9-web-r1')).stderr).toContain('[unknown-php-tree]');
  });

  it('tell what changes between two', async () => {
    const text = await said('diff', 'web', FIRST, SECOND);
    expect(text).toContain('+ lib/extensions/zip.so');
    expect(text).toContain('~ bin/php');
    expect(text).toContain('extensions: +zip');
    expect(text).toContain('needed libraries: +x86_64: libssl.so.4');
    const json = phpDifferenceSchema.parse(
      JSON.parse(await said('diff', 'web', FIRST, SECOND, '--json')),
    );
    const fresh = [...json.added, ...json.changed.map(({ after }) => after)];
    expect(fresh.map(({ path }) => path)).toEqual(['lib/extensions/zip.so', 'bin/php']);
    expect(json.newBytes).toBe(fresh.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0));
  });

  it('have pages: versions, channels, and what changes', async () => {
    const text = await page('/php/web');
    expect(text).toContain(FIRST);
    expect(text).toContain('<span class="pill good">testing</span>');
    expect(text).toContain(`/php/web/diff?from=${FIRST}&amp;to=${SECOND}`);
    const changes = await page(`/php/web/diff?from=${FIRST}&to=${SECOND}`);
    expect(changes).toContain('lib/extensions/zip.so');
    expect(changes).toContain('+x86_64: libssl.so.4');
    expect(await page('/profiles/web')).toContain('href="/php/web"');
  });

  it('keep the libraries of the system that their trees need', async () => {
    await publish('dev-libs/openssl-3', 'libssl.so.3');
    await expect(publish('dev-libs/openssl-4', 'libssl.so.5')).rejects.toThrow(
      `The PHP tree ${FIRST}, which nodes may fetch, needs the library libssl.so.3`,
    );
  });

  it('promote, roll back and remove, and say what was forced', async () => {
    const why = ['--reason', 'because'];
    expect((await rookery('promote', 'web', 'stable')).stderr).toContain(
      '[php-promotion-not-proven]',
    );
    expect((await rookery('promote', 'web', 'stable', '--force')).stderr).toContain(
      '[reason-required]',
    );
    expect(await said('promote', 'web', 'stable', '--force', ...why)).toMatch(
      /^stable of web shows 8\.2\.30-web-r1\. INDEX 3\. Forced: 0 of 1 nodes on testing /,
    );
    expect(await said('promote', 'web', 'testing', '--tree', SECOND)).toContain(SECOND);
    expect((await rookery('remove', 'web', SECOND, ...why)).stderr).toContain('[php-tree-in-use]');
    expect(await said('rollback', 'web', 'testing', ...why)).toContain(
      `shows ${FIRST} again. INDEX 5.`,
    );
    const kept = await said('collect', 'web', '--dry-run');
    expect(kept).toMatch(new RegExp(`${FIRST}\\s.*stable shows it, testing shows it`));
    expect(await said('remove', 'web', SECOND, ...why)).toContain(`${SECOND} is removed. INDEX 6.`);

    const view = phpProfileSchema.parse(JSON.parse(await said('list', 'web', '--json')));
    expect(view.trees.map(({ id }) => id)).toEqual([FIRST]);
    expect(view.deeds.map(({ kind }) => kind)).toEqual([
      'remove',
      'rollback',
      'promote',
      'promote',
      'import',
      'import',
    ]);
  });

  it('are for administrators', async () => {
    const sha512 = 'ab'.repeat(64);
    for (const [method, path] of [
      ['PUT', `php?sha512=${sha512}`],
      ['DELETE', `php/trees/${FIRST}`],
      ['POST', 'php/collect'],
      ['POST', 'php/channels/testing/promote'],
      ['POST', 'php/channels/testing/rollback'],
    ] as const) {
      const response = await fetch(`${server.url}/api/profiles/web/${path}`, { method });
      expect([path, response.status]).toEqual([path, 401]);
    }
  });
});
