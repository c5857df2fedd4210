import type { HeldNodeRow } from '../../database/tables.ts';
import { forgetReadyMembers, heldNodes, removeLocks } from './fleet-store.ts';
import type { SiteReading } from './readings.ts';
import type { RolloutState } from './rollout.ts';
import type { TouchedNodes } from './touched-nodes.ts';
import type { UnitProgress } from './unit-journal.ts';
import { Poll, type UnitScene } from './unit-scene.ts';

export interface Ended {
  readonly units: readonly UnitProgress[];
  readonly touched: TouchedNodes;
  readonly as: 'done' | 'aborted';
}

/** Units that will not be begun. */
export async function skipWaiting(
  { ledger }: UnitScene,
  units: readonly UnitProgress[],
  because: (unit: UnitProgress) => string,
): Promise<void> {
  await Promise.all(
    units
      .filter(({ state }) => state === 'waiting')
      .map(async (unit) => {
        const reason = because(unit);
        const change = { state: 'skipped', because: reason };
        await ledger.write({ unit: { position: unit.position, change } });
        unit.state = 'skipped';
        unit.because = reason;
      }),
  );
}

/**
 * The last look: every node that was touched serves, or is held with the reason. Undefined when the rollout has ended;
 * otherwise what keeps anybody from telling.
 */
export async function endRollout(scene: UnitScene, ended: Ended): Promise<string | undefined> {
  const { context, ledger, plan } = scene;
  const { units, touched } = ended;
  const missing = await notServing(scene, touched.bySite);
  if (typeof missing === 'string') {
    return missing;
  }
  const now = context.time.now();
  const held = missing.map((node): HeldNodeRow => {
    const because = 'It does not serve at the end of the rollout.';
    return { node, rollout: plan.id, because, since: now };
  });
  const before = (await heldNodes(context.database)).map(({ node }) => node);
  const state = outcomeOf(ended, new Set([...before, ...missing]));
  const left = units.filter((unit) => unit.state !== 'done').length;
  await ledger.write({
    held,
    rollout: { state, ended_at: now, stage: null },
    events: [
      {
        kind: `rollout-${state}`,
        subject: `rollout:${plan.id}`,
        actor: 'server',
        data: { rollout: plan.id, units: units.length, left, held: held.map(({ node }) => node) },
      },
    ],
    also: async ({ queries }) => {
      await removeLocks(queries, plan.id);
      await forgetReadyMembers(queries, plan.id);
    },
  });
  await context.drivers.notifier.tell({
    rollout: plan.id,
    urgency: state === 'done' ? 'info' : 'attention',
    subject: `Rollout ${plan.id.slice(0, 12)}: ${state}`,
    text: `${units.length - left} of ${units.length} units are done.`,
  });
  return undefined;
}

function outcomeOf({ units, as }: Ended, held: ReadonlySet<string>): RolloutState {
  if (as === 'aborted') {
    return 'aborted';
  }
  const isWhole = units.every(
    ({ state, unit }) => state === 'done' && !unit.nodes.some((node) => held.has(node)),
  );
  return isWhole ? 'done' : 'done-with-held';
}

/** Those that do not serve after some time; a sentence when a balancer does not answer. */
async function notServing(
  scene: UnitScene,
  touched: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<readonly string[] | string> {
  const { time, settings } = scene.context;
  const until = time.now() + settings.returnSeconds * 1000;
  const poll = new Poll(scene);
  for (;;) {
    const found = await look(scene, touched);
    if (typeof found === 'string' || found.length === 0 || time.now() >= until) {
      return found;
    }
    await poll.wait(until);
  }
}

async function look(
  scene: UnitScene,
  touched: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<readonly string[] | string> {
  const held = new Set((await heldNodes(scene.context.database)).map(({ node }) => node));
  const found = await Promise.all(
    [...touched].map(async ([name, nodes]) => {
      const site = scene.fleet().site(name);
      const reading = site && (await scene.readings.of(site));
      const free = [...nodes].filter((node) => !held.has(node));
      return { reading, states: free.map((node) => ({ node, state: stateOf(reading, node) })) };
    }),
  );
  scene.signal.throwIfAborted();
  for (const { reading, states } of found) {
    const unknown = states.find(({ state }) => state === 'unknown');
    if (unknown !== undefined) {
      return reading?.silent[0] ?? `Nobody can tell whether ${unknown.node} serves.`;
    }
  }
  const missing = found.flatMap(({ states }) => states.filter(({ state }) => state === 'out'));
  return missing.map(({ node }) => node);
}

function stateOf(reading: SiteReading | undefined, node: string) {
  return reading?.member(node) ?? 'out';
}
