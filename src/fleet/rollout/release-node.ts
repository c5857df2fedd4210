import type { HeldNodeRow } from '../../database/tables.ts';
import { AppError, isAppError, messageOf } from '../../support/errors.ts';
import { newId } from '../../support/ids.ts';
import type { NodeFacts, NodeStepState } from '../drivers/ports.ts';
import type { Farm, Inventory, Member, Site } from '../inventory/inventory.ts';
import { TIMEOUTS } from '../plan/steps.ts';
import { type FarmBack, farmBack } from './farm-back.ts';
import { findHeld, heldNodes, putWishes, RELEASED, unhold } from './fleet-store.ts';
import { type Check, has, rightFor, sayCheck, sayFacts } from './held-node.ts';
import { noteLive } from './live-backend.ts';
import type { Release } from './rollout.ts';
import type { EngineContext } from './rollout-context.ts';

export type ReleaseContext = Pick<
  EngineContext,
  'database' | 'transact' | 'inventory' | 'drivers' | 'time' | 'timestampOf' | 'settings'
>;

/**
 * Gives a held node free, and has balancers take it in again. It has to answer, to serve what its rollout wanted or what was there
 * before, and to pass its own checks. The last held member of a farm that was taken out as a whole brings the farm in.
 *
 * Throws `node-not-held`, `node-not-ready` with what is wrong, and what caches throw.
 */
export async function releaseNode(
  context: ReleaseContext,
  { node, reason, isForced }: Release,
  actor: string,
): Promise<void> {
  const held = await findHeld(context.database, node);
  if (held === undefined) {
    throw notHeld(node);
  }
  const { inventory } = await context.inventory();
  const place = placeOf(inventory, node);
  const facts = place === undefined ? undefined : await lookAt(context, place.member);
  if (!isForced && place !== undefined && facts !== undefined) {
    const fault = await faultOf(context, held, place, facts);
    if (fault !== undefined) {
      throw new AppError(
        'node-not-ready',
        `${node} stays held: ${fault} Mend it, or say with force that it is free all the same.`,
        { details: { node, fault } },
      );
    }
  }
  const release = typeof facts === 'object' ? facts.release : null;
  const farm = place && (await farmOf(context, held, place, release));
  await context.transact(async (deed) => {
    // Somebody else may have been faster, and another rollout may hold it by now.
    const now = await findHeld(deed.queries, node);
    if (now?.since !== held.since || now.rollout !== held.rollout) {
      throw notHeld(node);
    }
    await unhold(deed.queries, node);
    if (place !== undefined) {
      const wishes = [{ server: `member:${node}`, admin_state: 'ready' }, ...(farm ? [farm] : [])];
      const row = { site: place.site.name, rollout: RELEASED, since: deed.now };
      await putWishes(
        deed.queries,
        wishes.map((wish) => ({ ...wish, ...row })),
      );
      if (farm) {
        await noteLive(deed, held.rollout, place.site);
      }
    }
    await deed.tell({
      kind: 'rollout-released',
      subject: `rollout:${held.rollout}`,
      actor,
      data: { rollout: held.rollout, node, reason, ...(isForced && { isForced, ...found(facts) }) },
    });
  });
}

/** Of a node that is given free by force. */
function found(facts: NodeFacts | string | undefined): { readonly found?: string } {
  return facts === undefined ? {} : { found: typeof facts === 'string' ? facts : sayFacts(facts) };
}

/** What is in its cache may be of another release than the one that it comes back with. */
async function farmOf(
  { database, drivers }: ReleaseContext,
  held: HeldNodeRow,
  { farm }: Place,
  release: string | null,
): Promise<FarmBack | null> {
  const back = await farmBack(database, held, farm, release);
  for (const endpoint of back === null ? [] : farm.memcached) {
    await drivers.caches.flush(farm, endpoint);
  }
  return back;
}

function notHeld(node: string): AppError {
  return new AppError('node-not-held', `The node ${node} is not held.`, { details: { node } });
}

interface Place {
  readonly site: Site;
  readonly farm: Farm;
  readonly member: Member;
}

function placeOf({ sites }: Inventory, node: string): Place | undefined {
  for (const site of sites) {
    for (const farm of site.farms) {
      const member = farm.members.find((one) => one.node === node);
      if (member !== undefined) {
        return { site, farm, member };
      }
    }
  }
  return undefined;
}

/** What speaks against letting visitors to it, a sentence. */
async function faultOf(
  context: ReleaseContext,
  held: HeldNodeRow,
  { farm, member }: Place,
  facts: NodeFacts | string,
): Promise<string | undefined> {
  if (typeof facts === 'string') {
    return facts;
  }
  if (!facts.isWebRunning) {
    return `What serves on ${member.node} does not run.`;
  }
  const check = await rightCheck(context, held, member, facts);
  if (typeof check === 'string') {
    return check;
  }
  const other = await otherRelease(context, farm, member, facts);
  return other ?? (await runCheck(context, member, held, check));
}

/** A sentence when it does not answer. */
async function lookAt({ drivers }: ReleaseContext, member: Member): Promise<NodeFacts | string> {
  return await unlessSilent(async () => await drivers.nodes.look(member));
}

async function unlessSilent<T>(ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (error) {
    if (isAppError(error, 'node-unreachable') || isAppError(error, 'step-refused')) {
      return messageOf(error);
    }
    throw error;
  }
}

/** The check that fits to what it has; a sentence when it has something else. */
async function rightCheck(
  context: ReleaseContext,
  held: HeldNodeRow,
  { node, profile }: Member,
  facts: NodeFacts,
): Promise<Check | string> {
  const { checks, hasBegunMerge } = await rightFor(context.database, held, profile);
  for (const check of checks) {
    const { publication } = check;
    const timestamp = publication === null ? null : await context.timestampOf(publication);
    if (has(facts, check, { timestamp, hasBegunMerge })) {
      return check;
    }
  }
  const right = [...new Set(checks.map(sayCheck))].join('; or ');
  return `${node} has ${sayFacts(facts)}. Right would be: ${right}.`;
}

/** All that serve in a farm serve the same release. */
async function otherRelease(
  context: ReleaseContext,
  farm: Farm,
  { node }: Member,
  { release }: NodeFacts,
): Promise<string | undefined> {
  const held = new Set((await heldNodes(context.database)).map((row) => row.node));
  const peers = farm.members.filter((one) => one.node !== node && !held.has(one.node));
  const facts = await Promise.all(
    peers.map(async (peer) => ({ peer, seen: await lookAt(context, peer) })),
  );
  for (const { peer, seen } of facts) {
    if (typeof seen !== 'string' && seen.isWebRunning && seen.release !== release) {
      return `${node} has the release ${release ?? 'none'}, and ${peer.node}, which serves, has ${seen.release ?? 'none'}.`;
    }
  }
  return undefined;
}

/** Has the node run its own checks. A sentence when they do not pass, or it does not end them in time. */
async function runCheck(
  context: ReleaseContext,
  member: Member,
  { rollout }: HeldNodeRow,
  command: Check,
): Promise<string | undefined> {
  const { drivers, time, settings } = context;
  const { node } = member;
  const step = { id: newId('release'), command, timeoutSeconds: TIMEOUTS.check, rollout };
  const until = time.now() + step.timeoutSeconds * 1000;
  const begun = await unlessSilent(async () => {
    await drivers.nodes.start(member, step);
  });
  if (begun !== undefined) {
    return begun;
  }
  for (let wait = settings.pollMs.first; time.now() < until; wait *= 1.5) {
    const state = await unlessSilent(async () => await drivers.nodes.state(member, step.id));
    if (typeof state === 'string') {
      return state;
    }
    if (state.state !== 'running') {
      return saidBy(node, state);
    }
    await time.sleep(Math.min(wait, settings.pollMs.most));
  }
  return `The checks of ${node} have not ended within ${step.timeoutSeconds} s.`;
}

function saidBy(node: string, state: NodeStepState): string | undefined {
  if (state.state !== 'done') {
    return `The checks of ${node} were interrupted.`;
  }
  const said = state.output
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('not good: '));
  const why = said.length === 0 ? [state.output.trim().slice(-300)] : said;
  return state.exitCode === 0
    ? undefined
    : `The checks of ${node} do not pass: ${why.join(' ').replaceAll('not good: ', '')}.`;
}
