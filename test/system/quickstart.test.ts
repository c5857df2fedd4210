import { delimiter, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type RunResult, run, toolEnvironment } from '../../src/support/processes.ts';
import { findPortage, portageSuite } from '../support/gentoo-prefix.ts';
import { MAIN, requireFreshBuild } from '../support/rookery-process.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const [portageTitle, isSkipped] = portageSuite('the quickstart with Portage');

/** PATH without the folders in which there is an `emerge`. */
function pathWithoutPortage(path: string): string {
  const place = findPortage();
  const folders = path.split(delimiter);
  return folders.filter((candidate) => candidate !== place?.bin).join(delimiter);
}

async function quickstart(name: string, path: string): Promise<RunResult> {
  await requireFreshBuild();
  return await run(
    [process.execPath, MAIN, 'quickstart', '--once', '--folder', join(folder, name)],
    {
      env: { ...toolEnvironment(), PATH: path },
      cwd: folder,
      timeoutMs: 280_000,
    },
  );
}

function said(result: RunResult): string {
  return result.stderr + result.stdout.toString();
}

function lastLine(result: RunResult): string {
  return result.stdout.toString().trim().split('\n').at(-1) ?? '';
}

const { PATH = '' } = toolEnvironment();

describe('the quickstart without Portage', () => {
  it('builds, signs, publishes and verifies two profiles; the second time it rebuilds nothing', async () => {
    const first = await quickstart('source', pathWithoutPortage(PATH));
    expect({ exitCode: first.exitCode, said: said(first) }).toMatchObject({ exitCode: 0 });
    expect(lastLine(first)).toMatch(
      /^quickstart: ok - 6 packages for 2 profiles, built with source, published testing and stable, \d+ checks, /,
    );
    expect(said(first)).toContain('6 packages built, 0 reused');

    const second = await quickstart('source', pathWithoutPortage(PATH));

    expect(second.exitCode).toBe(0);
    expect(said(second)).not.toMatch(/: building on/);
    expect(said(second)).toMatch(/nothing to build/);
    expect(lastLine(second)).toMatch(/^quickstart: ok - 6 packages for 2 profiles/);
  }, 300_000);

  it('names the step that failed, and leaves nothing running', async () => {
    const result = await quickstart('source/rookery.toml', pathWithoutPortage(PATH));
    expect(result.exitCode).toBe(1);
    expect(said(result)).toMatch(/step 1/i);
  }, 60_000);
});

(isSkipped ? describe.skip : describe)(portageTitle, () => {
  it('builds the sample with emerge, each package once for each profile', async () => {
    const result = await quickstart('portage', PATH);
    expect({ exitCode: result.exitCode, said: said(result) }).toMatchObject({ exitCode: 0 });
    expect(lastLine(result)).toMatch(
      /^quickstart: ok - 6 packages for 2 profiles, built with portage, /,
    );
  }, 300_000);
});
