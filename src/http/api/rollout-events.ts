import type { Request, Response } from 'express';
import type { RolloutRecord, RolloutService, UnitRecord } from '../../fleet/rollout/rollout.ts';
import { MEMBER_STATES } from '../../protocol/member-states.ts';
import { RolloutCells } from '../../protocol/rollout-cells.ts';
import type { RolloutProgress } from '../../protocol/rollouts.ts';
import { sleep } from '../../support/clock.ts';
import type { HttpContext } from '../context.ts';
import { lifetimeOf } from '../lifetime.ts';
import { lastSeen } from './journal-routes.ts';
import { Latch } from './latch.ts';
import { planOutline, rolloutHead } from './rollout-views.ts';
import { beginStream, endStream, writePiece } from './streaming.ts';

/** Steps of units are in the database and not in the journal: they are looked for this often. */
const LOOK_MS = 1_000;
/** Changes that come in a burst are told together. */
const PAUSE_MS = 250;
/** A comment goes out when nothing has changed for so many looks. */
const KEEP_ALIVE_LOOKS = 15;
const EVENTS_AT_ONCE = 500;
const FINAL: readonly RolloutRecord['state'][] = ['aborted', 'done', 'done-with-held', 'discarded'];

export function isFinalRollout({ state }: Pick<RolloutRecord, 'state'>): boolean {
  return FINAL.includes(state);
}

interface Told {
  readonly units: Map<string, string>;
  readonly cells: RolloutCells;
  head: string;
  /** Number of the last event of the journal. */
  seq: number;
}

/**
 * Streams a rollout as server-sent events, see `src/protocol/rollouts.ts`: each unit once, then those that have changed, and
 * each event of the journal. Ends after a final state; without `end` when the server stops, and clients come back.
 *
 * Throws `rollout-unknown` before anything is sent.
 */
export async function streamRollout(
  context: Pick<HttpContext, 'journal' | 'stopping'> & { readonly rollouts: RolloutService },
  exchange: {
    readonly request: Request;
    readonly response: Response;
    readonly id: string;
    readonly after: number | undefined;
  },
): Promise<void> {
  const { rollouts, journal, stopping } = context;
  const { request, response } = exchange;
  const record = await rollouts.get(exchange.id);
  const subject = `rollout:${record.id}`;
  const changed = new Latch();
  const unlisten = journal.listen((event) => {
    if (event.subject === subject) {
      changed.set();
    }
  });
  const life = lifetimeOf(response, stopping);
  try {
    const seq = lastSeen(request) ?? exchange.after ?? (await journal.latest(1))[0]?.seq ?? 0;
    const cells = new RolloutCells(planOutline(record.plan, new Map()));
    const told: Told = { units: new Map(), cells, head: '', seq };
    beginStream(response, 'text/event-stream; charset=utf-8');
    let quietLooks = 0;
    while (request.method !== 'HEAD' && !life.signal.aborted) {
      const now = await rollouts.get(record.id);
      const pieces = [
        ...(await newEvents(journal, subject, told)),
        ...(await progressPiece(rollouts, now, told)),
      ];
      quietLooks = pieces.length > 0 ? 0 : quietLooks + 1;
      if (quietLooks === KEEP_ALIVE_LOOKS) {
        pieces.push(': still here\n\n');
        quietLooks = 0;
      }
      await writePiece(response, pieces.join(''));
      if (isFinalRollout(now)) {
        await writePiece(response, 'event: end\ndata: {}\n\n');
        break;
      }
      await sleep(PAUSE_MS, life.signal);
      await changed.wait(LOOK_MS, life.signal);
    }
  } finally {
    unlisten();
    life.end();
    endStream(response);
  }
}

/** What has been written about it since; read before the units, so that no end comes before its log. */
async function newEvents(
  journal: HttpContext['journal'],
  subject: string,
  told: Told,
): Promise<string[]> {
  const pieces: string[] = [];
  for (;;) {
    const events = await journal.find({ subject, after: told.seq, limit: EVENTS_AT_ONCE });
    for (const event of events) {
      pieces.push(`id: ${event.seq}\nevent: log\ndata: ${JSON.stringify(event)}\n\n`);
      told.seq = event.seq;
    }
    if (events.length < EVENTS_AT_ONCE) {
      return pieces;
    }
  }
}

/** What is different from what was told; nothing when nothing is. */
async function progressPiece(
  rollouts: RolloutService,
  record: RolloutRecord,
  told: Told,
): Promise<string[]> {
  const changed = record.units.filter((unit) => isNews(unit, told.units));
  const isWhole = told.head === '';
  const monitor = await rollouts.monitor(record.id);
  const head = { ...rolloutHead(record), why: await rollouts.why(record.id) };
  const text = JSON.stringify({ ...head, monitor: { ...monitor, at: 0 } });
  if (changed.length === 0 && text === told.head) {
    return [];
  }
  told.head = text;
  const cells = Object.fromEntries(
    [...told.cells.update(changed)].map(([node, { state, note }]) => [
      node,
      { state, letter: MEMBER_STATES[state].letter, note },
    ]),
  );
  const progress: RolloutProgress = { ...head, isWhole, changed, cells, monitor };
  return [`event: progress\ndata: ${JSON.stringify(progress)}\n\n`];
}

function isNews(unit: UnitRecord, told: Map<string, string>): boolean {
  const text = JSON.stringify(unit);
  if (told.get(unit.unit) === text) {
    return false;
  }
  told.set(unit.unit, text);
  return true;
}
