import { DEFAULT_POLICY } from '../../src/fleet/plan/policy.ts';
import type {
  HeldNode,
  MonitorReading,
  Release,
  RolloutRecord,
  RolloutRequest,
  RolloutService,
  UnitRecord,
  WaitReason,
} from '../../src/fleet/rollout/rollout.ts';
import type { Journal } from '../../src/journal/journal.ts';
import type { Clock } from '../../src/support/clock.ts';
import { AppError } from '../../src/support/errors.ts';
import { samplePlan } from './sample-plan.ts';

/**
 * Rollouts of a small fleet, in memory: the states, approvals, budget and held nodes of the real ones, and units that go on by one
 * step whenever a test says `advance`.
 */
export class MemoryRollouts implements RolloutService {
  readonly #records = new Map<string, RolloutRecord>();
  readonly #held = new Map<string, HeldNode>();
  readonly #journal: Journal;
  readonly #clock: Clock;
  reading: MonitorReading | null = null;
  /** Digest of the inventory that plans are made of. */
  inventory = 'i'.repeat(64);

  constructor({ journal, clock }: { readonly journal: Journal; readonly clock: Clock }) {
    this.#journal = journal;
    this.#clock = clock;
  }

  async plan(request: RolloutRequest, actor: string): Promise<RolloutRecord> {
    if (request.targets.some((target) => target.startsWith('lost'))) {
      const problems = [
        { code: 'target-unknown', subject: 'lost', sentence: 'There is no channel lost.' },
        { code: 'node-stale', subject: 'web1-2', sentence: 'It has not reported for 3 h.' },
      ];
      throw new AppError('rollout-refused', 'There is no plan: 2 things are in the way.', {
        details: { problems },
      });
    }
    const policy = { ...DEFAULT_POLICY, ...request.policy };
    const { inventory } = this;
    const plan = samplePlan({ kind: request.kind, policy, reverses: null, inventory });
    const record = this.#draft(plan, request.reason, actor);
    if (request.isDryRun !== true) {
      await this.#keep(record, 'rollout-planned', actor, { reason: request.reason });
    }
    return record;
  }

  #draft(plan: RolloutRecord['plan'], reason: string, createdBy: string): RolloutRecord {
    return {
      id: plan.id,
      plan,
      state: 'draft',
      createdAt: this.#clock.now(),
      createdBy,
      reason,
      because: null,
      stage: null,
      units: plan.stages.flatMap(({ id, units }) =>
        units.map((unit) => ({ ...WAITING, unit: unit.id, stage: id })),
      ),
      approvals: [],
    };
  }

  async list(): Promise<readonly RolloutRecord[]> {
    return [...this.#records.values()];
  }

  async get(id: string): Promise<RolloutRecord> {
    const found = [...this.#records.values()].filter((record) => record.id.startsWith(id));
    const [record] = found;
    if (record === undefined || found.length > 1) {
      throw new AppError('rollout-unknown', `There is no rollout ${id}.`);
    }
    return record;
  }

  async approve(id: string, of: string, actor: string): Promise<RolloutRecord> {
    const record = await this.get(id);
    const approvals = [...record.approvals, { of, by: actor, at: this.#clock.now() }];
    return await this.#keep({ ...record, approvals }, 'rollout-approved', actor, { of });
  }

  async start(id: string, actor: string): Promise<RolloutRecord> {
    const record = await this.#inState(id, 'draft');
    if (!record.approvals.some(({ of }) => of === 'start')) {
      throw new AppError('rollout-not-approved', `Nobody has approved the rollout ${record.id}.`);
    }
    const stage = record.plan.stages[0]?.id ?? null;
    return await this.#keep({ ...record, state: 'running', stage }, 'rollout-started', actor);
  }

  async pause(id: string, reason: string, actor: string): Promise<RolloutRecord> {
    const record = await this.#inState(id, 'running');
    const paused = { ...record, state: 'paused' as const, because: reason };
    return await this.#keep(paused, 'rollout-paused', actor, { reason });
  }

  async resume(id: string, actor: string): Promise<RolloutRecord> {
    const record = await this.#inState(id, 'paused');
    const running = { ...record, state: 'running' as const, because: null };
    return await this.#keep(running, 'rollout-resumed', actor);
  }

  async abort(id: string, reason: string, actor: string): Promise<RolloutRecord> {
    const record = await this.#inState(id, 'running', 'paused', 'draft');
    const state = record.state === 'draft' ? 'discarded' : 'aborted';
    const units = record.units.map((unit) =>
      unit.state === 'waiting' ? { ...unit, state: 'skipped' as const } : unit,
    );
    const ended = { ...record, state, because: reason, units } as const;
    return await this.#keep(ended, `rollout-${state}`, actor, { reason });
  }

  async rollback(id: string, reason: string, actor: string): Promise<RolloutRecord> {
    const { plan } = await this.get(id);
    const back = samplePlan({ ...plan, reverses: plan.id });
    return await this.#keep(this.#draft(back, reason, actor), 'rollout-planned', actor, { reason });
  }

  async why(id: string): Promise<readonly WaitReason[]> {
    const { state, because, units, plan } = await this.get(id);
    if (state === 'paused') {
      return [{ kind: 'paused', unit: null, sentence: `It is paused: ${because}`, until: null }];
    }
    return units
      .filter((unit) => unit.state === 'running')
      .map(({ unit, step }) => ({
        kind: 'node-step',
        unit,
        sentence: `The step ${step} of ${plan.kind} is under way.`,
        until: null,
      }));
  }

  async monitor(): Promise<MonitorReading | null> {
    return this.reading;
  }

  async held(): Promise<readonly HeldNode[]> {
    return [...this.#held.values()];
  }

  async release({ node, reason, isForced }: Release, actor: string): Promise<void> {
    if (!this.#held.delete(node)) {
      throw new AppError('node-not-held', `The node ${node} is not held.`);
    }
    const data = { reason, isForced };
    await this.#journal.record({ kind: 'node-released', subject: `node:${node}`, actor, data });
  }

  /** Each unit of the stage under way is a step further; when all of them have ended, the next stage begins. */
  async advance(id: string): Promise<RolloutRecord> {
    const record = await this.#inState(id, 'running');
    const units = record.units.map((unit) =>
      unit.stage === record.stage ? this.#further(record, unit) : unit,
    );
    const isOver = units.every((one) => one.stage !== record.stage || one.endedAt !== null);
    const places = record.plan.stages.map((one) => one.id);
    const next = places[places.indexOf(record.stage ?? '') + 1];
    if (!isOver) {
      return await this.#keep({ ...record, units }, undefined, 'server');
    }
    if (next !== undefined) {
      const begun = { ...record, units, stage: next };
      return await this.#keep(begun, 'rollout-stage', 'server', { stage: next });
    }
    const state = units.every((one) => one.state === 'done') ? 'done' : 'done-with-held';
    return await this.#keep({ ...record, units, state }, `rollout-${state}`, 'server');
  }

  #further({ plan }: RolloutRecord, unit: UnitRecord): UnitRecord {
    const steps = plan.stages
      .flatMap(({ units }) => units)
      .find(({ id }) => id === unit.unit)
      ?.steps.map(({ id }) => id);
    const now = this.#clock.now();
    if (unit.state === 'waiting') {
      return { ...unit, state: 'running', step: steps?.[0] ?? null, startedAt: now };
    }
    const next = steps?.[steps.indexOf(unit.step ?? '') + 1];
    if (unit.state !== 'running') {
      return unit;
    }
    return next === undefined ? { ...unit, state: 'done', endedAt: now } : { ...unit, step: next };
  }

  /** A unit has failed so that somebody has to look at its node. */
  async hold(id: string, unit: string, because: string): Promise<void> {
    const record = await this.get(id);
    const since = this.#clock.now();
    const units = record.units.map((one) =>
      one.unit === unit ? { ...one, state: 'held' as const, because, endedAt: since } : one,
    );
    const nodes = record.plan.stages.flatMap((stage) => stage.units).find((one) => one.id === unit);
    for (const node of nodes?.nodes ?? []) {
      this.#held.set(node, { node, rollout: record.id, because, since });
    }
    await this.#keep({ ...record, units }, 'rollout-unit-held', 'server', { unit, because });
  }

  async #inState(id: string, ...states: readonly string[]): Promise<RolloutRecord> {
    const record = await this.get(id);
    if (!states.includes(record.state)) {
      throw new AppError('rollout-state', `The rollout ${record.id} is ${record.state}.`);
    }
    return record;
  }

  async #keep(
    record: RolloutRecord,
    kind: string | undefined,
    actor: string,
    data: Record<string, unknown> = {},
  ): Promise<RolloutRecord> {
    this.#records.set(record.id, record);
    if (kind !== undefined) {
      await this.#journal.record({ kind, subject: `rollout:${record.id}`, actor, data });
    }
    return record;
  }
}

const WAITING = {
  state: 'waiting',
  step: null,
  startedAt: null,
  endedAt: null,
  because: null,
} as const;
