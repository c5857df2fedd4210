import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  advanceProgress,
  type BuildProgress,
  NO_PROGRESS,
  phaseNote,
  shareDone,
} from '../../src/gentoo/build-phase.ts';

function after(...lines: readonly string[]): BuildProgress {
  return lines.reduce(advanceProgress, NO_PROGRESS);
}

describe('the phase of a build', () => {
  it('goes through a real build as Portage tells it', () => {
    const log = readFileSync(join(import.meta.dirname, 'build-logs/portage-ok.log'), 'utf8');
    const phases: unknown[] = [];
    let progress = NO_PROGRESS;
    for (const line of log.split('\n')) {
      const next = advanceProgress(progress, line);
      if (next !== progress) {
        phases.push(next.done === null ? next.phase : `${next.phase} ${next.done}/${next.total}`);
      }
      progress = next;
    }
    expect(phases).toEqual([
      'setup',
      'unpack',
      'prepare',
      'configure',
      'compile',
      'compile 10/100',
      'compile 20/100',
      'compile 30/100',
      'compile 1/7',
      'compile 2/7',
      'compile 3/7',
      'install',
      'package',
      'merge',
    ]);
  });

  it('is what the agent has noted from Portage itself', () => {
    expect(after(`>>> ${phaseNote('instprep')}`)).toEqual({ ...NO_PROGRESS, phase: 'instprep' });
    expect(after('>>> build:', '[3/4] CC x', '>>> Uploading the package, 5 bytes.').phase).toBe(
      'upload',
    );
  });

  it('does not go back for a note that comes late', () => {
    const compiling = ['>>> Compiling source in /x ...', '[3/4] CC x'];
    expect(after(...compiling, `>>> ${phaseNote('configure')}`)).toMatchObject({
      phase: 'compile',
      done: 3,
    });
    expect(after(...compiling, `>>> ${phaseNote('compile')}`).done).toBe(3);
    expect(after(...compiling, `>>> ${phaseNote('nonsense')}`).phase).toBe('compile');
    expect(after(`>>> ${phaseNote('merge')}`, '>>> Emerging (2 of 2) a/b-1::x').phase).toBe(
      'setup',
    );
  });

  it('counts only what can be true', () => {
    expect(after('>>> build:', '[9/4] CC x', '[0/0] x', '[1/2]x', '[ 700%] x').done).toBeNull();
    expect(shareDone(after('[ 25%] Building x'))).toBe(0.25);
    expect(shareDone(NO_PROGRESS)).toBeUndefined();
  });
});
