import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { nodeReportSchema } from '../../src/protocol/nodes.ts';
import type { PackageRecord } from '../../src/repository/package-record.ts';
import type { PublicationRecord } from '../../src/repository/publication.ts';
import { exists, readTextIfPresent } from '../../src/support/files.ts';
import { type RunResult, run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { DEED } from '../repository/open-installation.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ProofServer, startProofServer } from './proof-server.ts';

const folder = temporaryFolder();
let farm: ProofServer;
let prefix: string;
let setup: string;

beforeAll(async () => {
  farm = await startProofServer(await mkdtemp(join(folder, 'farm-')));
  setup = join(folder, 'setup.sh');
  await writeFile(setup, await (await fetch(`${farm.url}/setup/web/testing.sh`)).text());
  prefix = await makeNode();
});

afterAll(async () => {
  await farm.close();
});

/** What a test did to the node; the setup stays. */
afterEach(async () => {
  for (const path of ['var/db', 'var/cache', 'etc/rookery/checks.d', 'etc/rookery/node.token']) {
    await rm(join(prefix, path), { recursive: true, force: true });
  }
});

/** A Gentoo prefix with nothing but the setup script applied to it. */
async function makeNode(): Promise<string> {
  const made = await mkdtemp(join(folder, 'node-'));
  await mkdir(join(made, 'etc/portage'), { recursive: true });
  await runChecked(setUp(made), { env: toolEnvironment() });
  await runChecked(['gpgconf', '--homedir', join(made, 'gnupg'), '--kill', 'all'], {
    env: toolEnvironment(),
  });
  return made;
}

function setUp(place: string): string[] {
  return ['sh', setup, '--prefix', place, '--gnupg-home', join(place, 'gnupg')];
}

async function put(path: string, text: string, mode = 0o644): Promise<void> {
  await mkdir(dirname(join(prefix, path)), { recursive: true });
  await writeFile(join(prefix, path), text);
  await chmod(join(prefix, path), mode);
}

/** What Portage writes down when it installs a package, as far as anybody reads it. */
async function install(
  record: Pick<PackageRecord, 'cpv' | 'slot' | 'buildTimeSeconds'> & {
    readonly buildId: number | null;
  },
): Promise<void> {
  const keys = {
    PF: record.cpv.slice(record.cpv.indexOf('/') + 1),
    CATEGORY: record.cpv.slice(0, record.cpv.indexOf('/')),
    SLOT: record.slot,
    BUILD_TIME: String(record.buildTimeSeconds),
    repository: 'gentoo',
    USE: 'amd64 ssl "quoted\\"  kernel_linux',
    IUSE: '+ssl static',
    ...(record.buildId === null ? {} : { BUILD_ID: String(record.buildId) }),
  };
  for (const [key, value] of Object.entries(keys)) {
    await put(`var/db/pkg/${record.cpv}/${key}`, `${value}\n`);
  }
}

/** As Portage caches an index: below the host, without the port. */
async function cacheIndex({ timestampSeconds }: Pick<PublicationRecord, 'timestampSeconds'>) {
  const text = `ARCH: amd64\nTIMESTAMP: ${timestampSeconds}\nVERSION: 0\n\nCPV: a/b-1\nTIMESTAMP: 5\n`;
  await put('var/cache/edb/binhost/127.0.0.1/binhost/web/testing/Packages', text);
}

async function giveToken(name: string, role: 'node' | 'builder' = 'node'): Promise<string> {
  const token = await farm.tokens.create(name, role, 'test');
  await put('etc/rookery/node.token', `${token}\n`, 0o600);
  return token;
}

async function node(
  args: readonly string[],
  options: { readonly shell?: readonly string[]; readonly path?: string } = {},
): Promise<RunResult & { readonly said: string }> {
  const program = join(prefix, 'usr/local/sbin/rookery-node');
  const tools = toolEnvironment();
  const result = await run([...(options.shell ?? []), program, ...args], {
    env: { ...tools, ...(options.path === undefined ? {} : { PATH: options.path }) },
    timeoutMs: 30_000,
  });
  return { ...result, said: result.stdout.toString() };
}

let count = 0;

/** A package on testing, installed here, and the index of that publication. */
async function ready(name: string): Promise<PublicationRecord> {
  count += 1;
  const record = await farm.add(`app-misc/p${count}-1`, { slot: '0/2' });
  const publication = await farm.publish();
  await install(record);
  await cacheIndex(publication);
  await giveToken(name);
  return publication;
}

/** A PATH with these programs left out. */
async function pathWithout(...left: readonly string[]): Promise<string> {
  const bin = await mkdtemp(join(folder, 'bin-'));
  for (const source of (process.env['PATH'] ?? '').split(delimiter)) {
    const { stdout } = await run(['find', source, '-maxdepth', '1', '-name', '[a-z]*'], {
      env: toolEnvironment(),
    });
    for (const file of stdout.toString().split('\n')) {
      const name = file.slice(file.lastIndexOf('/') + 1);
      if (name !== '' && !left.includes(name) && !(await exists(join(bin, name)))) {
        await symlink(file, join(bin, name));
      }
    }
  }
  return bin;
}

describe('rookery-node report', () => {
  it('proves the publication to the farm, after which it can be promoted', async () => {
    const { serial } = await ready('pre1');
    await put('etc/rookery/checks.d/20-php', '#!/bin/sh\necho "php \\"8.4\\""\n', 0o755);
    await put('etc/rookery/checks.d/10-http', '#!/bin/sh\nexit 0\n', 0o755);
    const stable = { ...DEED, profile: 'web', channel: 'stable' };
    await expect(farm.installation.repository.promote(stable)).rejects.toMatchObject({
      code: 'promotion-not-proven',
    });

    const { exitCode, said, stderr } = await node(['report', '--name', 'pre1']);

    expect([exitCode, said, stderr]).toEqual([
      0,
      `pre1 has publication ${serial} of web/testing: 1 package as published, the checks 10-http, 20-php passed.\n`,
      'rookery-node: check 10-http: passed\nrookery-node: check 20-php: passed\n',
    ]);
    expect(await farm.installation.proofs.node('pre1')).toMatchObject([
      { checks: [{ name: '10-http' }, { name: '20-php', passed: true, output: 'php "8.4"' }] },
    ]);
    expect(await farm.installation.repository.promote(stable)).toMatchObject({ forced: null });
  });

  it.each([
    ['dash', ['dash'], []],
    ['bash', ['bash', '--posix'], []],
    ['curl alone', [], ['wget']],
  ])('works with %s', async (name, shell, left) => {
    await ready(`with-${name.slice(0, 4)}`);
    const path = await pathWithout(...left);
    const { exitCode, said, stderr } = await node(
      ['report', '--name', `with-${name.slice(0, 4)}`],
      { shell, path },
    );
    expect([exitCode, said, stderr]).toEqual([0, expect.stringContaining(' as published'), '']);
  });

  it('prints what it would send, and sends nothing', async () => {
    const publication = await ready('dry');
    await install({
      cpv: 'sys-libs/glibc-2.40-r3',
      slot: '2.2',
      buildTimeSeconds: 7,
      buildId: null,
    });
    await put('var/db/pkg/sys-libs/-MERGING-zlib-1/PF', 'zlib-1\n');
    await rm(join(prefix, 'etc/rookery/node.token'));

    const { exitCode, said } = await node(['report', '--dry-run']);

    const report = nodeReportSchema.parse(JSON.parse(said));
    expect([exitCode, report]).toEqual([
      0,
      {
        profile: 'web',
        channel: 'testing',
        timestamp: publication.timestampSeconds,
        installed: [
          expect.objectContaining({ cpv: `app-misc/p${count}-1`, slot: '0/2', buildId: 1 }),
          {
            cpv: 'sys-libs/glibc-2.40-r3',
            slot: '2.2',
            buildId: null,
            buildTime: 7,
            repository: 'gentoo',
            use: 'amd64 ssl quoted kernel_linux',
            iuse: '+ssl static',
            provides: '',
            requires: '',
          },
        ],
        checks: [],
        php: { trees: [] },
        system: expect.objectContaining({ release: null, isPartial: expect.any(Boolean) }),
      },
    ]);
    expect(await farm.installation.proofs.node('dry')).toEqual([]);
  });

  it('says what differs and which check failed, and exits with 1', async () => {
    const publication = await ready('differs');
    await install({ cpv: `app-misc/p${count}-1`, slot: '0', buildTimeSeconds: 3, buildId: 1 });
    await put('etc/rookery/checks.d/http', '#!/bin/sh\nprintf "502\\tbad\\n"; exit 3\n', 0o755);

    const { exitCode, said, stderr } = await node(['report', '--name', 'differs']);

    expect([exitCode, stderr]).toEqual([1, 'rookery-node: check http: failed with status 3\n']);
    expect(said).toContain(
      `for publication ${publication.serial} of web/testing: 1 package differ`,
    );
    expect(said).toContain('BUILD_TIME 3, published is');
    expect(said).toContain('the check http failed (502 bad).\n');
  });

  it('ends a check that hangs, with all that it has started', async () => {
    await ready('hangs');
    const pidFile = join(prefix, 'pid');
    await put(
      'etc/rookery/checks.d/hangs',
      `#!/bin/sh\necho begun\nsleep 100 &\necho $! > ${pidFile}\nwait\n`,
      0o755,
    );
    await put('etc/rookery/checks.d/then', '#!/bin/sh\nexit 0\n', 0o755);

    const { exitCode, said, stderr } = await node(['report', '--name', 'hangs', '--timeout', '1']);

    expect([exitCode, stderr]).toEqual([
      1,
      'rookery-node: check hangs: failed with status 124\nrookery-node: check then: passed\n',
    ]);
    expect(said).toContain('the check hangs failed (It did not end within 1 seconds.)');
    expect((await farm.installation.proofs.node('hangs'))[0]?.checks[0]?.output).toBe(
      'It did not end within 1 seconds.\nbegun',
    );
    const pid = (await readFile(pidFile, 'utf8')).trim();
    const stat = await readTextIfPresent(`/proc/${pid}/stat`);
    // Gone, or dead and not yet fetched by its parent.
    expect(stat ?? `${pid} (sleep) Z`).toMatch(/\) Z/);
  });

  it('keeps the beginning of what a check says, whatever bytes these are', async () => {
    await ready('noisy');
    const script = String.raw`#!/bin/sh
printf 'a\\b "c" \001\377\n'; yes x | head -c 3000000
`;
    await put('etc/rookery/checks.d/noisy', script, 0o755);

    const { exitCode } = await node(['report', '--name', 'noisy']);

    expect(exitCode).toBe(0);
    const [{ name, passed, output } = { output: '' }] =
      (await farm.installation.proofs.node('noisy'))[0]?.checks ?? [];
    expect([name, passed, output.split('\n', 1)[0]]).toEqual(['noisy', true, 'a\\b "c" \uFFFD']);
    expect(output.length).toBeLessThan(2001);
  });

  it('runs the checks that are named, and none that others could have written', async () => {
    await ready('some');
    const script = '#!/bin/sh\nexit 0\n';
    await put('etc/rookery/checks.d/one', script, 0o755);
    await put('etc/rookery/checks.d/two', script, 0o755);
    await put('etc/rookery/checks.d/open', script, 0o777);
    await put('etc/rookery/checks.d/one.bak', script, 0o755);
    await put('etc/rookery/checks.d/README', 'no check\n', 0o644);

    const one = await node(['report', '--name', 'some', '--check', 'two', '--check', 'two']);
    const bad = await node(['report', '--name', 'some', '--check', 'open']);

    expect([one.exitCode, one.said]).toEqual([0, expect.stringContaining('the check two passed')]);
    expect(one.stderr).toContain('/open is passed over: others than its owner may write to it\n');
    expect(one.stderr).toContain('/one.bak is passed over: its name has other characters');
    expect([bad.exitCode, bad.stderr]).toEqual([2, expect.stringContaining('no check open in')]);
  });

  it('tells an unknown index, and none', async () => {
    await ready('lost');
    await cacheIndex({ timestampSeconds: 1234 });
    const unknown = await node(['report', '--name', 'lost']);
    expect([unknown.exitCode, unknown.said]).toEqual([
      1,
      'lost does not count: no publication of testing of web has the TIMESTAMP 1234.\n',
    ]);
    await rm(join(prefix, 'var/cache/edb'), { recursive: true });
    expect((await node(['report', '--name', 'lost'])).said).toBe(
      'lost does not count: Portage has fetched no index of testing of web yet.\n',
    );
  });
});

const refusal = async () => (await node(['report', '--name', 'late'])).stderr;

describe('the token', () => {
  it('reports for its own node only', async () => {
    await ready('own');
    const { exitCode, said, stderr } = await node(['report', '--name', 'other']);
    expect([exitCode, said]).toEqual([4, '']);
    expect(stderr).toContain(
      'refused the report: The token own reports for the node own, not for other. [node-not-yours]\n',
    );
    expect(await farm.installation.proofs.node('other')).toEqual([]);
  });

  it('of another role, revoked, or changed is refused', async () => {
    await ready('late');
    await farm.tokens.rotate('late', 'test');
    expect(await refusal()).toMatch(/\[token-invalid\]\n$/);
    await giveToken('foreign', 'builder');
    expect(await refusal()).toMatch(/\[role-too-low\]\n$/);
    const token = await giveToken('tampered');
    await put('etc/rookery/node.token', `${token.slice(0, -2)}xx\n`, 0o600);
    expect(await refusal()).toMatch(/\[token-invalid\]\n$/);
    await giveToken('revoked');
    await farm.tokens.revoke('revoked', 'test');
    expect(await refusal()).toMatch(/\[token-invalid\]\n$/);
    expect(await farm.installation.proofs.node('late')).toEqual([]);
  });

  it('has to be in a file of its owner, and is in no command line', async () => {
    await ready('secret');
    await chmod(join(prefix, 'etc/rookery/node.token'), 0o640);
    const open = await node(['report']);
    await put('etc/rookery/node.token', 'a b\n', 0o600);
    const noToken = await node(['report']);
    await rm(join(prefix, 'etc/rookery/node.token'));
    const none = await node(['report']);
    expect([open, noToken, none].map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual([
      [3, expect.stringContaining('can be read by others than its owner')],
      [3, expect.stringContaining('is not a token')],
      [3, expect.stringContaining('there is no token in')],
    ]);
  });

  it.each(['wget', 'curl'])('reaches %s through a file', async (program) => {
    await ready(`via-${program}`);
    const token = (await readFile(join(prefix, 'etc/rookery/node.token'), 'utf8')).trim();
    const bin = await pathWithout(...(program === 'curl' ? ['wget', 'curl'] : ['wget']));
    const seen = join(prefix, 'seen');
    const { stdout } = await run(['sh', '-c', `command -v ${program}`], { env: toolEnvironment() });
    const real = stdout.toString().trim();
    await writeFile(
      join(bin, program),
      `#!/bin/sh\n{ printf '%s\\n' "$@"; env; } >> ${seen}\nexec ${real} "$@"\n`,
      { mode: 0o755 },
    );
    const { exitCode } = await node(['report', '--name', `via-${program}`], { path: bin });
    expect(exitCode).toBe(0);
    const words = await readFile(seen, 'utf8');
    expect(words).toContain('/report');
    expect(words).not.toContain(token);
  });
});

describe('rookery-node', () => {
  it('shows what it would report about', async () => {
    const publication = await ready('shown');
    await put('etc/rookery/checks.d/http', '#!/bin/sh\n', 0o755);
    const { exitCode, said } = await node(['status', '--name', 'shown']);
    expect(exitCode).toBe(0);
    expect(said).toMatch(/^node {7}shown\nprofile {4}web, channel testing\nfarm {7}http:/);
    expect(said).toContain(`TIMESTAMP ${publication.timestampSeconds}, in `);
    expect(said).toMatch(/installed {2}1 packages\nchecks {5}http \ntoken {6}\//);
  });

  it('explains itself, and refuses what it does not know', async () => {
    const help = await node(['--help']);
    expect([help.exitCode, help.said]).toEqual([0, expect.stringContaining('Usage: rookery-node')]);
    for (const args of [
      [],
      ['reprot'],
      ['report', '--force'],
      ['report', '--check'],
      ['report', '--check', '../x'],
      ['report', '--timeout', '0'],
      ['report', '--name', 'a b'],
    ]) {
      const { exitCode, said } = await node(args);
      expect([args, exitCode, said]).toEqual([args, 2, '']);
    }
    const foreign = await node(['status', '--profile', 'db']);
    expect([foreign.exitCode, foreign.stderr]).toEqual([
      3,
      expect.stringContaining('this node is no client of db'),
    ]);
  });

  it('says when no farm answers', async () => {
    await ready('alone');
    const conf = join(prefix, 'etc/rookery/node.d/rookery-web.conf');
    const text = await readFile(conf, 'utf8');
    await writeFile(conf, text.replace(/^server = .*$/m, 'server = http://127.0.0.1:9'));
    const { exitCode, stderr } = await node(['report', '--name', 'alone']);
    expect([exitCode, stderr]).toEqual([4, expect.stringContaining('gave no answer of a farm')]);
  });

  it('goes with the setup that brought it, and not before', async () => {
    const own = await makeNode();
    const args = setUp(own);
    const program = join(own, 'usr/local/sbin/rookery-node');
    expect(await exists(join(own, 'usr/local/sbin/rookery-php'))).toBe(true);
    await writeFile(join(own, 'etc/rookery/checks.d/mine'), '#!/bin/sh\n');
    await runChecked([...args, '--uninstall', '--dry-run'], { env: toolEnvironment() });
    expect(await exists(program)).toBe(true);
    await runChecked([...args, '--uninstall'], { env: toolEnvironment() });
    expect(await exists(program)).toBe(false);
    expect(await exists(join(own, 'usr/local/sbin/rookery-php'))).toBe(false);
    expect(await exists(join(own, 'etc/rookery/node.d'))).toBe(false);
    expect(await exists(join(own, 'etc/rookery/checks.d/mine'))).toBe(true);

    await mkdir(dirname(program), { recursive: true });
    await writeFile(program, '#!/bin/sh\necho somebody else\n');
    const { exitCode, stderr } = await run(args, { env: toolEnvironment() });
    expect([exitCode, stderr]).toEqual([4, expect.stringContaining('move it away first')]);
    expect(await readFile(program, 'utf8')).toContain('somebody else');
  });
});
