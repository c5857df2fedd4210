import { cpuFlagsOf } from '../../gentoo/cpuinfo.ts';
import {
  forgetBodySchema,
  type NodeReportMessage,
  type NodeView,
  nodeDetailSchema,
  nodeListSchema,
  nodeReportSchema,
  proofViewSchema,
  reportReplySchema,
} from '../../protocol/nodes.ts';
import type { NodeRecord, NodeReport, ReportedSystem } from '../../repository/proof/node-report.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { requireChannel, requireNode } from './lookups.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

const REPORT_BYTES = 32 * 1024 * 1024;
/** Nodes have the names of their tokens. */
const NODE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

export function nodeRoutes(context: HttpContext): readonly Route[] {
  return [reportRoute(context), ...readRoutes(context), forgetRoute(context)];
}

function reportRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'post',
    path: '/api/nodes/:node/report',
    role: 'node',
    summary: 'Tell what this node has installed, and how its checks went',
    query: NO_QUERY,
    body: nodeReportSchema,
    maxBodyBytes: REPORT_BYTES,
    replies: { 200: reportReplySchema },
    handle: async ({ params, body, identity }) => {
      const node = params('node');
      if (identity.name !== node && identity.role !== 'admin') {
        throw new AppError(
          'node-not-yours',
          `The token ${identity.name} reports for the node ${identity.name}, not for ${node.slice(0, 100)}.`,
          { details: { token: identity.name, node } },
        );
      }
      if (!NODE_NAME.test(node)) {
        throw new AppError(
          'node-name-invalid',
          `"${node.slice(0, 100)}" is not the name of a node: letters, digits, ".", "_" and "-".`,
        );
      }
      requireChannel(context, body.profile, body.channel);
      const { timestamp: timestampSeconds, php, system, ...rest } = body;
      const { record, counts, answer } = await context.proofs.report(
        {
          ...rest,
          node,
          timestampSeconds,
          php: php?.trees ?? null,
          ...(system !== undefined && { system: toSystem(system) }),
        },
        actorOf(identity),
      );
      const { serial, differs } = record;
      return { status: 200, json: { counts, serial, differs, answer } };
    },
  });
}

function forgetRoute(context: HttpContext): Route {
  return guardedRoute({
    method: 'delete',
    path: '/api/nodes/:node',
    role: 'admin',
    summary: 'Forget what a node has reported and proven',
    query: NO_QUERY,
    body: forgetBodySchema,
    replies: { 204: null },
    handle: async ({ params, body: { reason }, identity }) => {
      await context.proofs.forget(params('node'), { author: actorOf(identity), reason });
      return { status: 204 };
    },
  });
}

function readRoutes(context: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/nodes',
      summary: 'The newest reports of all nodes',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: nodeListSchema },
      handle: async () => ({
        status: 200,
        json: { nodes: (await context.proofs.nodes()).map(nodeView) },
      }),
    }),
    openRoute({
      method: 'get',
      path: '/api/nodes/:node',
      summary: 'What a node reported',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: nodeDetailSchema },
      handle: async ({ params }) => {
        const node = params('node');
        const reports = await requireNode(context, node);
        return { status: 200, json: { node, reports: reports.map(nodeView) } };
      },
    }),
    openRoute({
      method: 'get',
      path: '/api/profiles/:profile/channels/:channel/proof',
      summary: 'What a promotion to this channel needs, and what is missing',
      query: NO_QUERY,
      body: NO_BODY,
      replies: { 200: proofViewSchema },
      handle: async ({ params }) => {
        const [profile, channel] = [params('profile'), params('channel')];
        requireChannel(context, profile, channel);
        return { status: 200, json: await context.proofs.proof(profile, channel) };
      },
    }),
  ];
}

function toSystem({
  cpuinfo,
  ...system
}: NonNullable<NodeReportMessage['system']>): NonNullable<NodeReport['system']> {
  return { ...system, cpuFlags: cpuFlagsOf(cpuinfo) };
}

function nodeView({ timestampSeconds: timestamp, ...record }: NodeRecord): NodeView {
  return {
    ...record,
    timestamp,
    checks: record.checks.map((check) => ({ ...check })),
    differences: [...record.differences],
    php: record.php?.map((tree) => ({ ...tree })) ?? null,
    system: record.system === null ? null : systemView(record.system),
  };
}

function systemView({ releases, kernel, cpuFlags, ...system }: ReportedSystem): NodeView['system'] {
  return {
    ...system,
    releases: [...releases],
    kernel: { ...kernel, installed: [...kernel.installed] },
    cpuFlags: [...cpuFlags],
  };
}
