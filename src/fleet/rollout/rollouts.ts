import type { RolloutRow } from '../../database/tables.ts';
import { AppError } from '../../support/errors.ts';
import type { Artefacts } from '../plan/artefact.ts';
import { makePlanApart } from '../plan/make-plan-apart.ts';
import type { RolloutPlan } from '../plan/plan.ts';
import { DEFAULT_POLICY, type RolloutPolicy } from '../plan/policy.ts';
import { artefactsBefore, readArtefacts } from './artefacts-before.ts';
import { approvalsOf, heldNodes } from './fleet-store.ts';
import { freshPlan } from './fresh-plan.ts';
import { type Go, PlansUnderWay } from './plans-under-way.ts';
import { readReading } from './reading-store.ts';
import { releaseNode } from './release-node.ts';
import type {
  MonitorReading,
  PlanUnderWay,
  Release,
  RolloutRecord,
  RolloutRequest,
  RolloutService,
  WaitReason,
} from './rollout.ts';
import type { EngineContext } from './rollout-context.ts';
import { type Collected, collect, type RolloutSources } from './rollout-sources.ts';
import {
  ACTIVE_STATES,
  allRollouts,
  findRollout,
  insertRollout,
  planOf,
  rolloutStateSchema,
  stagesOf,
  toUnitRecord,
  unitsOf,
} from './rollout-store.ts';
import { abort, approve, pause, resume, rolloutLike, start } from './steer-rollout.ts';
import { readWaits } from './waits.ts';

/** How many rollouts are listed. */
const LISTED = 50;

export interface RolloutsContext
  extends Pick<
    EngineContext,
    'database' | 'transact' | 'time' | 'inventory' | 'drivers' | 'timestampOf' | 'settings'
  > {
  readonly sources: RolloutSources;
}

/** Who has a plan made, and who wants to know how far it is. */
interface Making {
  readonly actor: string;
  readonly reason: string;
  readonly isDryRun: boolean;
  readonly go?: Go;
}

/** What people ask of rollouts. All answers are from the database: any server can give them. */
export class Rollouts implements RolloutService {
  readonly #context: RolloutsContext;
  readonly #planning = new PlansUnderWay();

  constructor(context: RolloutsContext) {
    this.#context = context;
  }

  async plan(request: RolloutRequest, actor: string): Promise<RolloutRecord> {
    const { kind, targets, scope, reason, isDryRun = false } = request;
    const asked = { kind, targets, by: actor, since: this.#context.time.now() };
    return await this.#planning.during(asked, async (go) => {
      const { inventory } = await this.#context.inventory();
      const collected = await collect(this.#context.sources, inventory, request);
      const policy: RolloutPolicy = { ...DEFAULT_POLICY, ...request.policy };
      const wanted = { policy, scope, reverses: null };
      return await this.#make(collected, wanted, { actor, reason, isDryRun, go });
    });
  }

  planning(): readonly PlanUnderWay[] {
    return this.#planning.all();
  }

  async list(): Promise<readonly RolloutRecord[]> {
    const rows = await allRollouts(this.#context.database, LISTED);
    const records: RolloutRecord[] = [];
    for (const row of rows) {
      records.push(await this.#record(row));
    }
    return records;
  }

  async get(id: string): Promise<RolloutRecord> {
    return await this.#record(await rolloutLike(this.#context, id));
  }

  async approve(id: string, of: string, actor: string): Promise<RolloutRecord> {
    const { plan } = await this.get(id);
    await approve(this.#context, plan, of, actor);
    return await this.get(plan.id);
  }

  async start(id: string, actor: string): Promise<RolloutRecord> {
    const { plan } = await this.get(id);
    await start(this.#context, plan, actor);
    return await this.get(plan.id);
  }

  async pause(id: string, reason: string, actor: string): Promise<RolloutRecord> {
    const row = await rolloutLike(this.#context, id);
    await pause(this.#context, row.id, reason, actor);
    return await this.get(row.id);
  }

  async resume(id: string, actor: string): Promise<RolloutRecord> {
    const row = await rolloutLike(this.#context, id);
    await resume(this.#context, row.id, actor);
    return await this.get(row.id);
  }

  async abort(id: string, reason: string, actor: string): Promise<RolloutRecord> {
    const row = await rolloutLike(this.#context, id);
    await abort(this.#context, row.id, reason, actor);
    return await this.get(row.id);
  }

  async rollback(id: string, reason: string, actor: string): Promise<RolloutRecord> {
    const row = await rolloutLike(this.#context, id);
    const { plan, units } = await this.#record(row);
    const done = new Set(units.flatMap(({ unit, state }) => (state === 'done' ? [unit] : [])));
    const changed = plan.stages
      .filter(({ type }) => type !== 'prefetch')
      .flatMap((stage) => stage.units.filter((unit) => done.has(unit.id)));
    if (changed.length === 0) {
      throw new AppError(
        'rollout-nothing-to-take-back',
        `The rollout ${row.id.slice(0, 12)} has changed nothing that could be taken back.`,
        { details: { id: row.id } },
      );
    }
    const isApp = plan.kind === 'app';
    const scope = {
      sites: [],
      farms: isApp ? [...new Set(changed.map(({ farm }) => farm))] : [],
      nodes: isApp ? [] : [...new Set(changed.flatMap(({ nodes }) => nodes))],
    };
    const { inventory } = await this.#context.inventory();
    const before = readArtefacts(row.before_json);
    const targets = before.publications.map(
      ({ profile, channel, serial }) => `${profile}/${channel}@${serial}`,
    );
    const asked = { kind: plan.kind, targets, scope };
    const pinned = plan.kind.startsWith('os') ? undefined : before;
    const collected = await collect(this.#context.sources, inventory, asked, pinned);
    const wanted = { policy: plan.policy, scope, reverses: plan.id };
    return await this.#make(collected, wanted, { actor, reason, isDryRun: false });
  }

  async why(id: string): Promise<readonly WaitReason[]> {
    const row = await rolloutLike(this.#context, id);
    const approvals = await approvalsOf(this.#context.database, row.id);
    return readWaits(
      row,
      approvals.map(({ of_stage: of }) => of),
    );
  }

  async monitor(id: string): Promise<MonitorReading | null> {
    const row = await rolloutLike(this.#context, id);
    const isUnderWay = ACTIVE_STATES.some((state) => state === row.state);
    return isUnderWay ? await readReading(this.#context.database, row.id) : null;
  }

  async held() {
    return await heldNodes(this.#context.database);
  }

  async release(release: Release, actor: string): Promise<void> {
    await releaseNode(this.#context, release, actor);
  }

  async #make(
    collected: Collected,
    wanted: {
      readonly policy: RolloutPolicy;
      readonly scope: RolloutRequest['scope'];
      readonly reverses: string | null;
    },
    by: Making,
  ): Promise<RolloutRecord> {
    const { time, transact } = this.#context;
    const { inventory, digest } = await this.#context.inventory();
    const input = { ...collected, ...wanted, inventory, inventoryDigest: digest, now: time.now() };
    by.go?.('planning', collected.observed.size);
    const made = await makePlanApart(input);
    by.go?.('writing', collected.observed.size);
    if ('problems' in made) {
      const sentences = made.problems.map(({ sentence }) => sentence);
      throw new AppError(
        'rollout-refused',
        `This cannot be rolled out: ${sentences.slice(0, 3).join(' ')}${sentences.length > 3 ? ` And ${sentences.length - 3} more.` : ''}`,
        { details: { problems: made.problems } },
      );
    }
    const plan = await freshPlan(this.#context.database, made.plan);
    if (by.isDryRun) {
      return draftOf(plan, by, time.now());
    }
    const before: Artefacts = artefactsBefore(plan, input);
    await transact(async (deed) => {
      if ((await findRollout(deed.queries, plan.id)) !== undefined) {
        return;
      }
      await insertRollout(deed.queries, plan, {
        at: deed.now,
        by: by.actor,
        reason: by.reason,
        before: JSON.stringify(before),
      });
      await deed.tell({
        kind: 'rollout-planned',
        subject: `rollout:${plan.id}`,
        actor: by.actor,
        data: { rollout: plan.id, kind: plan.kind, reason: by.reason, reverses: plan.reverses },
      });
    });
    return await this.get(plan.id);
  }

  async #record(row: RolloutRow): Promise<RolloutRecord> {
    const { database } = this.#context;
    const stages = await stagesOf(database, row.id);
    const units = await unitsOf(database, row.id);
    const approvals = await approvalsOf(database, row.id);
    return {
      id: row.id,
      plan: planOf(row, stages, units),
      state: rolloutStateSchema.parse(row.state),
      createdAt: row.created_at,
      createdBy: row.created_by,
      reason: row.reason,
      because: row.because,
      stage: row.stage,
      units: units.map((unit) => toUnitRecord(unit.row, stages)),
      approvals: approvals.map(({ of_stage: of, author: by, at }) => ({ of, by, at })),
    };
  }
}

function draftOf(
  plan: RolloutPlan,
  by: { readonly actor: string; readonly reason: string },
  createdAt: number,
): RolloutRecord {
  return {
    id: plan.id,
    plan,
    state: 'draft',
    createdAt,
    createdBy: by.actor,
    reason: by.reason,
    because: null,
    stage: null,
    units: plan.stages.flatMap((stage) =>
      stage.units.map(({ id }) => ({
        unit: id,
        stage: stage.id,
        state: 'waiting' as const,
        step: null,
        startedAt: null,
        endedAt: null,
        because: null,
      })),
    ),
    approvals: [],
  };
}
