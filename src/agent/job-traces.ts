import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { namesIn, readTextIfPresent } from '../support/files.ts';
import { processMark } from './process-marks.ts';

const FILE = 'traces';
const traceSchema = z.tuple([z.enum(['group', 'folder']), z.string()]);

/**
 * What a job has outside of its own folder, written down in it: an agent that is killed cannot clear it away, and
 * the next one in the same work folder does.
 */
export class JobTraces {
  readonly #path: string;

  constructor(folder: string) {
    this.#path = join(folder, FILE);
  }

  /** A process that leads a group, noted right after it was started. */
  addGroup(pid: number): void {
    const mark = processMark(pid);
    if (mark !== undefined) {
      this.#add('group', mark);
    }
  }

  /** A folder that is removed with the job, noted before it is made. */
  addFolder(path: string): void {
    this.#add('folder', path);
  }

  #add(kind: 'group' | 'folder', value: string): void {
    appendFileSync(this.#path, `${JSON.stringify([kind, value])}\n`);
  }
}

/** The traces of all jobs whose folders lie in a folder. */
export async function readTraces(jobs: string): Promise<{ leaders: string[]; folders: string[] }> {
  const leaders: string[] = [];
  const folders: string[] = [];
  for (const name of await namesIn(jobs)) {
    const text = (await readTextIfPresent(join(jobs, name, FILE))) ?? '';
    // What follows the last line break was not written to its end.
    for (const line of text.split('\n').slice(0, -1)) {
      const [kind, value] = traceSchema.parse(JSON.parse(line));
      (kind === 'group' ? leaders : folders).push(value);
    }
  }
  return { leaders, folders };
}
