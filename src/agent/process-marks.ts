import { readFileSync } from 'node:fs';
import { isErrno } from '../support/errors.ts';

const STATE = 0;
const STARTED = 19;

/**
 * A process id and when the process began, in ticks since boot (`/proc/<pid>/stat`, proc_pid_stat(5)): a number that
 * is used again gets another mark. Undefined when the process has ended.
 */
export function processMark(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[STATE] === 'Z' || fields[STATE] === 'X' ? undefined : `${pid} ${fields[STARTED]}`;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) {
      return undefined;
    }
    throw error;
  }
}

/** The process that a mark was made of. */
export function pidOf(mark: string): number {
  return Number(mark.split(' ')[0]);
}

/** Whether the very process that a mark was made of still runs. */
export function isRunning(mark: string): boolean {
  const pid = pidOf(mark);
  return Number.isInteger(pid) && pid > 0 && processMark(pid) === mark;
}
