import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { withPhasesNoted } from '../../src/agent/executors/watch-phases.ts';
import { JobLog } from '../../src/agent/job-log.ts';
import { poll } from '../support/poll.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const CPV = 'app-misc/x-1';

function snapshot(phase: string | null, cpv = CPV): string {
  const task = { cpv, phase, kind: 'build', elapsed: 1.5, resources: {} };
  return `${JSON.stringify({ type: 'snapshot', schema: 1, emerge_pid: 1, tasks: [task] })}\n`;
}

describe("the phases of Portage's own status", () => {
  it('are noted in the log of the job, each once, unless it tells of them itself', async () => {
    const eroot = join(folder, 'root');
    const run = join(eroot, 'run/portage');
    mkdirSync(run, { recursive: true });
    const log = new JobLog(join(folder, 'log'));
    const noted = (): string => readFileSync(log.path, 'utf8');
    const until = async (text: string): Promise<void> => {
      await poll(text, () => noted().includes(text) || undefined);
    };
    const status = join(run, 'emerge-77.json');
    writeFileSync(join(run, 'emerge-1.json'), snapshot('test', 'app-misc/other-1'));
    writeFileSync(join(run, 'emerge-2.json'), 'no JSON');
    writeFileSync(join(run, 'emerge-77.sock'), '');

    await withPhasesNoted({ eroot, cpv: CPV, log }, async () => {
      writeFileSync(status, snapshot(null));
      writeFileSync(status, snapshot('compile'));
      await until('compile');
      appendFileSync(log.path, '>>> Install app-misc/x-1 into /x\n');
      writeFileSync(status, snapshot('install'));
      writeFileSync(status, snapshot('not a phase'));
      writeFileSync(status, snapshot('instprep'));
      await until('instprep');
      rmSync(status);
    });

    expect(noted()).toBe(
      '>>> Portage is in the phase compile.\n>>> Install app-misc/x-1 into /x\n>>> Portage is in the phase instprep.\n',
    );
    log.close();
  });

  it('are not there where Portage writes none, and a broken place fails no build', async () => {
    const log = new JobLog(join(folder, 'other-log'));
    await withPhasesNoted({ eroot: join(folder, 'nowhere'), cpv: CPV, log }, async () => undefined);
    expect(readFileSync(log.path, 'utf8')).toBe('');
    mkdirSync(join(folder, 'broken/run/portage/emerge-5.json'), { recursive: true });
    await withPhasesNoted({ eroot: join(folder, 'broken'), cpv: CPV, log }, async () => undefined);
    expect(readFileSync(log.path, 'utf8')).toMatch(
      /^>>> The phases of Portage cannot be read: EISDIR/,
    );
    log.close();
  });
});
