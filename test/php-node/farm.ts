import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { renderClientScript } from '../../src/http/client-script.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { type RsyncDaemon, startRsync } from './rsync-daemon.ts';

export const PROFILE = 'web-v3';
const API = '20220829';
const EXTENSIONS = `/usr/lib/php/${API}`;
const CONF = '/etc/php/8.2/cli/conf.d';
export const PROGRAMS = { php: '/usr/bin/php8.2', fpm: '/usr/sbin/php-fpm8.2' };

/** As a farm writes it; pools are the node's. */
const FPM_TEMPLATE = `[global]
pid = @RUN@/@ID@.pid
error_log = @LOG@/@ID@.log
log_limit = 8192
process_control_timeout = 20s

[www]
listen = @RUN@/@ID@.sock
listen.mode = 0666
listen.backlog = 511
pm = static
pm.max_children = 3
${process.getuid?.() === 0 ? 'user = nobody\ngroup = nogroup\n' : ''}include = @SITE@/pools/*.conf
`;

export interface TreeChange {
  readonly id: string;
  /** Files that differ from those of every tree. */
  readonly files?: Readonly<Record<string, string>>;
  /** Of META.json. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Called before the manifest is made. */
  readonly edit?: (tree: string) => void;
}

/** Whether the PHP that the trees are made of is installed here. */
export function isPhpInstalled(): boolean {
  return Object.values(PROGRAMS).every((path) => existsSync(path));
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function sign(signer: Signer, text: string): string {
  return signer.signState(createHash('sha512').update(text));
}

/**
 * A farm as far as a node sees it: trees of Debian's PHP and an INDEX, written from docs/decisions/0025, behind a real
 * rsync daemon. `close` it.
 */
export class PhpFarm {
  readonly folder: string;
  readonly signer: Signer;
  #daemon: RsyncDaemon | undefined;
  #serial = 0;
  readonly #listed = new Map<string, { manifest: string; bytes: number; files: number }>();

  private constructor(folder: string, signer: Signer) {
    this.folder = folder;
    this.signer = signer;
  }

  static async open(folder: string): Promise<PhpFarm> {
    mkdirSync(join(folder, 'php', PROFILE), { recursive: true });
    const signer = await makeSigner(join(folder, 'signing'), 'farm');
    const farm = new PhpFarm(folder, signer);
    await farm.makeBase();
    farm.#daemon = await startRsync(join(folder, 'php'), join(folder, 'rsyncd.conf'));
    return farm;
  }

  get url(): string {
    return this.#daemon?.url ?? '';
  }

  /** The folder that the daemon shows for the profile. */
  get place(): string {
    return join(this.folder, 'php', PROFILE);
  }

  get serial(): number {
    return this.#serial;
  }

  async close(): Promise<void> {
    await this.#daemon?.stop();
  }

  /** What every tree has: copied once, hard-linked into each. */
  private async makeBase(): Promise<void> {
    const base = join(this.folder, 'base');
    for (const name of ['bin', 'sbin', 'lib/extensions', 'etc/conf.d']) {
      mkdirSync(join(base, name), { recursive: true });
    }
    copyFileSync(PROGRAMS.php, join(base, 'bin/php'));
    copyFileSync(PROGRAMS.fpm, join(base, 'sbin/php-fpm'));
    for (const name of namesIn(EXTENSIONS)) {
      copyFileSync(join(EXTENSIONS, name), join(base, 'lib/extensions', name));
    }
    for (const name of namesIn(CONF)) {
      cpSync(join(CONF, name), join(base, 'etc/conf.d', name), { dereference: true });
    }
    writeFileSync(join(base, 'etc/php.ini'), 'memory_limit = 64M\nopcache.enable = 1\n');
    writeFileSync(join(base, 'etc/php-fpm.conf'), FPM_TEMPLATE);
    symlinkSync('php', join(base, 'bin/php8'));
    setModes(base);
    const { stdout } = await runChecked(
      [
        join(base, 'bin/php'),
        '-c',
        join(base, 'etc/php.ini'),
        '-d',
        `extension_dir=${join(base, 'lib/extensions')}`,
        '-m',
      ],
      { env: { ...toolEnvironment(), PHP_INI_SCAN_DIR: join(base, 'etc/conf.d') } },
    );
    const names = stdout
      .toString()
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('['));
    writeFileSync(join(this.folder, 'extensions.json'), JSON.stringify([...new Set(names)]));
  }

  /** Makes a tree and lists it in the next INDEX. */
  addTree({ id, files = {}, meta = {}, edit }: TreeChange): void {
    const tree = join(this.place, id);
    linkTree(join(this.folder, 'base'), tree);
    const [, php, revision] = /^([^-]+)-.*-r(\d+)$/.exec(id) ?? [];
    const values = {
      format: 1,
      id,
      php,
      profile: PROFILE,
      revision: Number(revision),
      api: API,
      isThreadSafe: false,
      isDebug: false,
      sapis: ['cli', 'fpm'],
      extensions: JSON.parse(readFileSync(join(this.folder, 'extensions.json'), 'utf8')),
      requires: 'x86_64: libc.so.6 libz.so.1',
      glibc: '2.34',
      build: { kind: 'import', sources: [], agent: null, when: '2026-11-30T12:00:00Z' },
      ...meta,
    };
    const lines = Object.entries(values).map(
      ([key, value]) => `"${key}": ${JSON.stringify(value)}`,
    );
    const own = { 'META.json': `{\n${lines.join(',\n')}\n}\n`, ...files };
    for (const [path, text] of Object.entries(own)) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(`${join(tree, path)}.new`, text);
      renameSync(`${join(tree, path)}.new`, join(tree, path));
      chmodSync(join(tree, path), 0o644);
    }
    edit?.(tree);
    this.signManifest(id, manifestOf(tree, id));
  }

  /** Signs a text as the MANIFEST of a tree. */
  signManifest(id: string, text: string, signer = this.signer): void {
    const tree = join(this.place, id);
    mkdirSync(tree, { recursive: true });
    writeFileSync(join(tree, 'MANIFEST'), text);
    writeFileSync(join(tree, 'MANIFEST.sig'), sign(signer, text));
    const files = [...text.matchAll(/^f \S+ \S+ (\d+) /gm)].map(([, bytes]) => Number(bytes));
    this.#listed.set(id, {
      manifest: sha256(text),
      bytes: files.reduce((sum, bytes) => sum + bytes, 0),
      files: files.length,
    });
  }

  unlist(id: string): void {
    this.#listed.delete(id);
  }

  /** Writes the next INDEX, or one with this serial. Returns its text. */
  publish(
    channels: Readonly<Record<string, string>>,
    { serial = this.#serial + 1, signer = this.signer, profile = PROFILE } = {},
  ): string {
    this.#serial = serial;
    const names = Object.entries(channels).map(([name, id]) => `"${name}": "${id}"`);
    const trees = [...this.#listed].map(([id, listed]) => JSON.stringify({ id, ...listed }));
    const text = [
      '{',
      '"format": 1,',
      `"profile": "${profile}",`,
      `"serial": ${serial},`,
      '"created": "2026-11-30T12:00:00Z",',
      '"channels": {',
      names.join(',\n'),
      '},',
      '"trees": [',
      trees.join(',\n'),
      ']',
      '}',
      '',
    ].join('\n');
    this.offer(text, signer);
    return text;
  }

  /** Puts a text in the place of the INDEX, signed. */
  offer(text: string, signer = this.signer): void {
    const mark = sha256(text).slice(0, 16);
    writeFileSync(join(this.place, `INDEX.json.${mark}.sig`), sign(signer, text));
    writeFileSync(join(this.place, 'INDEX.json'), text);
  }

  setupScript(): string {
    return setupScript(PROFILE, this.signer, this.url);
  }
}

/** As the farm hands it out to a node of its channel stable. */
export function setupScript(
  profile: string,
  key: Pick<Signer, 'publicKey' | 'primaryFingerprint'>,
  php: string,
): string {
  return renderClientScript({
    profile,
    channel: 'stable',
    uri: `http://127.0.0.1:9/binhost/${profile}/stable`,
    server: 'http://127.0.0.1:9',
    publicKey: key.publicKey,
    fingerprint: key.primaryFingerprint,
    php,
  });
}

export async function makeSigner(folder: string, name: string): Promise<Signer> {
  const email = `${name}@example.org`;
  return await openSigner({ folder, name, email, validDays: 100, clock: systemClock });
}

/** All of them but the largest. */
function namesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !name.includes('fileinfo'));
}

function setModes(folder: string): void {
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const place = join(folder, path);
    const status = lstatSync(place);
    if (!status.isSymbolicLink()) {
      const isProgram = status.isDirectory() || /^s?bin\//.test(path) || path.endsWith('.so');
      chmodSync(place, isProgram ? 0o755 : 0o644);
    }
  }
}

function linkTree(from: string, to: string): void {
  mkdirSync(to);
  for (const path of readdirSync(from, { recursive: true, encoding: 'utf8' }).toSorted()) {
    const status = lstatSync(join(from, path));
    if (status.isDirectory()) {
      mkdirSync(join(to, path));
    } else if (status.isSymbolicLink()) {
      symlinkSync(readlinkSync(join(from, path)), join(to, path));
    } else {
      linkSync(join(from, path), join(to, path));
    }
  }
}

/** The text of the MANIFEST of what lies in a folder. */
export function manifestOf(tree: string, id: string): string {
  const paths = readdirSync(tree, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/^MANIFEST(\.sig)?$/.test(path))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const lines = paths.map((path) => {
    const place = join(tree, path);
    const status = lstatSync(place);
    const mode = (status.mode & 0o7777).toString(8).padStart(4, '0');
    if (status.isSymbolicLink()) {
      return `l - - - ${path} -> ${readlinkSync(place)}`;
    }
    return status.isDirectory()
      ? `d ${mode} - - ${path}`
      : `f ${mode} ${sha256(readFileSync(place))} ${status.size} ${path}`;
  });
  return ['rookery-php-manifest 1', `id ${id}`, ...lines, ''].join('\n');
}
