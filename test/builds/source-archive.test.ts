import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { extract } from 'tar-stream';
import { packSource } from '../../src/builds/source-archive.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const sources = join(folder, 'sources');

async function makeTree(name: string, order: readonly string[]): Promise<string> {
  const root = join(folder, name);
  await fs.mkdir(join(root, 'sub', 'deep'), { recursive: true });
  for (const file of order) {
    await fs.writeFile(join(root, file), `text of ${file}\n`);
  }
  await fs.chmod(join(root, 'configure'), 0o777);
  await fs.symlink('../configure', join(root, 'sub', 'link'));
  await fs.symlink('/nowhere/at/all', join(root, 'dangling'));
  return root;
}

const FILES = ['configure', 'a.c', 'sub/Z', 'sub/ä', `sub/deep/${'long'.repeat(40)}`, 'sub/empty'];

interface Found {
  readonly name: string;
  readonly type: string | undefined;
  readonly mode: number | undefined;
  readonly linkname: string | null | undefined;
  readonly owner: string;
  readonly mtime: number | undefined;
  readonly text: string;
}

async function read(path: string): Promise<Found[]> {
  const found: Found[] = [];
  const archive = extract();
  archive.end(gunzipSync(await fs.readFile(path)));
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) {
      if (Buffer.isBuffer(chunk)) {
        chunks.push(chunk);
      }
    }
    const { name, type, mode, linkname, uid, gid, mtime } = entry.header;
    found.push({
      name,
      type,
      mode,
      linkname,
      owner: `${uid}:${gid}`,
      mtime: mtime.getTime(),
      text: Buffer.concat(chunks).toString(),
    });
  }
  return found;
}

describe('packSource', () => {
  it('packs everything, with neutral owners, times and modes', async () => {
    const root = await makeTree('whole', FILES);
    await fs.writeFile(join(root, 'sub', 'empty'), '');
    const archive = await packSource(root, sources);

    const path = join(sources, archive.sha512);
    const bytes = await fs.readFile(path);
    expect(createHash('sha512').update(bytes).digest('hex')).toBe(archive.sha512);
    expect(bytes.length).toBe(archive.size);
    const content = createHash('sha256').update(gunzipSync(bytes)).digest('hex');
    expect(content).toBe(archive.contentSha256);
    const entries = await read(path);
    expect(entries.map(({ name }) => name)).toEqual(
      [...FILES, 'sub', 'sub/deep', 'sub/link', 'dangling'].toSorted((one, other) =>
        Buffer.compare(Buffer.from(one), Buffer.from(other)),
      ),
    );
    expect(new Set(entries.map(({ owner, mtime }) => `${owner} ${mtime}`))).toEqual(
      new Set(['0:0 0']),
    );
    const byName = new Map(entries.map((entry) => [entry.name, entry]));
    expect(byName.get('configure')).toMatchObject({ mode: 0o755, text: 'text of configure\n' });
    expect(byName.get('a.c')).toMatchObject({ mode: 0o644, text: 'text of a.c\n' });
    expect(byName.get('sub/empty')).toMatchObject({ type: 'file', text: '' });
    expect(byName.get('sub/link')).toMatchObject({ type: 'symlink', linkname: '../configure' });
    expect(byName.get('dangling')).toMatchObject({ type: 'symlink', linkname: '/nowhere/at/all' });
  });

  it('is what tar unpacks', async () => {
    const root = await makeTree('for-tar', FILES);
    const { sha512 } = await packSource(root, sources);
    const target = join(folder, 'unpacked');
    await fs.mkdir(target);
    const result = await run(['tar', '-xzf', join(sources, sha512), '-C', target], {
      env: toolEnvironment(),
    });
    expect(result.exitCode).toBe(0);
    expect(await fs.readFile(join(target, FILES[4] ?? ''), 'utf8')).toContain('long');
    expect(await fs.readlink(join(target, 'sub', 'link'))).toBe('../configure');
  });

  it('gives equal trees equal bytes, and any other tree others', async () => {
    const one = await packSource(await makeTree('one', FILES), sources);
    const root = await makeTree('two', FILES.toReversed());
    await fs.utimes(join(root, 'a.c'), 5, 5);
    await fs.chmod(join(root, 'a.c'), 0o600);
    expect(await packSource(root, sources)).toEqual(one);

    const digests = [one.contentSha256];
    await fs.chmod(join(root, 'a.c'), 0o700);
    digests.push((await packSource(root, sources)).contentSha256);
    await fs.writeFile(join(root, 'a.c'), 'else');
    digests.push((await packSource(root, sources)).contentSha256);
    await fs.rename(join(root, 'a.c'), join(root, 'b.c'));
    digests.push((await packSource(root, sources)).contentSha256);
    expect(new Set(digests).size).toBe(4);
  });

  it('refuses what cannot be packed, and leaves nothing behind', async () => {
    const place = join(folder, 'refused');
    const root = await makeTree('tree', FILES);
    const limits = { maxBytes: 30, maxEntries: 1000 };
    await expect(packSource(root, place, limits)).rejects.toMatchObject({
      code: 'source-too-large',
    });
    await expect(packSource(root, place, { maxBytes: 1e6, maxEntries: 3 })).rejects.toMatchObject({
      code: 'source-too-large',
    });
    await expect(packSource(join(folder, 'none'), place)).rejects.toMatchObject({
      code: 'source-missing',
    });
    await expect(packSource('relative', place)).rejects.toMatchObject({ code: 'source-missing' });
    await run(['mkfifo', join(root, 'pipe')], { env: toolEnvironment() });
    await expect(packSource(root, place)).rejects.toMatchObject({
      code: 'source-unsupported',
      message: expect.stringContaining('pipe'),
    });
    await fs.rm(join(root, 'pipe'));
    await packSource(root, place);
    expect(await fs.readdir(place)).toHaveLength(1);
  });

  it('notices a file that is not as long as it was said to be', async () => {
    const place = join(folder, 'changed');
    // The kernel's files there say that they are empty, and are not.
    await expect(packSource('/proc/sys/kernel/random', place)).rejects.toMatchObject({
      code: 'source-changed',
    });
    expect(await fs.readdir(place)).toEqual([]);
  });

  it('packs a file much larger than any buffer', async () => {
    const root = join(folder, 'large');
    await fs.mkdir(root);
    const bytes = Buffer.alloc(5_000_000, 'abcdefg');
    await fs.writeFile(join(root, 'big'), bytes);
    const { sha512 } = await packSource(root, sources);
    const [entry] = await read(join(sources, sha512));
    expect(entry?.text.length).toBe(bytes.length);
  });
});
