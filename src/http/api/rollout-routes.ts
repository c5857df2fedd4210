import * as z from 'zod';
import { ansibleFiles } from '../../fleet/export/ansible.ts';
import type { RolloutPolicy } from '../../fleet/plan/policy.ts';
import { DEFAULT_POLICY } from '../../fleet/plan/policy.ts';
import type { RolloutRecord, RolloutService } from '../../fleet/rollout/rollout.ts';
import { type PolicyChanges, policySchema, wholePlanSchema } from '../../protocol/rollout-plans.ts';
import {
  ansibleFilesSchema,
  approveBodySchema,
  heldListSchema,
  nodeReleaseSchema,
  planningListSchema,
  type RolloutDetail,
  rolloutDetailSchema,
  rolloutEventsQuerySchema,
  rolloutListQuerySchema,
  rolloutListSchema,
  rolloutReasonSchema,
  rolloutRequestSchema,
  rolloutSummarySchema,
  whyListSchema,
} from '../../protocol/rollouts.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { streamRollout } from './rollout-events.ts';
import { memberIndexes, rolloutDetail, rolloutHead, rolloutSummary } from './rollout-views.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

const NOTHING = z.strictObject({});

type RolloutContext = Pick<HttpContext, 'journal' | 'stopping' | 'inventories' | 'rollouts'>;

/** Upgrades of the fleet: everybody may look, administrators plan, approve and steer. */
export function rolloutRoutes(context: HttpContext): readonly Route[] {
  return [
    ...readingRoutes(context),
    planRoute(context),
    ...deedRoutes(context),
    ...heldRoutes(context.rollouts),
  ];
}

function readingRoutes(context: RolloutContext): readonly Route[] {
  const { rollouts } = context;
  return [
    openRoute({
      method: 'get',
      path: '/api/rollouts',
      summary: 'The rollouts, newest first, without their plans',
      query: rolloutListQuerySchema,
      body: NO_BODY,
      replies: { 200: rolloutListSchema },
      handle: async ({ query: { limit, state } }) => {
        const all = await rollouts.list();
        const wanted = all
          .filter((record) => state === undefined || record.state === state)
          .toSorted((one, other) => other.createdAt - one.createdAt);
        return { status: 200, json: { rollouts: wanted.slice(0, limit).map(rolloutSummary) } };
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/rollouts/planning',
      summary: 'Plans that this server makes at the moment, and how far they are',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: planningListSchema },
      handle: async () => ({ status: 200, json: { planning: rollouts.planning() } }),
    }),
    openRoute({
      method: 'get',
      path: '/api/rollouts/:id',
      summary: 'A rollout with its plan and how far each unit is',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: rolloutDetailSchema },
      handle: async ({ params }) => ({
        status: 200,
        json: await detailOf(context, await rollouts.get(params('id'))),
      }),
    }),
    ...partRoutes(context),
  ];
}

/** What belongs to a rollout and is asked for by itself. */
function partRoutes(context: RolloutContext): readonly Route[] {
  const { rollouts } = context;
  return [
    exportRoute(context),
    openRoute({
      method: 'get',
      path: '/api/rollouts/:id/plan',
      summary: 'The whole plan, every step as data: its id is the SHA-256 of its canonical JSON',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: wholePlanSchema },
      handle: async ({ params }) => ({
        status: 200,
        json: (await rollouts.get(params('id'))).plan,
      }),
    }),
    openRoute({
      method: 'get',
      path: '/api/rollouts/:id/why',
      summary: 'What a rollout waits for',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: whyListSchema },
      handle: async ({ params }) => ({
        status: 200,
        json: { reasons: await rollouts.why(params('id')) },
      }),
    }),
    openRoute({
      method: 'get',
      path: '/api/rollouts/:id/events',
      summary: 'How a rollout goes on, as server-sent events',
      query: rolloutEventsQuerySchema,
      body: NO_BODY,
      replies: { 200: 'text/event-stream' },
      handle: async ({ request, response, params, query: { after } }) => {
        await streamRollout(context, { request, response, id: params('id'), after });
        return undefined;
      },
    }),
  ];
}

function exportRoute({ rollouts, inventories }: RolloutContext): Route {
  return openRoute({
    method: 'get',
    path: '/api/rollouts/:id/export/ansible',
    summary:
      'The plan as an inventory, a playbook and its tasks for ansible-playbook, by file name',
    query: NO_QUERY,
    body: NO_BODY,
    replies: { 200: ansibleFilesSchema },
    handle: async ({ params }) => {
      const { plan } = await rollouts.get(params('id'));
      const { inventory } = await inventories.requireDigest(plan.inventory);
      return { status: 200, json: ansibleFiles(plan, inventory) };
    },
  });
}

function planRoute({ rollouts, inventories }: RolloutContext): Route {
  return guardedRoute({
    method: 'post',
    path: '/api/rollouts',
    role: 'admin',
    summary:
      'Plan a rollout: what would be done, in which order, and why; a draft, unless it is a dry run',
    query: NO_QUERY,
    body: rolloutRequestSchema,
    replies: { 200: rolloutDetailSchema, 201: rolloutDetailSchema },
    handle: async ({ body: { policy, dryRun, ...request }, identity }) => {
      const wanted = { ...request, policy: policyOf(policy), isDryRun: dryRun };
      const record = await rollouts.plan(wanted, actorOf(identity));
      return {
        status: dryRun ? 200 : 201,
        json: rolloutDetail(record, null, await memberIndexes(inventories)),
      };
    },
  });
}

/** What is said of a part of the limits or the budget leaves the rest as it usually is. */
function policyOf({ limits, budget, ...policy }: PolicyChanges): RolloutPolicy {
  return policySchema.parse({
    ...DEFAULT_POLICY,
    ...policy,
    limits: { ...DEFAULT_POLICY.limits, ...limits },
    budget: { ...DEFAULT_POLICY.budget, ...budget },
  });
}

async function detailOf(
  { rollouts, inventories }: RolloutContext,
  record: RolloutRecord,
): Promise<RolloutDetail> {
  const monitor = await rollouts.monitor(record.id);
  return rolloutDetail(record, monitor, await memberIndexes(inventories));
}

function deedRoutes(context: RolloutContext): readonly Route[] {
  const { rollouts } = context;
  return [
    guardedRoute({
      method: 'post',
      path: '/api/rollouts/:id/approve',
      role: 'admin',
      summary: 'Say yes to a plan, or to one of its stages',
      query: NO_QUERY,
      body: approveBodySchema,
      replies: { 200: rolloutSummarySchema },
      handle: async ({ params, body, identity }) => {
        const record = await rollouts.get(params('id'));
        const of = body.of ?? nextApproval(record);
        const approved = await rollouts.approve(record.id, of, actorOf(identity));
        return { status: 200, json: rolloutSummary(approved) };
      },
    }),
    ...plainDeeds(rollouts),
    ...reasonedDeeds(rollouts),
    guardedRoute({
      method: 'post',
      path: '/api/rollouts/:id/rollback',
      role: 'admin',
      summary: 'Plan the way back from what a rollout has done; a draft of its own',
      query: NO_QUERY,
      body: rolloutReasonSchema,
      replies: { 201: rolloutDetailSchema },
      handle: async ({ params, body: { reason }, identity }) => ({
        status: 201,
        json: await detailOf(
          context,
          await rollouts.rollback(params('id'), reason, actorOf(identity)),
        ),
      }),
    }),
  ];
}

function nextApproval(record: RolloutRecord): string {
  const [next] = rolloutHead(record).missingApprovals;
  if (next === undefined) {
    throw new AppError(
      'rollout-approved',
      `The rollout ${record.id} has every approval that its policy asks for.`,
    );
  }
  return next;
}

const PLAIN = {
  start: 'Begin a rollout that has been approved',
  resume: 'Let a paused rollout go on',
} as const;

function plainDeeds(rollouts: RolloutService): Route[] {
  return (['start', 'resume'] as const).map((verb) =>
    guardedRoute({
      method: 'post',
      path: `/api/rollouts/:id/${verb}`,
      role: 'admin',
      summary: PLAIN[verb],
      query: NO_QUERY,
      body: NOTHING,
      replies: { 200: rolloutSummarySchema },
      handle: async ({ params, identity }) => ({
        status: 200,
        json: rolloutSummary(await rollouts[verb](params('id'), actorOf(identity))),
      }),
    }),
  );
}

const REASONED = {
  pause: 'Begin no more units; those under way are finished',
  abort: 'End a rollout: finish or undo what is under way; or discard a draft',
} as const;

function reasonedDeeds(rollouts: RolloutService): Route[] {
  return (['pause', 'abort'] as const).map((verb) =>
    guardedRoute({
      method: 'post',
      path: `/api/rollouts/:id/${verb}`,
      role: 'admin',
      summary: REASONED[verb],
      query: NO_QUERY,
      body: rolloutReasonSchema,
      replies: { 200: rolloutSummarySchema },
      handle: async ({ params, body: { reason }, identity }) => ({
        status: 200,
        json: rolloutSummary(await rollouts[verb](params('id'), reason, actorOf(identity))),
      }),
    }),
  );
}

function heldRoutes(rollouts: RolloutService): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/fleet/held',
      summary: 'Nodes that no rollout touches until somebody gives them free, and why',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: heldListSchema },
      handle: async () => ({ status: 200, json: { held: await rollouts.held() } }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/fleet/nodes/:node/release',
      role: 'admin',
      summary:
        'Give a held node free, after a look whether it can serve, and let balancers take it in',
      query: NO_QUERY,
      body: nodeReleaseSchema,
      replies: { 204: null },
      handle: async ({ params, body: { reason, force: isForced }, identity }) => {
        const node = params('node');
        await rollouts.release({ node, reason, isForced }, actorOf(identity));
        return { status: 204 };
      },
    }),
  ];
}
