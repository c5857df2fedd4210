import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readWords, type Tool } from '../../scripts/command-line.ts';
import {
  benchTool,
  CLAIMS,
  simulateFarmTool,
  simulateRolloutsTool,
  stressFarmTool,
  stressPublicationsTool,
} from '../../scripts/tools.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const TOOLS: Readonly<Record<string, () => Tool<unknown>>> = {
  'simulate-farm': simulateFarmTool,
  'simulate-rollouts': simulateRolloutsTool,
  'stress-farm': stressFarmTool,
  'stress-publications': stressPublicationsTool,
  bench: benchTool,
};
/** What a tool is started with, in help and in the documents, and its words. */
const STARTS =
  /(?:node --import tsx scripts\/(?<tool>[a-z-]+)\.ts|npm run (?<script>bench) --)(?<words>[^#\n]*)/g;

function read<T>(tool: Tool<T>, words: readonly string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const result = readWords(tool, words, {
    out: (text) => out.push(text),
    err: (text) => err.push(text),
  });
  return { ...result, stdout: out.join(''), stderr: err.join('') };
}

/** Those that are started in a text, with what is wrong with their words. */
function startsIn(text: string): { readonly tool: string; readonly wrong: string }[] {
  return [...text.matchAll(STARTS)].map(({ groups }) => {
    const { tool = 'bench', words = '' } = groups ?? {};
    const make = TOOLS[tool];
    if (make === undefined) {
      throw new Error(`there is no tool ${tool}`);
    }
    const given = words.split(' ').filter((word) => word !== '' && word !== '[options]');
    return { tool, wrong: read(make(), given).stderr };
  });
}

function rollouts(words: string) {
  return read(simulateRolloutsTool(), words.split(' ').filter(Boolean));
}

describe('the tools of a developer', () => {
  it.each(Object.entries(TOOLS))(
    '%s --help says what it does, takes and is given',
    (name, make) => {
      const tool = make();
      const { stdout, stderr, ...ended } = read(tool, ['--help']);
      expect([ended, stderr]).toEqual([{ exitCode: 0 }, '']);
      expect(tool.command.description()).not.toBe('');
      expect(tool.command.options.filter(({ description }) => description === '')).toEqual([]);
      const [, examples = ''] = stdout.split('\nExamples:\n');
      expect(startsIn(examples).length).toBeGreaterThan(1);
      expect(startsIn(examples).filter((one) => one.tool !== name || one.wrong !== '')).toEqual([]);
    },
  );

  it('are started with such words in docs/performance.md', () => {
    const started = startsIn(readFileSync(join(PROJECT, 'docs/performance.md'), 'utf8'));
    expect(started.filter(({ wrong }) => wrong !== '')).toEqual([]);
    expect(new Set(started.map(({ tool }) => tool)).size).toBeGreaterThan(3);
  });

  it.each([
    [
      'simulate-farm',
      '--jobs abc',
      "option '--jobs <n>' argument 'abc' is invalid: it has to be a whole number from 1 on.",
    ],
    [
      'simulate-farm',
      '--runs 0',
      "option '--runs <n>' argument '0' is invalid: it has to be a whole number from 1 on.",
    ],
    [
      'simulate-farm',
      '--seed -1',
      "option '--seed <n>' argument '-1' is invalid: it has to be a whole number from 0 on.",
    ],
    ['simulate-farm', '--jbos 5', "unknown option '--jbos' (Did you mean --jobs?)"],
    ['simulate-farm', '100', "unknown argument '100'"],
    ['simulate-rollouts', '--seed', "option '--seed <n>' argument missing"],
    [
      'simulate-rollouts',
      '--seeds 1e3',
      "option '--seeds <n>' argument '1e3' is invalid: it has to be a whole number from 1 on.",
    ],
    [
      'simulate-rollouts',
      '--nodes 10 --kind os',
      "option '--kind <kinds...>' argument 'os' is invalid: allowed choices are os-online, os-disruptive, php, app.",
    ],
    ['simulate-rollouts', '--kind php', "option '--kind' is of a large fleet: it needs --nodes"],
    [
      'simulate-rollouts',
      '--seed 3 --from 2',
      "option '--seed <n>' cannot be used with option '--from <n>'",
    ],
    [
      'stress-farm',
      '--executor xyz',
      "option '--executor <executor>' argument 'xyz' is invalid: allowed choices are portage, source.",
    ],
    [
      'stress-farm',
      '--engine mysql',
      "option '--engine <engine>' argument 'mysql' is invalid: allowed choices are sqlite, postgresql.",
    ],
    [
      'stress-farm',
      '--postmaster-kills 2',
      "option '--postmaster-kills' needs --engine postgresql",
    ],
    [
      'stress-farm',
      '--build-seconds fast',
      "option '--build-seconds <s>' argument 'fast' is invalid: it has to be seconds, such as 3 or 0.5.",
    ],
    [
      'stress-publications',
      '0',
      "command-argument value '0' is invalid for argument 'publications': it has to be a whole number from 1 on.",
    ],
    ['stress-publications', '5 6', "unknown argument '6'"],
    [
      'bench',
      '--only nothing',
      `option '--only <claims...>' argument 'nothing' is invalid: allowed choices are ${CLAIMS.join(', ')}.`,
    ],
    [
      'bench',
      '--only gate publish --small 300',
      'publish needs --small of 1000 packages or more, not 300',
    ],
    ['bench', '--only gate --large 999', 'gate needs --large of 1000 packages or more, not 999'],
  ])('%s refuses %s in one line that names it', (name, words, sentence) => {
    const tool = TOOLS[name]?.() ?? benchTool();
    expect(read(tool, words.split(' '))).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `${name}: ${sentence}\n`,
    });
  });

  it('end their process with it', async () => {
    const words = ['scripts/simulate-farm.ts', '--agents', 'many'];
    const ended = await run([process.execPath, '--import', 'tsx', ...words], {
      env: toolEnvironment(),
      cwd: PROJECT,
    });
    expect([ended.exitCode, ended.stdout.toString(), ended.stderr]).toEqual([
      2,
      '',
      "simulate-farm: option '--agents <n>' argument 'many' is invalid: it has to be a whole number from 1 on.\n",
    ]);
  });
});

describe('what a tool is told', () => {
  it('simulate-farm: sizes, and seeds', () => {
    expect(read(simulateFarmTool(), [])).toMatchObject({
      options: { jobs: 100_000, agents: 5000, seed: 1, runs: 1 },
    });
    expect(read(simulateFarmTool(), ['--jobs', '7', '--seed=0'])).toMatchObject({
      options: { jobs: 7, seed: 0 },
    });
  });

  it('simulate-rollouts: small fleets of some seeds or of one, or large fleets of some kinds', () => {
    expect(rollouts('')).toMatchObject({ options: { small: { first: 1, last: 100 } } });
    expect(rollouts('--seeds 20 --from 11')).toMatchObject({
      options: { small: { first: 11, last: 30 } },
    });
    expect(rollouts('--seed 416')).toMatchObject({ options: { small: { first: 416, last: 416 } } });
    expect(rollouts('--nodes 32 --kind php --kind os-online --seed 4')).toMatchObject({
      options: { large: { nodes: 32, farms: 625, seed: 4, kinds: ['os-online', 'php'] } },
    });
    expect(rollouts('--nodes 32 --farms 2')).toMatchObject({
      options: {
        large: { farms: 2, seed: 1, kinds: ['os-online', 'os-disruptive', 'php', 'app'] },
      },
    });
  });

  it('stress-farm: PostgreSQL is killed where it is used', () => {
    expect(read(stressFarmTool(), ['--seed', '5', '--build-seconds', '0.5'])).toMatchObject({
      options: {
        kills: 50,
        agents: 4,
        executor: 'portage',
        engine: 'sqlite',
        postmasterKills: 0,
        killEveryMs: 4000,
        buildSeconds: 0.5,
        seed: 5,
        timed: false,
        keep: false,
      },
    });
    const on = ['--engine', 'postgresql', '--timed', '--keep'];
    expect(read(stressFarmTool(), on)).toMatchObject({
      options: { postmasterKills: 5, seed: expect.any(Number), timed: true, keep: true },
    });
    expect(read(stressFarmTool(), [...on, '--postmaster-kills', '0'])).toMatchObject({
      options: { postmasterKills: 0 },
    });
  });

  it('stress-publications: how many, and what is collected', () => {
    expect(read(stressPublicationsTool(), [])).toMatchObject({
      options: { publications: 100_000, readEvery: 1 },
    });
    expect(read(stressPublicationsTool(), ['--keep-last', '20', '160'])).toMatchObject({
      options: { publications: 160, keepLast: 20 },
    });
  });

  it('bench: all claims, or some', () => {
    expect(read(benchTool(), [])).toMatchObject({
      options: { only: CLAIMS, small: 2000, large: 20_000, megabytes: 300 },
    });
    expect(read(benchTool(), ['--only', 'gate', '--small', '9', '--only', 'php'])).toMatchObject({
      options: { only: ['gate', 'php'], small: 9 },
    });
  });
});
