import { readdirSync, readFileSync } from 'node:fs';
import { isErrno } from '../support/errors.ts';
import { isRunning, pidOf, processMark } from './process-marks.ts';

const STATE = 0;
const PARENT = 1;
const STARTED = 19;

interface Seen {
  readonly mark: string;
  readonly parent: number;
}

/**
 * A process and all that descend from it, also those that have left its group, its session or its folder. One that is
 * seen once stays known when its parent ends; what is started and loses its parent between two looks is not found.
 */
export class ProcessTree {
  readonly #known = new Map<number, string>();

  constructor(pid: number) {
    const mark = processMark(pid);
    if (mark !== undefined) {
      this.#known.set(pid, mark);
    }
  }

  /** Learns what there is now. */
  look(): void {
    const seen = processes();
    for (const [pid, mark] of this.#known) {
      if (seen.get(pid)?.mark !== mark) {
        this.#known.delete(pid);
      }
    }
    let size = -1;
    while (size !== this.#known.size) {
      size = this.#known.size;
      for (const [pid, { mark, parent }] of seen) {
        if (this.#known.has(parent) && !this.#known.has(pid)) {
          this.#known.set(pid, mark);
        }
      }
    }
  }

  /** Signals all that is known and still runs. */
  signal(signal: NodeJS.Signals): void {
    for (const mark of this.#known.values()) {
      if (isRunning(mark)) {
        send(pidOf(mark), signal);
      }
    }
  }
}

/** Every process by its number, as `/proc/<pid>/stat` has it: proc_pid_stat(5). */
function processes(): Map<number, Seen> {
  const found = new Map<number, Seen>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? readStat(name) : undefined;
    if (stat !== undefined) {
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[STATE] !== 'Z' && fields[STATE] !== 'X') {
        const mark = `${name} ${fields[STARTED]}`;
        found.set(Number(name), { mark, parent: Number(fields[PARENT]) });
      }
    }
  }
  return found;
}

function readStat(name: string): string | undefined {
  try {
    return readFileSync(`/proc/${name}/stat`, 'latin1');
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) {
      return undefined;
    }
    throw error;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM')) {
      throw error;
    }
  }
}
