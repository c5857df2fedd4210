import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { type RunResult, run, toolEnvironment } from '../../src/support/processes.ts';

/** A gpg with a home of its own, whose agent is stopped and whose folder is removed after the tests of the file. */
export class GpgHome {
  readonly path = mkdtempSync(join(tmpdir(), 'rkt-'));

  constructor() {
    // Else its agent makes each passphrase as expensive as it can within 100 ms, and takes a second for each key.
    writeFileSync(join(this.path, 'gpg-agent.conf'), 's2k-count 65536\n');
    afterAll(async () => {
      await this.killAgent();
      rmSync(this.path, { recursive: true, force: true });
    });
  }

  /** It forgets every passphrase. */
  async killAgent(): Promise<void> {
    await run(['gpgconf', '--homedir', this.path, '--kill', 'all'], { env: toolEnvironment() });
  }

  async gpg(args: readonly string[], input: string | Uint8Array = ''): Promise<RunResult> {
    return await run(
      [
        'gpg',
        '--homedir',
        this.path,
        '--batch',
        '--no-tty',
        '--pinentry-mode',
        'loopback',
        ...args,
      ],
      { env: toolEnvironment(), input },
    );
  }

  /** Fails unless gpg ends with 0. */
  async out(args: readonly string[], input: string | Uint8Array = ''): Promise<string> {
    const result = await this.gpg(args, input);
    if (result.exitCode !== 0) {
      throw new Error(`gpg ${args.join(' ')}: ${result.stderr}`);
    }
    return result.stdout.toString('utf8');
  }

  /** Makes a key without passphrase and returns its fingerprint. */
  async makeKey(name: string, algorithm: string, expiry = '0'): Promise<string> {
    const user = `${name} <${name}@example.org>`;
    await this.out(['--passphrase', '', '--quick-generate-key', user, algorithm, 'sign', expiry]);
    const listing = await this.out(['--with-colons', '--list-keys', user]);
    return /^fpr:+([0-9A-F]{40}):/m.exec(listing)?.[1] ?? '';
  }

  async exportKey(fingerprint: string): Promise<string> {
    return await this.out(['--armor', '--export', fingerprint]);
  }
}
