import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram, type ProgramParts } from '../../src/cli/program.ts';
import { recordedOutput } from './recorded-output.ts';
import { runProgram } from './run-program.ts';

const README = readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8');

interface Listed {
  readonly words: readonly string[];
  readonly command: Command;
}

function listed(command: Command, words: readonly string[] = []): Listed[] {
  return command.commands.flatMap((below) => {
    const path = [...words, below.name()];
    return [{ words: path, command: below }, ...listed(below, path)];
  });
}

const parts: ProgramParts = {
  serve: async () => undefined,
  agent: async () => undefined,
  rebuild: async () => {
    throw new Error('not to be called');
  },
  copyDatabase: async () => {
    throw new Error('not to be called');
  },
  output: recordedOutput().output,
};
const program = await createProgram(parts);
const commands = listed(program.command);
const named = commands.map((entry) => [entry.words.join(' '), entry] as const);

/** Commands that do something and lack an option. */
function lacking(option: string, exempt: readonly string[]): string[] {
  return commands
    .filter(({ command }) => command.commands.length === 0 || command.name() === 'client')
    .map(({ words, command }) => ({ name: words.join(' '), command }))
    .filter(({ name }) => !exempt.includes(name) && !name.startsWith('profile'))
    .filter(({ command }) => !command.options.some(({ long }) => long === option))
    .map(({ name }) => name);
}

describe('the commands', () => {
  it('are those that the product has', () => {
    expect(commands.filter(({ words }) => words.length === 1).map(({ words }) => words[0])).toEqual(
      [
        'quickstart',
        'serve',
        'agent',
        'profile',
        'build',
        'schedule',
        'channel',
        'package',
        'php',
        'rsync',
        'repository',
        'database',
        'index',
        'client',
        'key',
        'token',
        'journal',
        'agents',
        'node',
        'fleet',
        'rollout',
      ],
    );
    expect(commands.length).toBeGreaterThan(25);
  });

  it.each([
    ['index', ['index']],
    [undefined, commands.filter(({ words }) => words.length === 1).map(({ words }) => words[0])],
    [
      'constructor',
      commands.filter(({ words }) => words.length === 1).map(({ words }) => words[0]),
    ],
  ])('are all of them unless one is named: %s', async (name, expected) => {
    const { command } = await createProgram(parts, name);
    expect(command.commands.map((below) => below.name())).toEqual(expected);
  });

  it.each(named)('%s --help says what it does and shows an example', async (_, { words }) => {
    const { code, stdout, stderr } = await runProgram([...words, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`Usage: rookery ${words.join(' ')}`);
    expect(stdout).toMatch(/Examples?:\n {2}\$ rookery /);
  });

  it.each(named)('%s has a description, and so have its options', (_, { command }) => {
    expect(command.description()).not.toBe('');
    expect(command.options.filter((option) => option.description === '')).toEqual([]);
  });

  it('can be used in the way their examples show', async () => {
    const examples: string[] = [];
    for (const { words } of commands) {
      const { stdout } = await runProgram([...words, '--help']);
      examples.push(
        ...[...stdout.matchAll(/^ {2}\$ rookery (.*)$/gm)].map((match) => match[1] ?? ''),
      );
    }
    const wrong: string[] = [];
    for (const example of examples) {
      const words = example
        .replace(/[>#].*$/, '')
        .replaceAll(/"[^"]*"/g, 'text')
        .trim()
        .split(/ +/);
      const { code } = await runProgram([...words, '--help']);
      const known = commands.some((entry) => entry.words.every((word, at) => word === words[at]));
      if (code !== 0 || !known) {
        wrong.push(example);
      }
    }
    expect(wrong).toEqual([]);
    expect(examples.length).toBeGreaterThanOrEqual(commands.length);
  });

  it('that talk to a server take its URL and a token, those that return data --json', () => {
    const local = [
      'serve',
      'quickstart',
      'index',
      'package show',
      'package verify',
      'package sign',
      'package convert',
      'package diff',
      'repository rebuild',
      'database copy',
      'key backup',
      'key restore',
      'rsync config',
    ];
    expect(lacking('--server', local)).toEqual([]);
    expect(lacking('--token-file', local)).toEqual([]);
    expect(
      lacking('--json', [
        'serve',
        'quickstart',
        'agent',
        'build log',
        'client',
        'key export',
        'token revoke',
        'node forget',
        'fleet release',
        'channel pin',
        'channel unpin',
        'fleet haproxy',
        'rollout export ansible',
        'rsync config',
      ]),
    ).toEqual([]);
  });

  it.each(named.filter(([, { command }]) => command.commands.length === 0))(
    '%s stands in the README',
    (_, { words }) => {
      const [first = '', second] = words;
      const row = README.split('\n').find((line) => line.startsWith(`| \`rookery ${first}`));
      expect(row).toBeDefined();
      expect(
        second === undefined ||
          README.includes(`\`rookery ${first} ${second}\``) ||
          row?.includes(`\`${second}\``),
      ).toBe(true);
    },
  );
});

describe('rookery alone', () => {
  it('shows its help as an error, and its version when asked', async () => {
    const alone = await runProgram([]);
    expect([alone.code, alone.stdout]).toEqual([2, '']);
    expect(alone.stderr).toContain('Usage: rookery [options] [command]');
    const { version } = JSON.parse(
      readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'),
    );
    expect(await runProgram(['--version'])).toEqual({
      code: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  });
});
