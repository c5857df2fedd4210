import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { hasCompiler } from '../../src/agent/sharing/share-compiling.ts';
import { toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const SAID = 'cc (Gentoo 14.2.1 p1) 14.2.1 20250101\nCopyright (C) 2024 Free Software Foundation';

describe('the compiler of a build root', () => {
  it('has to be that of the agent, for distcc', async () => {
    await writeFile(join(folder, 'cc'), `#!/bin/sh\ncat << 'END'\n${SAID}\nEND\n`, { mode: 0o755 });
    const path = `${folder}:${toolEnvironment()['PATH']}`;
    const root = {
      environment: { PATH: path },
      command: (words: readonly string[]) => ['env', ...words],
    };
    expect(await hasCompiler(root, 'gcc-14.2.1')).toBe(true);
    expect(await hasCompiler(root, 'gcc-14.2.0')).toBe(false);
    expect(await hasCompiler(root, null)).toBe(false);
    const without = { ...root, command: () => ['env', 'no-such-compiler'] };
    expect(await hasCompiler(without, 'gcc-14.2.1')).toBe(false);
  });
});
