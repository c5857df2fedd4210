import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect } from '@jest/globals';
import { renderClientScript } from '../../src/http/client-script.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { type RunResult, run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { folderTree } from './folder-tree.ts';

export interface Setting {
  /** The script, if it is not the usual one. */
  readonly text?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly shell?: readonly string[];
}

/** Folders that stand for the root of a Gentoo system, a new one for every test, and the client script run on them. */
export class ClientSystem {
  /** Everybody may enter it: Portage verifies as nobody. */
  readonly folder = mkdtempSync(join(tmpdir(), 'rkt-'));
  #signer: Signer | undefined;
  #count = 0;
  #root = '';

  /** To be made outside of tests: it sets up hooks. */
  constructor() {
    chmodSync(this.folder, 0o755);
    beforeAll(async () => {
      this.#signer = await this.makeSigner('farm');
    });
    afterAll(() => {
      rmSync(this.folder, { recursive: true, force: true });
    });
    beforeEach(() => {
      this.#count += 1;
      this.#root = this.place('root');
      mkdirSync(join(this.#root, 'etc/portage'), { recursive: true });
    });
  }

  /** A path of its own for this test. */
  place(name: string): string {
    return join(this.folder, `${name}-${this.#count}`);
  }

  get root(): string {
    return this.#root;
  }

  set root(path: string) {
    this.#root = path;
  }

  /** The verification home of the system. */
  get home(): string {
    return join(this.#root, 'etc/portage/gnupg');
  }

  get signer(): Signer {
    if (this.#signer === undefined) {
      throw new Error('there is no signer before the first test');
    }
    return this.#signer;
  }

  async makeSigner(name: string, clock = systemClock): Promise<Signer> {
    const email = `${name}@example.org`;
    const folder = join(this.folder, name);
    return await openSigner({ folder, name, email, validDays: 100, clock });
  }

  script(values: Partial<Parameters<typeof renderClientScript>[0]> = {}): string {
    return renderClientScript({
      profile: 'web-v3',
      channel: 'stable',
      uri: 'https://farm.example.org/binhost/web-v3/stable',
      server: 'https://farm.example.org',
      publicKey: this.signer.publicKey,
      fingerprint: this.signer.primaryFingerprint,
      ...values,
    });
  }

  async setUp(args: readonly string[] = [], setting: Setting = {}): Promise<RunResult> {
    const path = `${this.place('setup')}.sh`;
    writeFileSync(path, setting.text ?? this.script());
    const command = [...(setting.shell ?? ['sh']), path, '--root', this.#root, ...args];
    return await run(command, { env: { ...toolEnvironment(), ...setting.env } });
  }

  /** Returns what was said. */
  async succeed(args: readonly string[] = [], setting: Setting = {}): Promise<string> {
    const result = await this.setUp(args, setting);
    const said = result.stdout.toString('utf8') + result.stderr;
    expect({ exitCode: result.exitCode, said }).toEqual({ exitCode: 0, said });
    return said;
  }

  /** Expects this exit code and an unchanged system. Returns the complaint. */
  async refuse(
    exitCode: number,
    args: readonly string[] = [],
    setting: Setting = {},
  ): Promise<string> {
    const before = folderTree(this.#root);
    const result = await this.setUp(args, setting);
    const { stderr } = result;
    expect({ exitCode: result.exitCode, stderr }).toEqual({ exitCode, stderr });
    expect(folderTree(this.#root)).toEqual(before);
    return stderr;
  }

  put(path: string, text: string): void {
    mkdirSync(dirname(join(this.#root, path)), { recursive: true });
    writeFileSync(join(this.#root, path), text);
  }

  read(path: string): string {
    return readFileSync(join(this.#root, path), 'utf8');
  }

  /** Asks gpg as Portage does, as the user that Portage asks as where this runs as root. */
  async verify(home = this.home, by = this.signer): Promise<string> {
    const signature = `${this.place('image')}.sig`;
    writeFileSync(signature, by.signState(createHash('sha512').update('image')));
    const gpg = ['gpg', '--verify', '--batch', '--no-tty', '--no-auto-check-trustdb'];
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const command = [...gpg, '--status-fd', '2', '--homedir', home, signature, '-'];
    const result = await run([...(process.getuid?.() === 0 ? asNobody : []), ...command], {
      env: toolEnvironment(),
      input: 'image',
    });
    const status = /^\[GNUPG:\] (GOODSIG|TRUST_\w+|NO_PUBKEY|EXPKEYSIG)/gm;
    return [...result.stderr.matchAll(status)].map((match) => match[1]).join(' ');
  }

  /** Fingerprints of keys and subkeys. */
  async keysIn(home = this.home): Promise<string[]> {
    const command = ['gpg', '--homedir', home, '--batch', '--with-colons', '--list-keys'];
    const { stdout } = await runChecked(command, { env: toolEnvironment() });
    const fingerprints = stdout.toString('utf8').matchAll(/^fpr:+([0-9A-F]{40}):/gm);
    return [...fingerprints].map((match) => match[1] ?? '');
  }
}
