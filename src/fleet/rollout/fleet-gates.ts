import { isAppError, messageOf } from '../../support/errors.ts';
import type { Drivers, GateJudge, GateVerdict, NodeFacts } from '../drivers/ports.ts';
import type { Member, Site } from '../inventory/inventory.ts';
import type { GateName } from '../plan/policy.ts';
import type { Readings } from './readings.ts';

/** Nodes that are looked at at the same time. */
const NODES_AT_ONCE = 16;

/** The gates that are judged by what balancers and nodes say of themselves. */
export function fleetGates(
  drivers: Pick<Drivers, 'nodes'>,
  readings: Pick<Readings, 'of'>,
): ReadonlyMap<GateName, GateJudge> {
  return new Map<GateName, GateJudge>([
    ['balancer', { judge: async ({ site }) => balancersAnswer(await readings.of(site)) }],
    [
      'peers',
      {
        judge: async ({ site, nodes, underWay = [] }) =>
          peersServe(site, [...nodes, ...underWay], await readings.of(site)),
      },
    ],
    [
      'local-checks',
      {
        judge: async ({ site, nodes }) => await nodesAgree(drivers, site, nodes),
      },
    ],
  ]);
}

type Reading = Awaited<ReturnType<Readings['of']>>;

/** Every balancer of the site answers. Who serves is judged by the gate of the peers. */
function balancersAnswer({ silent, site }: Reading): GateVerdict {
  const [first] = silent;
  return first === undefined
    ? { verdict: 'pass', sentence: `All balancers of ${site} answer.` }
    : { verdict: 'inconclusive', sentence: `Not all balancers of ${site} answer: ${first}` };
}

/** Of the farms of these nodes, no more other members are out than the farm can spare. */
function peersServe(site: Site, nodes: readonly string[], reading: Reading): GateVerdict {
  const own = new Set(nodes);
  for (const farm of site.farms.filter(({ members }) =>
    members.some(({ node }) => own.has(node)),
  )) {
    const peers = farm.members.filter(({ node }) => !own.has(node));
    const states = peers.map(({ node }) => ({ node, state: reading.member(node) }));
    const unknown = states.find(({ state }) => state === 'unknown');
    if (unknown !== undefined) {
      return {
        verdict: 'inconclusive',
        sentence: `Nobody can tell whether ${unknown.node} serves: ${reading.silent[0] ?? ''}`,
      };
    }
    const out = states.filter(({ state }) => state === 'out').map(({ node }) => node);
    if (out.length >= farm.maxOut) {
      return {
        verdict: 'fail',
        sentence: `Peers in ${farm.name} do not serve: ${out.join(', ')}.`,
      };
    }
  }
  return { verdict: 'pass', sentence: 'The peers serve.' };
}

/** The web servers of these nodes run, and those of one farm serve the same release. */
async function nodesAgree(
  { nodes: runner }: Pick<Drivers, 'nodes'>,
  site: Site,
  nodes: readonly string[],
): Promise<GateVerdict> {
  const wanted = new Set(nodes);
  const members = site.farms.flatMap((farm) => farm.members.filter(({ node }) => wanted.has(node)));
  const facts: { readonly member: Member; readonly found: NodeFacts }[] = [];
  for (let start = 0; start < members.length; start += NODES_AT_ONCE) {
    const looked = await Promise.all(
      members.slice(start, start + NODES_AT_ONCE).map(async (member) => {
        try {
          return { member, found: await runner.look(member) };
        } catch (error) {
          if (isAppError(error, 'node-unreachable')) {
            return messageOf(error);
          }
          throw error;
        }
      }),
    );
    for (const one of looked) {
      if (typeof one === 'string') {
        return { verdict: 'inconclusive', sentence: one };
      }
      facts.push(one);
    }
  }
  const stopped = facts.find(({ found }) => !found.isWebRunning);
  if (stopped !== undefined) {
    return {
      verdict: 'fail',
      sentence: `The web server of ${stopped.member.node} does not run.`,
    };
  }
  const releases = new Map(facts.map(({ member, found }) => [member.farm, found.release]));
  const mixed = facts.find(({ member, found }) => releases.get(member.farm) !== found.release);
  return mixed === undefined
    ? { verdict: 'pass', sentence: 'What nodes say of themselves is as it should be.' }
    : {
        verdict: 'fail',
        sentence: `The members of ${mixed.member.farm} serve different releases.`,
      };
}
