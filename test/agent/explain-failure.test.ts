import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { explainFailure } from '../../src/agent/executors/explain-failure.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();

async function explained(...lines: readonly string[]): Promise<string> {
  const path = join(folder, 'log');
  await writeFile(path, `${lines.join('\n')}\n`);
  return await explainFailure(path);
}

/** As `die` prints it. */
function died(words: string): string[] {
  return [
    ' \u001B[31;01m*\u001B[0m ERROR: app-misc/x-1::overlay failed (unpack phase):',
    ` \u001B[31;01m*\u001B[0m   ${words}`,
    ' * ',
    ' * Call stack:',
    ' *     ebuild.sh, line 136:  Called src_unpack',
  ];
}

describe('the reason of a failed build', () => {
  it('is the first real error, with the phase', async () => {
    const log = ['>>> Compiling source in /x ...', 'x.c:1:1: error: no', 'make: *** [all] Error 1'];
    expect(await explained(...log)).toBe('x.c:1:1: error: no (in the phase compile)');
  });

  it("is the ebuild's own words where it has some", async () => {
    expect(await explained('noise', ...died('tar is broken'), '>>> Failed to emerge')).toBe(
      'tar is broken (in the phase unpack)',
    );
  });

  it('is what was printed last before an ebuild died without a word', async () => {
    const before = ['>>> Unpacking source...', 'tar: short read', '', ' * ', 'gzip: bad data'];
    expect(await explained('noise', ...before, ...died('(no error message)'))).toBe(
      '>>> Unpacking source... | tar: short read | gzip: bad data (in the phase unpack)',
    );
    expect(await explained(...died('(no error message)'))).toBe(' (in the phase unpack)');
  });

  it('is the end of the log where no ebuild has died', async () => {
    expect(await explained('a', 'b', 'c', '', 'd')).toBe('b | c | d');
  });
});
