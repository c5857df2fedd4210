import { open } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { advanceProgress, isLaterPhase, NO_PROGRESS, phaseNote } from '../../gentoo/build-phase.ts';
import { sleep } from '../../support/clock.ts';
import { isErrno, messageOf } from '../../support/errors.ts';
import { namesIn } from '../../support/files.ts';
import { LineSplitter } from '../../support/line-splitter.ts';
import type { JobLog } from '../job-log.ts';

/** Portage writes its status at most once a second, and every two seconds while a phase runs. */
const LOOK_EVERY_MS = 1000;
const MAXIMUM_BYTES = 1024 * 1024;
const PIECE_BYTES = 64 * 1024;
const PHASE = /^[a-z]{1,20}$/;

/** What is used of a snapshot (`_emerge/_observability.py`, schema 1). */
const snapshotSchema = z.object({
  type: z.literal('snapshot'),
  tasks: z.array(z.object({ cpv: z.string(), phase: z.string().nullable() })),
});

/** Whose phases are watched: of this package in this build root, noted in this log. */
export interface WatchedBuild {
  readonly eroot: string;
  readonly cpv: string;
  readonly log: JobLog;
}

/**
 * While the work goes on, reads the status of Portage (FEATURES=observability) and notes in the job's log each phase
 * that the log itself has not told of. Where Portage writes none nothing happens, and a status that cannot be read fails no build.
 */
export async function withPhasesNoted(
  build: WatchedBuild,
  work: () => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const watching = watchPhases(build, ended.signal).catch((error: unknown) => {
    build.log.note(`The phases of Portage cannot be read: ${messageOf(error)}`);
  });
  try {
    await work();
  } finally {
    ended.abort();
    await watching;
  }
}

async function watchPhases(options: WatchedBuild, ended: AbortSignal): Promise<void> {
  const folder = join(options.eroot, 'run/portage');
  const told = new ToldPhase(options.log.path);
  while (!ended.aborted) {
    const phase = await phaseIn(folder, options.cpv);
    if (phase !== undefined && isLaterPhase(phase, await told.phase())) {
      options.log.note(phaseNote(phase));
    }
    await sleep(LOOK_EVERY_MS, ended);
  }
}

/** The phase that a log has told of so far, our own notes included. */
class ToldPhase {
  readonly #path: string;
  readonly #splitter = new LineSplitter();
  #progress = NO_PROGRESS;
  #offset = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Reads what was added since the last time. */
  async phase(): Promise<string | null> {
    const file = await open(this.#path, 'r');
    try {
      const buffer = Buffer.alloc(PIECE_BYTES);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, PIECE_BYTES, this.#offset);
        if (bytesRead === 0) {
          return this.#progress.phase;
        }
        this.#offset += bytesRead;
        for (const { text } of this.#splitter.take(buffer.subarray(0, bytesRead))) {
          this.#progress = advanceProgress(this.#progress, text);
        }
      }
    } finally {
      await file.close();
    }
  }
}

async function phaseIn(folder: string, cpv: string): Promise<string | undefined> {
  for (const name of await namesIn(folder)) {
    if (/^emerge-\d+\.json$/.test(name)) {
      const task = (await tasksIn(join(folder, name))).find((one) => one.cpv === cpv);
      if (task?.phase !== undefined && task.phase !== null && PHASE.test(task.phase)) {
        return task.phase;
      }
    }
  }
  return undefined;
}

/** Another program's file, which it replaces and removes as it likes: what cannot be read says nothing. */
async function tasksIn(path: string): Promise<z.infer<typeof snapshotSchema>['tasks']> {
  const text = await readStart(path);
  const parsed = snapshotSchema.safeParse(parseOrNothing(text));
  return parsed.success ? parsed.data.tasks : [];
}

async function readStart(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const buffer = Buffer.alloc(MAXIMUM_BYTES);
      const { bytesRead } = await file.read(buffer, 0, MAXIMUM_BYTES, 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      return '';
    }
    throw error;
  }
}

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
