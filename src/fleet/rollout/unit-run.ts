import { setMaxListeners } from 'node:events';
import type { RolloutStepRow } from '../../database/tables.ts';
import type { Site } from '../inventory/inventory.ts';
import { noteLive } from './live-backend.ts';
import { performAction } from './perform-action.ts';
import { performOnNode } from './perform-on-node.ts';
import { noteOut } from './touched-nodes.ts';
import { type Place, placesOf, undoPlaces } from './unit-actions.ts';
import { type Ended, type UnitEntry, UnitJournal, type UnitProgress } from './unit-journal.ts';
import { type Outcome, Poll, type UnitScene } from './unit-scene.ts';

/** What the rollout says to the end of a unit: a sentence pauses it. */
export type OnFailure = (unit: UnitProgress) => string | undefined;

/** The members of a whole farm are worked on at once, each in up to four places that a signal ends. */
const MOST_LISTENERS = 64;
const DONE: readonly (string | null)[] = ['ok', 'cut'];

/** Carries one unit out, from wherever it is: each intent is on disk before the act, each result after it. */
export class UnitRun {
  readonly progress: UnitProgress;
  readonly #scene: UnitScene;
  readonly #journal: UnitJournal;
  readonly #onFailure: OnFailure;
  readonly #cut = new AbortController();
  /** Its own, because every listener of a signal is gone through when one comes, and a rollout has thousands of units. */
  readonly #stop = new AbortController();
  #isAborted = false;

  /** `rows`: what an earlier run of the engine has written of this unit. */
  constructor(
    scene: UnitScene,
    progress: UnitProgress,
    rows: readonly RolloutStepRow[],
    onFailure: OnFailure,
  ) {
    setMaxListeners(MOST_LISTENERS, this.#cut.signal, this.#stop.signal);
    this.#scene = { ...scene, signal: this.#stop.signal };
    this.progress = progress;
    this.#journal = new UnitJournal(scene, progress, rows);
    this.#onFailure = onFailure;
  }

  /** The rollout is aborted: the unit is taken back, or finished when all that is left is to let it serve. */
  abort(): void {
    this.#isAborted = true;
    this.#cut.abort();
  }

  /** The runner stops: the unit is left where it is. */
  stop(reason: unknown): void {
    this.#stop.abort(reason);
    this.#cut.abort();
  }

  /**
   * False when the rollout is not running any more: then nothing was begun.
   *
   * @param out - of its nodes, those that do not serve
   */
  async begin(out: ReadonlySet<string>): Promise<boolean> {
    const first = this.#doPlace(0);
    if (first === undefined) {
      throw new Error(`the unit ${this.progress.unit.id} has no steps`);
    }
    const now = this.#scene.context.time.now();
    const { intents = [], wishes = [] } = this.#journal.intentOf(first);
    return await this.#journal.write({
      intents: noteOut(intents, out),
      wishes,
      begins: true,
      change: { state: 'running', step: first.step.id, started_at: now },
    });
  }

  /** Until it has ended. Throws when the runner stops, or what it writes to fails: then it is where it was. */
  async run(): Promise<void> {
    if (this.progress.state === 'running') {
      await this.#do();
    }
    if (this.progress.state === 'undoing') {
      await this.#undo();
    }
  }

  #doPlace(index: number): Place | undefined {
    const { unit } = this.progress;
    const step = unit.steps[index];
    return step && { unit, step, direction: 'do', part: 0, action: step.action };
  }

  async #do(): Promise<void> {
    let index = this.#firstOpen();
    for (;;) {
      const place = this.#doPlace(index);
      if (place === undefined) {
        return;
      }
      const outcomes = await this.#perform(place);
      const ended = this.#journal.endsOf(place, outcomes);
      const bad = worstOf(outcomes);
      if (bad !== undefined) {
        await this.#fail(index, bad, ended);
        return;
      }
      const next = this.#doPlace(index + 1);
      if (next === undefined) {
        await this.#end('done', null, ended);
        return;
      }
      if (this.#mustTurnBack(index + 1)) {
        await this.#turnBack(index, 'The rollout was aborted.', ended);
        return;
      }
      await this.#journal.write({
        ended,
        ...this.#journal.intentOf(next),
        change: { step: next.step.id },
      });
      index += 1;
    }
  }

  /** The first step that was intended and has not ended well. */
  #firstOpen(): number {
    const { steps } = this.progress.unit;
    const open = steps.findIndex((_, index) => {
      const place = this.#doPlace(index);
      return (
        place === undefined ||
        placesOf(place.action).some((node) => !DONE.includes(this.#journal.outcomeAt(place, node)))
      );
    });
    return open < 0 ? steps.length - 1 : open;
  }

  /** Aborted, and what is left is more than to let it serve. */
  #mustTurnBack(from: number): boolean {
    return (
      this.#isAborted &&
      this.#scene.plan.policy.onFailure === 'undo' &&
      !this.#isFinal(from - 1) &&
      this.progress.unit.steps.slice(from).some(({ action }) => action.do === 'node')
    );
  }

  /** Whether what the steps up to this one have done has to stay. */
  #isFinal(index: number): boolean {
    return this.progress.unit.steps.slice(0, index + 1).some(({ isFinal }) => isFinal === true);
  }

  async #perform(place: Place): Promise<ReadonlyMap<string, Outcome>> {
    const done = await Promise.all(
      placesOf(place.action).map(async (node): Promise<[string, Outcome]> => {
        const outcome = this.#journal.outcomeAt(place, node);
        return DONE.includes(outcome)
          ? [node, { outcome: 'ok', output: '' }]
          : [node, await this.#performAt(place, node)];
      }),
    );
    this.#scene.signal.throwIfAborted();
    return new Map(done);
  }

  async #performAt(place: Place, node: string): Promise<Outcome> {
    const { action, step } = place;
    const { row, isResumed } = this.#journal.intended(place, node);
    const end = row.intended_at + step.timeoutSeconds * 1000;
    // What takes a unit back is not given up.
    const cut = place.direction === 'do' ? this.#cut.signal : this.#scene.signal;
    const intent = { row, isResumed, cut };
    if (action.do !== 'node') {
      return await performAction(this.#scene, place, action, { ...intent, deadline: end });
    }
    const member = this.#scene.fleet().member(node);
    if (member === undefined) {
      return { outcome: 'refused', output: `The inventory has no node ${node} any more.` };
    }
    const deadline = end + this.#scene.context.settings.graceSeconds * 1000;
    return await performOnNode(
      this.#scene,
      place,
      { member, command: action.run },
      { ...intent, deadline },
    );
  }

  async #fail(index: number, bad: Outcome, ended: Ended): Promise<void> {
    const step = this.progress.unit.steps[index];
    const sentence = `${step?.id ?? ''}: ${bad.output}`;
    const holds = this.#scene.plan.policy.onFailure === 'hold' && bad.outcome !== 'aborted';
    if (bad.outcome === 'unknown' || holds || this.#isFinal(index)) {
      await this.#end('held', sentence, ended);
    } else {
      await this.#turnBack(index, sentence, ended);
    }
  }

  async #turnBack(index: number, because: string, ended: Ended): Promise<void> {
    this.#journal.remember({ ended });
    const first = this.#undoPlaces(index)[0];
    await this.#journal.write({
      ended,
      ...(first === undefined ? {} : this.#journal.intentOf(first)),
      change: {
        state: 'undoing',
        because,
        ...(first === undefined ? {} : { step: first.step.id }),
      },
    });
  }

  /** What takes back the steps up to this one, without those that have done nothing. */
  #undoPlaces(last: number): readonly Place[] {
    const { unit } = this.progress;
    return undoPlaces(unit, last, (step) =>
      placesOf(step.action).every(
        (node) =>
          this.#journal.outcomeAt(
            { unit, step, direction: 'do', part: 0, action: step.action },
            node,
          ) === 'refused',
      ),
    );
  }

  async #undo(): Promise<void> {
    const { unit, because } = this.progress;
    const last = unit.steps.findLastIndex(({ id }) => this.#journal.hasBegun(id));
    const places = this.#undoPlaces(last);
    const reason = because ?? '';
    for (const [at, place] of places.entries()) {
      if (
        placesOf(place.action).every((node) => DONE.includes(this.#journal.outcomeAt(place, node)))
      ) {
        continue;
      }
      const outcomes = await this.#perform(place);
      const ended = this.#journal.endsOf(place, outcomes);
      const bad = worstOf(outcomes);
      if (bad !== undefined) {
        const sentence = `${reason} It could not be taken back: ${place.step.id}: ${bad.output}`;
        await this.#end('held', sentence, ended);
        return;
      }
      const next = places[at + 1];
      if (next !== undefined) {
        await this.#journal.write({
          ended,
          ...this.#journal.intentOf(next),
          change: { step: next.step.id },
        });
      } else {
        await this.#journal.write({ ended, change: {} });
      }
    }
    const missing = await this.#returned();
    await (missing === undefined
      ? this.#end('undone', reason, [])
      : this.#end('held', `${reason} It was taken back, but ${missing}`, []));
  }

  /** Undefined when its members serve again, as far as the unit has to do with that. */
  async #returned(): Promise<string | undefined> {
    const { unit, effect } = this.progress;
    const site = this.#scene.fleet().site(unit.site);
    if (site === undefined || !effect.isNoticeable) {
      return undefined;
    }
    const { time, settings } = this.#scene.context;
    const until = time.now() + settings.returnSeconds * 1000;
    const poll = new Poll(this.#scene);
    for (;;) {
      const missing = await this.#notServing(site);
      this.#scene.signal.throwIfAborted();
      if (missing === undefined || time.now() >= until) {
        return missing && `${missing} does not serve.`;
      }
      await poll.wait(until);
    }
  }

  async #notServing(site: Site): Promise<string | undefined> {
    const reading = await this.#scene.readings.of(site);
    return this.progress.unit.nodes.find((node) => reading.member(node) !== 'serving');
  }

  /** The end of the unit, with what it comes to for the rollout, in one transaction. */
  async #end(
    state: 'done' | 'undone' | 'held',
    because: string | null,
    ended: Ended,
  ): Promise<void> {
    const { unit } = this.progress;
    const now = this.#scene.context.time.now();
    const entry: UnitEntry = {
      ended,
      change: { state, because, ended_at: now },
      held:
        state === 'held'
          ? unit.nodes.map((node) => ({
              node,
              rollout: this.#scene.plan.id,
              because: `${unit.id}: ${because ?? ''}`,
              since: now,
            }))
          : [],
    };
    const failed = { ...this.progress, state, because, endedAt: now };
    const site = this.#scene.fleet().site(unit.site);
    await this.#journal.write({
      ...entry,
      pause: state === 'done' ? undefined : this.#onFailure(failed),
      ...(site !== undefined &&
        this.progress.effect.takesFarmOut && {
          also: async (deed) => {
            await noteLive(deed, this.#scene.plan.id, site);
          },
        }),
    });
  }
}

/** Unknown before failed: what nobody knows must not be taken back blindly. */
function worstOf(outcomes: ReadonlyMap<string, Outcome>): Outcome | undefined {
  const all = [...outcomes.values()];
  return (
    all.find(({ outcome }) => outcome === 'unknown') ??
    all.find(({ outcome }) => outcome === 'failed' || outcome === 'refused') ??
    all.find(({ outcome }) => outcome === 'aborted')
  );
}
