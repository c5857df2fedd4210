import * as z from 'zod';
import { newTokenSchema, tokenBodySchema, tokenListSchema } from '../../protocol/access.ts';
import {
  agentDescriptionSchema,
  agentListSchema,
  agentViewSchema,
  heartbeatReplySchema,
  leaseQuerySchema,
  leaseReplySchema,
  logReplySchema,
  planReplySchema,
  portagePlanSchema,
  registrationSchema,
  resultSchema,
  treeReplySchema,
} from '../../protocol/agents.ts';
import { blockedListSchema, unblockBodySchema } from '../../protocol/blocked.ts';
import {
  failureDetailSchema,
  historyGroupsSchema,
  historySchema,
  timelineSchema,
} from '../../protocol/build-records.ts';
import {
  jobDetailSchema,
  jobViewSchema,
  pauseBodySchema,
  pauseListSchema,
  priorityBodySchema,
  profilePauseSchema,
  requestBodySchema,
  requestDetailSchema,
  requestListSchema,
  requestViewSchema,
} from '../../protocol/builds.ts';
import {
  channelViewSchema,
  promoteBodySchema,
  publicationViewSchema,
  publishBodySchema,
  rollbackBodySchema,
} from '../../protocol/channels.ts';
import { problemSchema } from '../../protocol/common.ts';
import { differenceViewSchema } from '../../protocol/difference.ts';
import {
  ansibleInventorySchema,
  fleetStatusSchema,
  importedInventorySchema,
  inventoryBodySchema,
  inventoryListSchema,
  inventoryViewSchema,
} from '../../protocol/fleet.ts';
import { gateViewSchema } from '../../protocol/gate.ts';
import { impactBodySchema, impactListSchema } from '../../protocol/impact.ts';
import { journalViewSchema } from '../../protocol/journal.ts';
import {
  extendBodySchema,
  keyListSchema,
  keyViewSchema,
  resignAnswerSchema,
  resignBodySchema,
  resignViewSchema,
  revokeBodySchema,
  rotateBodySchema,
} from '../../protocol/keys.ts';
import {
  forgetBodySchema,
  nodeDetailSchema,
  nodeListSchema,
  nodeReportSchema,
  nodeViewSchema,
  proofViewSchema,
  reportReplySchema,
} from '../../protocol/nodes.ts';
import {
  packageDetailSchema,
  packageListSchema,
  packageViewSchema,
  profileListSchema,
  profileViewSchema,
} from '../../protocol/packages.ts';
import {
  phpCollectBodySchema,
  phpCollectionSchema,
  phpDifferenceSchema,
  phpImportedSchema,
  phpProfileSchema,
  phpPromoteBodySchema,
  phpRemoveBodySchema,
  phpRollbackBodySchema,
  phpTreeDetailSchema,
  phpTreeViewSchema,
} from '../../protocol/php.ts';
import {
  checkAnswerSchema,
  checkBodySchema,
  checkViewSchema,
  damagedListSchema,
} from '../../protocol/repository.ts';
import {
  collectBodySchema,
  collectionProgressSchema,
  collectionTaskSchema,
  collectionViewSchema,
  pinBodySchema,
  pinViewSchema,
  unpinBodySchema,
} from '../../protocol/retention.ts';
import { wholePlanSchema } from '../../protocol/rollout-plans.ts';
import {
  ansibleFilesSchema,
  approveBodySchema,
  heldListSchema,
  nodeReleaseSchema,
  planningListSchema,
  rolloutDetailSchema,
  rolloutListSchema,
  rolloutReasonSchema,
  rolloutRequestSchema,
  rolloutSummarySchema,
  whyListSchema,
} from '../../protocol/rollouts.ts';
import {
  scheduledRunSchema,
  scheduleListSchema,
  scheduleViewSchema,
} from '../../protocol/schedules.ts';
import { healthSchema, readinessSchema } from './operation-routes.ts';
import { BYTES, hasJsonBody, NO_BODY, type ReplyForm, type Route } from './route.ts';

type Json = Readonly<Record<string, unknown>>;

const BODIES: Readonly<Record<string, z.ZodType>> = {
  AgentDescription: agentDescriptionSchema,
  ApproveBody: approveBodySchema,
  CheckBody: checkBodySchema,
  ExtendBody: extendBodySchema,
  CollectBody: collectBodySchema,
  ForgetBody: forgetBodySchema,
  LeaseQuery: leaseQuerySchema,
  ImpactBody: impactBodySchema,
  Inventory: inventoryBodySchema,
  NodeReport: nodeReportSchema,
  PauseBody: pauseBodySchema,
  PhpCollectBody: phpCollectBodySchema,
  PhpPromoteBody: phpPromoteBodySchema,
  PhpRemoveBody: phpRemoveBodySchema,
  PhpRollbackBody: phpRollbackBodySchema,
  PinBody: pinBodySchema,
  PortagePlan: portagePlanSchema,
  PriorityBody: priorityBodySchema,
  PromoteBody: promoteBodySchema,
  PublishBody: publishBodySchema,
  RequestBody: requestBodySchema,
  ResignBody: resignBodySchema,
  Result: resultSchema,
  RevokeBody: revokeBodySchema,
  RollbackBody: rollbackBodySchema,
  RolloutReason: rolloutReasonSchema,
  RolloutRequest: rolloutRequestSchema,
  RotateBody: rotateBodySchema,
  TokenBody: tokenBodySchema,
  UnblockBody: unblockBodySchema,
  UnpinBody: unpinBodySchema,
};
const REPLIES: Readonly<Record<string, z.ZodType>> = {
  Agent: agentViewSchema,
  AgentList: agentListSchema,
  BlockedList: blockedListSchema,
  Channel: channelViewSchema,
  Check: checkViewSchema,
  CheckAnswer: checkAnswerSchema,
  DamagedList: damagedListSchema,
  Key: keyViewSchema,
  KeyList: keyListSchema,
  Resign: resignViewSchema,
  ResignAnswer: resignAnswerSchema,
  Collection: collectionViewSchema,
  CollectionTask: collectionTaskSchema,
  CollectionProgress: collectionProgressSchema,
  Difference: differenceViewSchema,
  FailureDetail: failureDetailSchema,
  Gate: gateViewSchema,
  Health: healthSchema,
  HeartbeatReply: heartbeatReplySchema,
  ImpactList: impactListSchema,
  HeldList: heldListSchema,
  NodeRelease: nodeReleaseSchema,
  History: historySchema,
  HistoryGroups: historyGroupsSchema,
  Job: jobViewSchema,
  JobDetail: jobDetailSchema,
  Journal: journalViewSchema,
  Lease: leaseReplySchema,
  PlanReply: planReplySchema,
  TreeReply: treeReplySchema,
  LogReply: logReplySchema,
  NewToken: newTokenSchema,
  Node: nodeViewSchema,
  NodeDetail: nodeDetailSchema,
  AnsibleFiles: ansibleFilesSchema,
  AnsibleInventory: ansibleInventorySchema,
  FleetStatus: fleetStatusSchema,
  ImportedInventory: importedInventorySchema,
  InventoryList: inventoryListSchema,
  InventoryRevision: inventoryViewSchema,
  NodeList: nodeListSchema,
  Package: packageViewSchema,
  PackageDetail: packageDetailSchema,
  PackageList: packageListSchema,
  PauseList: pauseListSchema,
  PhpCollection: phpCollectionSchema,
  PhpDifference: phpDifferenceSchema,
  PhpImported: phpImportedSchema,
  PhpProfile: phpProfileSchema,
  PhpTree: phpTreeViewSchema,
  PhpTreeDetail: phpTreeDetailSchema,
  Pin: pinViewSchema,
  Problem: problemSchema,
  Profile: profileViewSchema,
  ProfileList: profileListSchema,
  ProfilePause: profilePauseSchema,
  Proof: proofViewSchema,
  Publication: publicationViewSchema,
  Readiness: readinessSchema,
  Registration: registrationSchema,
  ReportReply: reportReplySchema,
  Request: requestViewSchema,
  RequestDetail: requestDetailSchema,
  RequestList: requestListSchema,
  Rollout: rolloutDetailSchema,
  PlanningList: planningListSchema,
  RolloutList: rolloutListSchema,
  RolloutPlan: wholePlanSchema,
  RolloutSummary: rolloutSummarySchema,
  RolloutWhy: whyListSchema,
  Schedule: scheduleViewSchema,
  ScheduleList: scheduleListSchema,
  ScheduledRun: scheduledRunSchema,
  Timeline: timelineSchema,
  TokenList: tokenListSchema,
};

/** The OpenAPI 3.1 document of these routes. */
export function apiDocument(routes: readonly Route[], serverUrl: string): Json {
  const paths = new Map<string, Record<string, Json>>();
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths.set(path, { ...paths.get(path), [route.method]: operation(route) });
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Rookery',
      version: '1',
      description: 'Binary packages for fleets of Gentoo servers: builds, channels, packages.',
    },
    servers: [{ url: serverUrl === '' ? '/' : serverUrl }],
    paths: Object.fromEntries(paths),
    components: {
      schemas: { ...schemasOf(BODIES, 'input'), ...schemasOf(REPLIES, 'output') },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function schemasOf(named: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Json {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(named)) {
    registry.add(schema, { id });
  }
  const { schemas } = z.toJSONSchema(registry, { io, uri: referenceTo });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, schema]) => [id, withoutNames(schema)]),
  );
}

/** A component is named by its place in the document. */
function withoutNames(schema: Json): Json {
  return Object.fromEntries(
    Object.entries(schema).filter(([key]) => key !== '$id' && key !== '$schema'),
  );
}

function operation(route: Route): Json {
  const { method, path, role, summary } = route;
  return {
    operationId: `${method}${path.replaceAll(/[^A-Za-z0-9]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary: role === null ? summary : `${summary} (role ${role})`,
    ...(role === null ? {} : { security: [{ token: [] }] }),
    parameters: [...pathParameters(path), ...queryParameters(route.query)],
    ...requestBody(route),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.replies).map(([status, form]) => [status, reply(form)]),
      ),
      default: {
        description: 'A refusal',
        content: { 'application/problem+json': { schema: { $ref: referenceTo('Problem') } } },
      },
    },
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input' });
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

function requestBody(route: Route): Json {
  if (route.body === NO_BODY) {
    return {};
  }
  if (route.body === BYTES) {
    return { requestBody: { content: { 'application/octet-stream': {} } } };
  }
  const name = Object.entries(BODIES).find(([, schema]) => schema === route.body)?.[0];
  const schema = name === undefined ? { type: 'object' } : { $ref: referenceTo(name) };
  return {
    requestBody: {
      required: hasJsonBody(route) && name !== undefined,
      content: { 'application/json': { schema } },
    },
  };
}

function reply(form: ReplyForm): Json {
  if (form === null) {
    return { description: 'Done' };
  }
  if (typeof form === 'string') {
    return { description: 'The content', content: { [form]: {} } };
  }
  const name = Object.entries(REPLIES).find(([, schema]) => schema === form)?.[0];
  if (name === undefined) {
    throw new Error('a reply has a schema without a name in the API document');
  }
  return {
    description: name,
    content: { 'application/json': { schema: { $ref: referenceTo(name) } } },
  };
}

function referenceTo(id: string): string {
  return `#/components/schemas/${id}`;
}
