import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { AnySigner } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { type RunResult, run, runChecked, toolEnvironment } from '../../src/support/processes.ts';

import { folderTree } from '../support/folder-tree.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ProofServer, startProofServer } from './proof-server.ts';

jest.setTimeout(60_000);

const DAY_MS = 86_400_000;
/** Of the key that `openInstallation` makes. */
const INSTALLED_DAYS = 30;
const DEED = { actor: 'token:admin', reason: 'because' };
const ROTATION = { ...DEED, overlapMs: DAY_MS, now: true, resign: false } as const;
const folder = temporaryFolder();
let farm: ProofServer | undefined;

afterEach(async () => {
  await farm?.close();
  farm = undefined;
});

class Node {
  readonly prefix: string;
  readonly home: string;
  readonly #env: Record<string, string>;

  constructor(prefix: string, env: Record<string, string>) {
    this.prefix = prefix;
    this.home = join(prefix, 'gnupg');
    this.#env = env;
  }

  async setUp(url: string, ...more: readonly string[]): Promise<RunResult> {
    const script = join(this.prefix, 'setup.sh');
    await writeFile(script, await (await fetch(`${url}/setup/web/testing.sh`)).text());
    const command = ['sh', script, '--prefix', this.prefix, '--gnupg-home', this.home, ...more];
    return await run(command, { env: this.#env });
  }

  async keys(
    ...more: readonly string[]
  ): Promise<{ readonly code: number; readonly said: string }> {
    const program = join(this.prefix, 'usr/local/sbin/rookery-node');
    const result = await run([program, 'keys', ...more], { env: this.#env });
    return { code: result.exitCode, said: result.stdout.toString() + result.stderr };
  }

  /** What gpg tells Portage of what this key signs. */
  async verdict(signer: AnySigner): Promise<string> {
    if ('signStream' in signer) {
      throw new Error('a key of a file was expected');
    }
    const signature = join(this.prefix, 'image.sig');
    await writeFile(signature, signer.signState(createHash('sha512').update('image')));
    const gpg = ['gpg', '--verify', '--batch', '--no-tty', '--no-auto-check-trustdb'];
    const command = [...gpg, '--status-fd', '2', '--homedir', this.home, signature, '-'];
    const { stderr } = await run(command, { env: this.#env, input: 'image' });
    const words = /^\[GNUPG:\] (GOODSIG|TRUST_\w+|NO_PUBKEY|EXPKEYSIG|REVKEYSIG)/gm;
    return [...stderr.matchAll(words)].map((match) => match[1]).join(' ');
  }
}

/** A farm, and a node that was set up with its keys of now. */
async function makeFarm(
  clock = new ManualClock(systemClock.now()),
  env: Record<string, string> = toolEnvironment(),
): Promise<{ readonly farm: ProofServer; readonly node: Node }> {
  farm = await startProofServer(await mkdtemp(join(folder, 'farm-')), clock);
  const prefix = await mkdtemp(join(folder, 'node-'));
  await mkdir(join(prefix, 'etc/portage'), { recursive: true });
  const node = new Node(prefix, env);
  expect(await node.setUp(farm.url)).toMatchObject({ exitCode: 0 });
  return { farm, node };
}

describe('rookery-node keys', () => {
  it.each([['primary'], ['subkey']] as const)(
    'takes over a new %s before it signs, and keeps the old one',
    async (kind) => {
      const { farm: made, node } = await makeFarm();
      const old = made.keyring.signer();
      expect(await node.keys()).toMatchObject({ code: 0 });
      expect(await node.verdict(old)).toBe('GOODSIG TRUST_ULTIMATE');
      await made.keys.rotate({ ...ROTATION, key: { kind } });
      const fresh = made.keyring.signer();
      expect(await node.verdict(fresh)).toBe('NO_PUBKEY');

      const before = folderTree(node.home);
      expect(await node.keys('--dry-run')).toMatchObject({ code: 0 });
      expect(folderTree(node.home)).toEqual(before);
      expect(await node.keys()).toMatchObject({ code: 0 });

      expect(await node.verdict(fresh)).toBe('GOODSIG TRUST_ULTIMATE');
      expect(await node.verdict(old)).toBe('GOODSIG TRUST_ULTIMATE');
      expect((await node.keys()).said).not.toContain('is now trusted');
    },
  );

  it('takes over the keys of now when it has missed several, and gives them back', async () => {
    const { farm: made, node } = await makeFarm();
    for (const kind of ['primary', 'subkey', 'primary'] as const) {
      await made.keys.rotate({ ...ROTATION, key: { kind } });
    }
    expect(await node.keys()).toMatchObject({ code: 0 });
    expect(await node.verdict(made.keyring.signer())).toBe('GOODSIG TRUST_ULTIMATE');
    expect(await node.setUp(made.url, '--uninstall')).toMatchObject({ exitCode: 0 });
    expect(existsSync(node.home)).toBe(false);
  });

  it('refuses what was revoked, also where it was trusted before', async () => {
    const { farm: made, node } = await makeFarm();
    const stolen = made.keyring.signer();
    await made.keys.rotate({ ...ROTATION, key: { kind: 'primary' } });
    await made.keys.revoke({
      ...DEED,
      fingerprint: stolen.primaryFingerprint,
      cause: 'compromised',
    });
    // Nobody this node trusts can vouch for the new key any more: that takes a person.
    expect(await node.keys()).toMatchObject({ code: 4 });
    expect(await node.setUp(made.url)).toMatchObject({ exitCode: 0 });
    expect(await node.verdict(stolen)).toMatch(/REVKEYSIG/);
    expect(await node.verdict(made.keyring.signer())).toBe('GOODSIG TRUST_ULTIMATE');
    expect(await node.keys()).toMatchObject({ code: 0 });
  });

  it('believes nobody but a key that it trusts already', async () => {
    const { farm: made, node } = await makeFarm();
    const stranger = await openSigner({
      folder: join(node.prefix, 'stranger'),
      name: 'Stranger',
      email: 'stranger@example.org',
      validDays: 10,
      clock: systemClock,
    });
    const shown = join(made.installation.folders.mirrorRoot, 'keys');
    const forged = stranger.publicKey;
    const state = createHash('sha512').update(forged);
    const mark = createHash('sha256').update(forged).digest('hex').slice(0, 16);
    const signature = stranger.signState(state);
    await writeFile(join(shown, 'rookery.asc'), forged);
    for (const name of [stranger.fingerprint, made.keyring.signer().fingerprint]) {
      await writeFile(join(shown, `rookery.asc.${mark}.${name}.sig`), signature);
    }
    const before = folderTree(node.home);
    const { code, said } = await node.keys();
    expect({ code, said }).toEqual({
      code: 4,
      said: expect.stringContaining('no key of the farm'),
    });
    expect(folderTree(node.home)).toEqual(before);
    expect(await node.verdict(stranger)).toBe('NO_PUBKEY');
  });

  it('learns of a moved end although it has seen the old one pass', async () => {
    const tools = await mkdtemp(join(folder, 'tools-'));
    const gpg = (await runChecked(['sh', '-c', 'command -v gpg'], { env: toolEnvironment() }))
      .stdout;
    const time = join(tools, 'time');
    await writeFile(
      join(tools, 'gpg'),
      `#!/bin/sh\nexec ${gpg.toString().trim()} --faked-system-time "$(cat ${time})!" "$@"\n`,
      { mode: 0o755 },
    );
    const clock = new ManualClock(systemClock.now());
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms);
      await writeFile(time, String(Math.floor(clock.now() / 1000)));
    };
    await pass(0);
    const path = [tools, process.env.PATH].join(delimiter);
    const { farm: made, node } = await makeFarm(clock, { ...toolEnvironment(), PATH: path });
    const signer = made.keyring.signer();
    await pass((INSTALLED_DAYS - 1) * DAY_MS);
    const before = made.keyring.signer();
    expect(await node.verdict(signer)).toBe('GOODSIG TRUST_ULTIMATE');
    await made.keys.extend({ ...DEED, days: 300 });
    await pass(2 * DAY_MS);
    expect(before.fingerprint).toBe(made.keyring.signer().fingerprint);
    expect(await node.verdict(made.keyring.signer())).toMatch(/EXPKEYSIG/);
    expect(await node.keys()).toMatchObject({ code: 0 });
    expect(await node.verdict(made.keyring.signer())).toBe('GOODSIG TRUST_ULTIMATE');
    const names = await readdir(join(made.installation.folders.mirrorRoot, 'keys'));
    expect(names.filter((name) => name.endsWith('.sig')).length).toBeGreaterThan(0);
    expect(readFileSync(join(node.prefix, 'var/lib/rookery-client/web'), 'utf8')).toContain(
      'uses ',
    );
  });
});
