import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'smol-toml';
import type { Config } from '../../src/config/config.ts';
import { CONFIG_KEYS } from '../../src/config/config-document.ts';
import { variableOf } from '../../src/config/environment.ts';
import { loadConfig } from '../../src/config/load-config.ts';
import { AppError, isAppError } from '../../src/support/errors.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const EXAMPLE = resolve(import.meta.dirname, '../../docs/rookery.example.toml');
const folder = temporaryFolder();
let count = 0;
mkdirSync(join(folder, 'profiles'));

function fileOf(text: string): string {
  count += 1;
  const file = join(folder, `config-${count}.toml`);
  writeFileSync(file, text);
  return file;
}

async function load(text: string, env: Record<string, string> = {}): Promise<Config> {
  return await loadConfig({ file: fileOf(text), env, cwd: '/' });
}

async function faultsOf(text: string, env: Record<string, string> = {}): Promise<string[]> {
  try {
    await load(text, env);
  } catch (error) {
    if (isAppError(error, 'config-invalid') && Array.isArray(error.details['faults'])) {
      const faults = error.details['faults'].map(String);
      expect(error.message).toBe(`The configuration is not valid:\n  ${faults.join('\n  ')}`);
      return faults.map((fault) => fault.replace(/^.*config-\d+\.toml/, 'FILE'));
    }
    throw error;
  }
  throw new AppError('test', 'the configuration was accepted');
}

describe('loadConfig', () => {
  it('has a default for everything', async () => {
    const config = await loadConfig({ env: {}, cwd: folder });

    expect(config).toEqual({
      http: {
        host: '127.0.0.1',
        port: 8700,
        nextFreePort: false,
        publicUrl: null,
        maxUploadBytes: 8 * 1024 ** 3,
        tls: null,
      },
      rsync: {
        publicUrl: null,
        address: null,
        port: 873,
        hostsAllow: [],
        maxConnections: 200,
        user: '65534',
        group: '65534',
      },
      paths: {
        state: join(folder, 'state'),
        mirrorRoot: join(folder, 'mirror-root'),
        profiles: join(folder, 'profiles'),
      },
      database: { url: null },
      log: { level: 'info' },
      signing: {
        name: 'Rookery',
        email: 'rookery@localhost',
        validDays: 1825,
        passphraseFile: null,
        gpg: null,
      },
      builds: {
        leaseMs: 60_000,
        heartbeatMs: 15_000,
        maxAttempts: 3,
        retry: { initialMs: 30_000, maximumMs: 1_800_000 },
        breaker: { failures: 3, trialMs: 3_600_000 },
        limits: {
          silenceMs: 7_200_000,
          runMs: 36_000_000,
          logBytes: 64 * 1024 * 1024,
          diskBytes: 64 * 1024 ** 3,
        },
        maxLogBytes: 64 * 1024 ** 2,
      },
      disk: { keepFreeBytes: 512 * 1024 * 1024, warnBelowBytes: 4096 * 1024 * 1024 },
      housekeeping: {
        schedule: '17 3 * * *',
        leftoverHours: 24,
        logDays: 90,
        historyDays: 1095,
        collect: true,
      },
      fleet: {
        ssh: {
          identityFile: null,
          knownHostsFile: null,
          configFile: null,
          connectTimeoutSeconds: 10,
          keepSeconds: 120,
        },
        nodeProgram: ['/usr/local/sbin/rookery-step'],
        nodeCommand: null,
        nodesAtOnce: 64,
        callTimeoutMs: 60_000,
        graceSeconds: 300,
        webhookFile: null,
        mail: null,
        alerts: null,
        sampleMs: 20_000,
        sampleRequests: 50,
      },
    });
    expect(Object.values(config).every((section) => Object.isFrozen(section))).toBe(true);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('finds exactly its defaults in the example, and every key in it', async () => {
    const text = readFileSync(EXAMPLE, 'utf8');
    const fromExample = await load(text);
    const document = parse(text);
    const keys = Object.fromEntries(
      Object.entries(document).map(([section, values]) => [section, Object.keys(values)]),
    );
    const { '': sections = [], ...known } = CONFIG_KEYS;

    expect(fromExample).toEqual(await loadConfig({ env: {}, cwd: folder }));
    expect(keys).toEqual(known);
    expect(Object.keys(known)).toEqual(sections);
  });

  it('takes the file over the defaults and the environment over the file', async () => {
    mkdirSync(join(folder, 'p'));
    writeFileSync(join(folder, 'secret'), 'open sesame\n');
    const config = await load(
      `[http]
port = 1
host = "0.0.0.0"
next-free-port = true
public-url = "https://farm.example.org/rookery/"
[paths]
state = "../var"
mirror-root = "/srv/mirror"
[signing]
passphrase-file = "secret"
[builds]
lease-seconds = 5
heartbeat-seconds = 2
max-log-mib = 1`,
      {
        ROOKERY_HTTP_PORT: '2',
        ROOKERY_HTTP_NEXT_FREE_PORT: 'false',
        ROOKERY_LOG_LEVEL: 'debug',
        ROOKERY_PATHS_PROFILES: 'p',
        ROOKERY_SIGNING_NAME: '8',
        ROOKERY_TOKEN_FILE: '/x',
        ROOKERY_SERVER: 'http://x',
        PATH: '/bin',
      },
    );

    expect(config.http).toEqual({
      host: '0.0.0.0',
      port: 2,
      nextFreePort: false,
      publicUrl: 'https://farm.example.org/rookery',
      maxUploadBytes: 8 * 1024 ** 3,
      tls: null,
    });
    expect(config.paths).toEqual({
      state: resolve(folder, '../var'),
      mirrorRoot: '/srv/mirror',
      profiles: join(folder, 'p'),
    });
    expect(config.signing).toMatchObject({ name: '8', passphraseFile: join(folder, 'secret') });
    expect(config.builds).toMatchObject({
      leaseMs: 5000,
      heartbeatMs: 2000,
      maxLogBytes: 1024 ** 2,
    });
    expect(config.log.level).toBe('debug');
  });

  it('lets the environment set every key', async () => {
    const sections = Object.entries(CONFIG_KEYS).filter(([section]) => section !== '');
    const variables = sections.flatMap(([section, keys]) =>
      keys.map((key) => variableOf(section, key)),
    );
    const faults = await faultsOf('', Object.fromEntries(variables.map((name) => [name, '\n'])));

    expect(variables).toContain('ROOKERY_BUILDS_MAX_LOG_MIB');
    expect(faults.map((fault) => fault.split(' ', 1)[0] ?? '').toSorted()).toEqual(
      variables.toSorted(),
    );
  });

  it('reports all faults at once', async () => {
    const faults = await faultsOf(
      `[http]
prot = 80
port = 70000
public-url = "ftp://x"
[log]
level = "inof"
[signing]
email = "nobody"
name = "A <b>"
[builds]
max-attempts = 0
lease-seconds = 1.5
[housekeeping]
schedule = "daily"
[paths]
state = ""
[pahts]
x = 1`,
      { ROOKERY_HTTP_HOST: 'a b', ROOKERY_HTTP_PROT: '1', ROOKERY_BUILDS_LEASE_SECONDS: 'ten' },
    );

    expect(faults.toSorted()).toEqual(
      [
        'FILE: http.prot = 80: there is no such key. Did you mean "port"?',
        'FILE: http.port = 70000: it has to be a whole number from 0 to 65535.',
        'FILE: http.public-url = "ftp://x": it has to be an http:// or https:// address without "?", "#" and user, or empty.',
        'FILE: log.level = "inof": it has to be "fatal" or "error" or "warn" or "info" or "debug" or "trace" or "silent". Did you mean "info"?',
        'FILE: signing.email = "nobody": it has to be an e-mail address.',
        'FILE: signing.name = "A <b>": it may not have "<", ">", "(", ")" or "@" in it.',
        'FILE: builds.max-attempts = 0: it has to be a whole number from 1 to 100.',
        'FILE: housekeeping.schedule = "daily": it has to be a cron expression such as "17 3 * * *".',
        'FILE: paths.state = "": it may not be empty.',
        'FILE: pahts = {"x":1}: there is no such key. Did you mean "paths"?',
        'ROOKERY_HTTP_HOST = "a b": it has to be a host name or an address.',
        'ROOKERY_HTTP_PROT: there is no such setting. Did you mean "ROOKERY_HTTP_PORT"?',
        'ROOKERY_BUILDS_LEASE_SECONDS = "ten": it has to be a number.',
      ].toSorted(),
    );
  });

  it.each([
    [
      '[builds]\nheartbeat-seconds = 40',
      'builds.heartbeat-seconds = 40: it may be at most half of builds.lease-seconds = 60',
    ],
    [
      '[paths]\nstate = "mirror-root/state"',
      'paths.state = "mirror-root/state": it lies in paths.mirror-root = "mirror-root"',
    ],
    [
      '[paths]\nprofiles = "m"\nmirror-root = "m"',
      'paths.profiles = "m": it lies in paths.mirror-root',
    ],
    ['[paths]\nmirror-root = "/"', 'paths.state = "state": it lies in paths.mirror-root = "/"'],
    [
      '[paths]\nmirror-root = "."\nprofiles = "..p"\nstate = "../s"',
      'paths.profiles = "..p": it lies in paths.mirror-root = "."',
    ],
    ['http = 1', 'http = 1: it has to be a table.'],
    ['port = 1', 'port = 1: there is no such key. "port" belongs into [http].'],
    ['[http]\nport = = 1', ', line 2: '],
    ['[http]\nport = 1\nport = 2', ', line 3: '],
  ])('refuses %j', async (text, sentence) => {
    expect((await faultsOf(text))[0]).toContain(sentence);
  });

  it('accepts a state folder beside one whose name begins alike', async () => {
    mkdirSync(join(folder, '..p'));
    const config = await load('[paths]\nmirror-root = "m"\nstate = "m-state"\nprofiles = "..p"');

    expect(config.paths.profiles).toBe(join(folder, '..p'));
  });

  it('names a file that is not there, or is none', async () => {
    const missing = loadConfig({ file: 'no.toml', env: {}, cwd: folder });
    await expect(missing).rejects.toThrow('There is no configuration file no.toml.');
    const none = loadConfig({ file: '.', env: { ROOKERY_HTTP_PORT: 'x' }, cwd: folder });
    await expect(none).rejects.toThrow(
      /^The configuration is not valid:\n {2}\. cannot be read.*\n {2}ROOKERY_HTTP_PORT/,
    );
  });

  it('finds what is wrong between keys and on disk whatever else is wrong', async () => {
    writeFileSync(join(folder, 'empty'), '\n');
    const faults = await faultsOf(
      `[http]
port = 70000
host = "192.0.2.1"
[builds]
heartbeat-seconds = 40
max-attempts = 0
[paths]
state = "mirror-root/state"
profiles = "nowhere"
[signing]
email = "x"
passphrase-file = "empty"`,
    );

    expect(faults).toHaveLength(8);
    expect(faults).toEqual(
      expect.arrayContaining([
        expect.stringContaining('http.port = 70000: it has to be'),
        expect.stringContaining('builds.max-attempts = 0: it has to be'),
        expect.stringContaining('signing.email = "x": it has to be'),
        'FILE: http.host = "192.0.2.1": this machine does not have that address.',
        expect.stringContaining('builds.heartbeat-seconds = 40: it may be at most half of'),
        expect.stringContaining('paths.state = "mirror-root/state": it lies in paths.mirror-root'),
        `FILE: paths.profiles = "nowhere": there is no folder ${join(folder, 'nowhere')}.`,
        `FILE: signing.passphrase-file = "empty": the file ${join(folder, 'empty')} is empty.`,
      ]),
    );
  });

  it('says nothing about what cannot be known', async () => {
    const lease = '[builds]\nlease-seconds = "long"\nheartbeat-seconds = 40';
    expect(await faultsOf(lease)).toEqual([expect.stringContaining('builds.lease-seconds')]);
    const meant = '[paths]\nprofilse = "elsewhere"\nmirror-root = "/"';
    expect(await faultsOf(meant)).toEqual([expect.stringContaining('Did you mean "profiles"?')]);
    expect(await faultsOf('paths = 1')).toEqual([expect.stringContaining('has to be a table')]);
  });

  it.each([
    ['ROOKERY_HTTP_HOST', 'no-such-host.invalid', '"no-such-host.invalid": no address'],
    ['ROOKERY_PATHS_PROFILES', 'a-file', 'is not a folder.'],
    ['ROOKERY_SIGNING_PASSPHRASE_FILE', 'none', 'there is no file'],
    ['ROOKERY_SIGNING_PASSPHRASE_FILE', '.', 'is a folder.'],
  ])('names the variable %s when %p cannot be used', async (variable, value, sentence) => {
    writeFileSync(join(folder, 'a-file'), '');
    const [fault, ...more] = await faultsOf('', { [variable]: value });

    expect(fault).toMatch(new RegExp(`^${variable} = "`));
    expect(fault).toContain(sentence);
    expect(more).toEqual([]);
  });

  it('takes a certificate only with its key, and only if both can be used', async () => {
    const half = await faultsOf('[http]\ntls-key = "key.pem"');
    expect(half).toEqual(['FILE: http.tls-key is set, but http.tls-certificate is not.']);
    writeFileSync(join(folder, 'cert.pem'), 'no certificate');
    writeFileSync(join(folder, 'key.pem'), 'no key');
    const text = '[http]\ntls-certificate = "cert.pem"\ntls-key = ';
    expect(await faultsOf(`${text}"none.pem"`)).toEqual([
      expect.stringMatching(/^FILE: http.tls-certificate = "cert.pem": .*none\.pem/),
    ]);
    expect(await faultsOf(`${text}"key.pem"`)).toEqual([
      expect.stringMatching(/^FILE: http.tls-certificate = "cert.pem": .*PEM/),
    ]);
  });

  it.each(['127.0.0.1', '127.1.2.3', '0.0.0.0', 'localhost'])(
    'can use the host %s',
    async (host) => {
      expect((await load(`[http]\nhost = "${host}"`)).http.host).toBe(host);
    },
  );
});
