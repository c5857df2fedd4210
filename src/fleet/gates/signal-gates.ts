import { isAppError, messageOf } from '../../support/errors.ts';
import type { GateJudge, GateQuestion, GateVerdict, NodeRunner } from '../drivers/ports.ts';
import type { Farm, Member } from '../inventory/inventory.ts';
import type { GateName } from '../plan/policy.ts';
import { type AlertSource, judgeAlerts } from './alerts.ts';
import {
  type CompareRules,
  inconclusive,
  judgeErrors,
  judgeLatency,
  type MemberSample,
  worstOf,
} from './compare.ts';
import type { TrafficSamples } from './traffic-samples.ts';

export interface SignalGateParts {
  readonly samples: TrafficSamples;
  readonly rules: CompareRules;
  readonly nodes: Pick<NodeRunner, 'look'>;
  /** Null: nobody knows of alerts. */
  readonly alerts: AlertSource | null;
}

/** The gates that judge signals from outside of the engine. */
export function signalGates(parts: SignalGateParts): ReadonlyMap<GateName, GateJudge> {
  return new Map<GateName, GateJudge>([
    ['error-rate', comparing(parts, judgeErrors)],
    ['latency', comparing(parts, judgeLatency)],
    ['saturation', { judge: async (question) => await judgeSaturation(parts.nodes, question) }],
    ['alerts', { judge: async (question) => await judgeAlerts(parts.alerts, question) }],
  ]);
}

function comparing(
  { samples, rules }: SignalGateParts,
  judge: (
    judged: readonly MemberSample[],
    peers: readonly MemberSample[],
    rules: CompareRules,
  ) => GateVerdict,
): GateJudge {
  return {
    judge: async ({ site, nodes }) => {
      const farms = site.farms.filter(({ members }) =>
        members.some(({ node }) => nodes.includes(node)),
      );
      const verdicts = await Promise.all(
        farms.map(async (farm) => {
          const found = await samples.of(site, farm);
          return typeof found === 'string'
            ? inconclusive(found)
            : judge(...splitBy(found, nodes), rules);
        }),
      );
      return farms.length === 0
        ? inconclusive('There is no member to judge.')
        : worstOf(verdicts, verdicts.map(({ sentence }) => sentence).join(' '));
    },
  };
}

function splitBy(
  samples: readonly MemberSample[],
  nodes: readonly string[],
): [MemberSample[], MemberSample[]] {
  return [
    samples.filter(({ node }) => nodes.includes(node)),
    samples.filter(({ node }) => !nodes.includes(node)),
  ];
}

/**
 * Whether members of the farms have requests that wait for a process of PHP: then none of them may be taken out. Those that
 * do not serve, because they are being worked at, are not asked.
 */
async function judgeSaturation(
  nodes: Pick<NodeRunner, 'look'>,
  { site, nodes: judged }: GateQuestion,
): Promise<GateVerdict> {
  const farms = site.farms.filter(({ members }) =>
    members.some(({ node }) => judged.includes(node)),
  );
  const verdicts = await Promise.all(
    farms.flatMap((farm: Farm) =>
      farm.members.map(async (member) => await saturationOf(nodes, member, judged)),
    ),
  );
  return farms.length === 0
    ? inconclusive('There is no member to judge.')
    : worstOf(verdicts, 'No request waits for a process of PHP.');
}

async function saturationOf(
  nodes: Pick<NodeRunner, 'look'>,
  member: Member,
  judged: readonly string[],
): Promise<GateVerdict> {
  try {
    const { workers, isWebRunning } = await nodes.look(member);
    if (!isWebRunning && judged.includes(member.node)) {
      return { verdict: 'pass', sentence: `${member.node} does not serve.` };
    }
    if (workers === undefined || workers === null) {
      return inconclusive(`${member.node} does not say how busy its PHP is.`);
    }
    return workers.queued > 0
      ? {
          verdict: 'fail',
          sentence: `${workers.queued} requests wait for a process of PHP on ${member.node}.`,
        }
      : { verdict: 'pass', sentence: `No request waits on ${member.node}.` };
  } catch (error) {
    if (isAppError(error, 'node-unreachable')) {
      return inconclusive(messageOf(error));
    }
    throw error;
  }
}
