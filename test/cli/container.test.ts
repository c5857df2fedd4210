import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const PROJECT = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(PROJECT, path), 'utf8');

/** Instructions of the Dockerfile, continued lines joined. */
const instructions = read('Dockerfile')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => /^[A-Z]+ /.test(line))
  .map((line) => ({
    name: line.split(' ', 1)[0] ?? '',
    words: line.split(/\s+/).slice(1),
  }));
const stages = instructions.filter(({ name }) => name === 'FROM');
const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
const find = (name: string): string =>
  last.find((instruction) => instruction.name === name)?.words.join(' ') ?? '';

describe('the container image', () => {
  it('is built in stages, the last of them without a compiler and not as root', () => {
    expect(stages).toHaveLength(2);
    expect(stages[1]?.words[0]).toMatch(/-slim$/);
    expect(find('USER')).toBe('node');
    const afterUser = last.slice(last.findIndex(({ name }) => name === 'USER'));
    expect(afterUser.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['VOLUME', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT']),
    );
  });

  it('has its health check, volumes, port and entry point', () => {
    expect(find('HEALTHCHECK')).toContain('/healthz');
    expect(JSON.parse(find('VOLUME'))).toEqual([
      '/var/lib/rookery/state',
      '/var/lib/rookery/mirror-root',
    ]);
    expect(find('EXPOSE')).toBe('8700');
    expect(JSON.parse(find('ENTRYPOINT'))).toEqual(['node', '/app/dist/main.js', 'serve']);
  });

  it('copies only what is there, and what .dockerignore lets through', () => {
    const copied = instructions
      .filter(({ name, words }) => name === 'COPY' && !words.some((word) => word.startsWith('--')))
      .flatMap(({ words }) => words.slice(0, -1));
    expect(copied.length).toBeGreaterThan(8);
    expect(copied.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([]);
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(copied.filter((path) => !allowed.some((entry) => entry.split('/')[0] === path))).toEqual(
      [],
    );
    expect(allowed.filter((path) => !existsSync(join(PROJECT, path)))).toEqual([]);
  });

  it('copies from the build stage what that stage makes', () => {
    const fromBuild = last.filter(({ words }) => words[0] === '--from=build');
    expect(fromBuild.map(({ words }) => words[1])).toEqual(['/app/node_modules', '/app/dist']);
  });
});
