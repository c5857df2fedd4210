import type { Journal } from '../journal/journal.ts';
import { type DiskSpace, inMib } from '../support/disk-space.ts';
import { messageOf } from '../support/errors.ts';
import type { Service } from '../support/lifecycle.ts';
import type { Log } from '../support/log.ts';
import { repeating } from '../support/schedule.ts';

const LOOK_MS = 30_000;

type Level = 'enough' | 'low' | 'refusing';

/** Looks how much room is left, and tells when that comes to matter: in the log, the journal and on the first page. */
export interface DiskWatch extends Service {
  /** A sentence while there is little room. */
  warning(): string | undefined;
}

export function watchDiskSpace(options: {
  readonly space: DiskSpace;
  readonly warnBelowBytes: number;
  readonly journal: Journal;
  readonly log: Log;
  readonly lookMs?: number;
}): DiskWatch {
  const { space, log, journal } = options;
  let told: Level = 'enough';
  let sentence: string | undefined;
  const look = async (): Promise<void> => {
    const scarcest = await space.scarcest();
    if (scarcest === undefined) {
      return;
    }
    const { name, free } = scarcest;
    const level = levelOf(free, space.keepFreeBytes, options.warnBelowBytes);
    sentence = level === 'enough' ? undefined : sentenceOf(level, { name, free }, space);
    if (level !== told) {
      const fields = { folder: name, free };
      if (sentence === undefined) {
        log.info(fields, 'there is enough room on the disk again');
      } else {
        log.warn(fields, sentence);
      }
      const kind = level === 'enough' ? 'disk-space-enough' : 'disk-space-low';
      const data = { ...fields, uploads: level === 'refusing' ? 'refused' : 'accepted' };
      await journal.record({ kind, subject: 'server', actor: 'server', data });
      told = level;
    }
  };
  const onError = (error: unknown): void => {
    log.error({ error: messageOf(error) }, 'the room on the disk is not in the journal');
  };
  const looking = repeating({
    name: 'disk watch',
    everyMs: options.lookMs ?? LOOK_MS,
    work: look,
    onError,
  });
  return {
    name: looking.name,
    start: async () => {
      await look().catch(onError);
      await looking.start();
    },
    stop: async () => {
      await looking.stop();
    },
    warning: () => sentence,
  };
}

function levelOf(free: number, keepFree: number, warnBelow: number): Level {
  if (keepFree > 0 && free < keepFree) {
    return 'refusing';
  }
  return free < warnBelow ? 'low' : 'enough';
}

function sentenceOf(
  level: Level,
  { name, free }: { readonly name: string; readonly free: number },
  { keepFreeBytes }: DiskSpace,
): string {
  const left = `${inMib(free)} are free in ${name}`;
  if (keepFreeBytes === 0) {
    return `${left}: when it is full, nothing can be imported or published.`;
  }
  return level === 'refusing'
    ? `${left}: uploads are refused until ${inMib(keepFreeBytes)} are.`
    : `${left}: below ${inMib(keepFreeBytes)} uploads are refused.`;
}
