import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type RunResult, run } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const SCRIPTS = resolve(import.meta.dirname, '../../scripts');
const SYSTEM_TOOLS = [
  'bash',
  'cat',
  'dirname',
  'find',
  'mktemp',
  'rm',
  'sleep',
  'touch',
  'env',
  'ls',
];
/** The programs that scripts/test looks for, `package:program` in it. */
const TEST_NEEDS = [
  ...readFileSync(join(SCRIPTS, 'test'), 'utf8').matchAll(/[a-z0-9.-]+:([a-z0-9.-]+)(?=[ '\n])/g),
].map((match) => match[1] ?? '');
const folder = temporaryFolder();

/** A project of which only the scripts are real, and a PATH on which there is nothing but what is named. */
async function stage(programs: Readonly<Record<string, string>>): Promise<{
  readonly project: string;
  readonly run: (script: string, ...words: readonly string[]) => Promise<RunResult>;
}> {
  const project = await mkdtemp(join(folder, 'project-'));
  const bin = join(project, 'bin');
  mkdirSync(bin);
  for (const name of ['quickstart', 'test', 'install-modules']) {
    await cp(join(SCRIPTS, name), join(project, 'scripts', name));
  }
  mkdirSync(join(project, 'src'));
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json']) {
    writeFileSync(join(project, name), '{}');
  }
  writeFileSync(join(project, 'scripts/build.mjs'), '');
  for (const name of SYSTEM_TOOLS) {
    const place = ['/bin', '/usr/bin'].find((candidate) => existsSync(join(candidate, name)));
    symlinkSync(join(place ?? '/bin', name), join(bin, name));
  }
  for (const [name, text] of Object.entries({
    node: `exec ${process.execPath} "$@"`,
    ...programs,
  })) {
    if (text !== '') {
      writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
    }
  }
  return {
    project,
    run: async (script, ...words) =>
      await run([join(project, 'scripts', script), ...words], { env: { PATH: bin }, cwd: project }),
  };
}

/** npm that notes its words, and does in the project what the real one would. */
const NPM = `
echo "$*" >> npm.log
case "$1" in
  ci) [ -z "$NPM_FAILS" ] || exit 1; rm -rf node_modules; /bin/mkdir node_modules ;;
  run) /bin/mkdir -p dist; echo 'console.log("ran", process.argv.slice(2).join(" "))' > dist/main.js ;;
esac
`;
const npmCalls = (project: string): string[] =>
  readFileSync(join(project, 'npm.log'), 'utf8').trim().split('\n');

/** The two that are compiled side by side, in the order of their names. */
function installOf([first = '', one = '', other = '', ...more]: readonly string[]): string[] {
  return [first, ...[one, other].toSorted(), ...more];
}

/** npm whose tests write this report and end with this status; `broken` is a word that it fails at. */
function testsWith(report: unknown, status: number, broken = 'nothing'): string {
  return `
  echo "$*" >> npm.log
  case "$*" in *${broken}*) exit 3 ;; esac
  if [ "$1" = test ]; then
    for word in "$@"; do case "$word" in --outputFile=*) file="\${word#--outputFile=}" ;; esac; done
    echo '${JSON.stringify(report)}' > "$file"
    exit ${status}
  fi
  /bin/mkdir -p node_modules`;
}

function lastLine({ stdout }: RunResult): string | undefined {
  return stdout.toString().trimEnd().split('\n').at(-1);
}

describe('scripts/quickstart', () => {
  it('names everything that the machine lacks, in a sentence', async () => {
    const bare = await stage({ node: '' });
    expect(await bare.run('quickstart')).toMatchObject({
      exitCode: 1,
      stderr:
        'quickstart: this machine lacks Node.js 20.19 or newer, npm, a C compiler (cc), make.\n',
    });
    const old = await stage({
      node: `if [ "$1" = --version ]; then echo v18.1.0; else exec ${process.execPath} -e 'Object.defineProperty(process, "versions", { value: { node: "18.1.0" } });'"$2"; fi`,
      npm: NPM,
      cc: ':',
      make: ':',
    });
    expect((await old.run('quickstart')).stderr).toBe(
      'quickstart: this machine lacks Node.js 20.19 or newer (this is v18.1.0).\n',
    );
  });

  it('installs and builds once, again only when something changed, and hands its words on', async () => {
    const { project, run: runScript } = await stage({ npm: NPM, cc: ':', make: ':' });
    const first = await runScript('quickstart', '--once', '--folder', 'x y');
    expect([first.exitCode, first.stderr]).toEqual([0, '']);
    expect(first.stdout.toString()).toMatch(/ran quickstart --once --folder x y\n$/);
    const install = [
      'ci --ignore-scripts --include=dev --no-audit --no-fund',
      'rebuild better-sqlite3',
      'rebuild zstd-napi',
    ];
    expect(installOf(npmCalls(project))).toEqual([...install, 'run --silent build']);
    await runScript('quickstart');
    expect(npmCalls(project)).toHaveLength(4);
    writeFileSync(join(project, 'src/new.ts'), '');
    await runScript('quickstart');
    expect(npmCalls(project).slice(4)).toEqual(['run --silent build']);
    writeFileSync(join(project, 'package-lock.json'), '{"changed":true}');
    await runScript('quickstart');
    expect(installOf(npmCalls(project).slice(5))).toEqual(install);
  });

  it('stops where npm ci fails, and tries it again the next time', async () => {
    const { project, run: runScript } = await stage({
      npm: `NPM_FAILS=1\n${NPM}`,
      cc: ':',
      make: ':',
    });
    const failed = await runScript('quickstart');
    expect([failed.exitCode, failed.stderr]).toEqual([1, 'npm ci failed: see above.\n']);
    await runScript('quickstart');
    expect(npmCalls(project)).toHaveLength(2);
  });
});

describe('scripts/quickstart with a broken build', () => {
  it('says so, runs nothing, and builds again the next time', async () => {
    const npm = `${NPM}\n[ "$1" != run ] || exit 1`;
    const { project, run: runScript } = await stage({ npm, cc: ':', make: ':' });
    const failed = await runScript('quickstart');
    expect([failed.exitCode, failed.stderr]).toEqual([
      1,
      'quickstart: the build failed: see above.\n',
    ]);
    expect(failed.stdout.toString()).not.toContain('ran');
    await runScript('quickstart');
    expect(npmCalls(project).slice(4)).toEqual(['run --silent build']);
  });
});

describe('scripts/test', () => {
  const tools = Object.fromEntries(TEST_NEEDS.map((name) => [name, ':']));
  it('looks for what the tests use', () => {
    expect(TEST_NEEDS).toEqual(
      expect.arrayContaining([
        'zstd',
        'xz',
        'bzip2',
        'gpg',
        'rsync',
        'chromium',
        'scanelf',
        'flock',
      ]),
    );
  });

  it('runs the check and ends with the counts of the tests', async () => {
    const report = {
      numPassedTests: 120,
      numFailedTests: 0,
      numRuntimeErrorTestSuites: 0,
      numPendingTests: 3,
      numTodoTests: 1,
    };
    const { project, run: runScript } = await stage({ ...tools, npm: testsWith(report, 0) });
    const result = await runScript('test');
    expect([result.exitCode, lastLine(result)]).toEqual([0, '120 passed, 0 failed, 4 skipped']);
    const calls = npmCalls(project);
    expect(calls[0]).toMatch(/^ci /);
    expect(calls.slice(1, 4).toSorted()).toEqual([
      'rebuild better-sqlite3',
      'rebuild zstd-napi',
      'run --silent check:sources',
    ]);
    expect(calls[4]).toMatch(/^test -- --json --outputFile=/);
    expect(calls).toHaveLength(5);
  });

  it('fails with the counts when tests fail or do not load', async () => {
    const report = {
      numPassedTests: 5,
      numFailedTests: 2,
      numRuntimeErrorTestSuites: 1,
      numPendingTests: 0,
      numTodoTests: 0,
    };
    const { run: runScript } = await stage({ ...tools, npm: testsWith(report, 1) });
    const result = await runScript('test');
    expect([result.exitCode, lastLine(result)]).toEqual([1, '5 passed, 3 failed, 0 skipped']);
  });

  it.each([
    ['check:sources', 3],
    ['rebuild', 1],
  ])('runs no tests when %s fails, and still ends with the line', async (broken, status) => {
    const npm = testsWith({}, 0, broken);
    const { project, run: runScript } = await stage({ ...tools, npm });
    const result = await runScript('test');
    expect([result.exitCode, lastLine(result)]).toEqual([status, '0 passed, 1 failed, 0 skipped']);
    expect(npmCalls(project).filter((call) => call.startsWith('test'))).toEqual([]);
  });

  it('installs what is missing as root, in one go, and only says so otherwise', async () => {
    const report = { numPassedTests: 1, numFailedTests: 0, numRuntimeErrorTestSuites: 0 };
    const some = { ...tools, scanelf: '', xz: '', npm: testsWith(report, 0) };
    const apt = 'echo "$*" >> apt.log';
    const root = await stage({ ...some, id: 'echo 0', 'apt-get': apt });
    await root.run('test');
    expect(readFileSync(join(root.project, 'apt.log'), 'utf8')).toBe(
      'update -qq\ninstall -qq -y --no-install-recommends xz-utils pax-utils\n',
    );
    const user = await stage({ ...some, id: 'echo 1000', 'apt-get': apt });
    const result = await user.run('test');
    expect(existsSync(join(user.project, 'apt.log'))).toBe(false);
    expect(result.stderr).toContain(
      'Not installed, and tests that need it will fail or be skipped: xz-utils pax-utils\n',
    );
  });
});
