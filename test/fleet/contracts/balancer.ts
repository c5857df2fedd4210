import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type {
  BalancerChange,
  BalancerDriver,
  BalancerReading,
} from '../../../src/fleet/drivers/ports.ts';
import type { Balancer, Site } from '../../../src/fleet/inventory/inventory.ts';
import type { AdminState, Backend } from '../../../src/fleet/plan/plan.ts';
import { poll } from '../../support/poll.ts';

/** A site of the farms `f1` and `f2` with the members `f1-1`, `f1-2`, `f2-1`, and two balancers; all up. */
export interface BalancerHarness {
  readonly driver: BalancerDriver;
  readonly site: Site;
  /** A balancer that nobody reaches. */
  readonly nobody: Balancer;
  /** Makes the checks of a member fail, or pass again. */
  setHealth(node: string, isWell: boolean): Promise<void>;
  /** Starts a balancer anew. */
  restart(balancer: Balancer): Promise<void>;
  /** Begins a request that the first balancer sends to a member; the result ends it. Absent: requests are not counted. */
  request?(node: string): Promise<() => Promise<void>>;
  /** Whether farms can be set by themselves. */
  readonly hasFarms: boolean;
  close(): Promise<void>;
}

export const MEMBERS = ['f1-1', 'f1-2', 'f2-1'];

function farm(backend: Backend, to: AdminState, name = 'f1'): BalancerChange {
  return { server: { kind: 'farm', farm: name, backend }, to };
}

function maint({ servers }: BalancerReading): unknown {
  const members = servers.filter(({ server }) => server.kind === 'member');
  return members.filter(({ to }) => to === 'maint').map(({ server }) => server);
}

/** What every balancer has to hold. */
export function balancerContract(name: string, open: () => Promise<BalancerHarness>): void {
  describe(`${name} is driven`, () => {
    let harness: BalancerHarness;

    beforeAll(async () => {
      harness = await open();
    });

    afterAll(async () => {
      await harness?.close();
    });

    const balancer = (at: number): Balancer => {
      const found = harness.site.balancers[at];
      if (found === undefined) {
        throw new Error(`the site has no balancer ${at}`);
      }
      return found;
    };
    const read = async (at: number): Promise<BalancerReading> =>
      await harness.driver.read(harness.site, balancer(at));
    const set = async (at: number, nodes: readonly string[], to: AdminState): Promise<void> => {
      const changes = nodes.map((node) => ({ server: { kind: 'member', node } as const, to }));
      await harness.driver.set(harness.site, balancer(at), changes);
    };
    const told = async (at: number) =>
      Object.fromEntries(
        (await read(at)).servers.flatMap(({ server, to }) =>
          server.kind === 'member' ? [[server.node, to]] : [],
        ),
      );
    const inFlight = async (): Promise<number | null | undefined> => {
      const { servers } = await read(0);
      return servers.find(({ server }) => server.kind === 'member' && server.node === 'f1-2')
        ?.inFlight;
    };
    const awaitUp = async (node: string, isUp: boolean, at = 0): Promise<void> => {
      await poll(`${node} to be ${isUp ? 'up' : 'down'}`, async () => {
        const { servers } = await read(at);
        const one = servers.find(({ server }) => server.kind === 'member' && server.node === node);
        return one?.isUp === isUp ? true : undefined;
      });
    };

    it('says of every member what it was told, and that it is up', async () => {
      for (const at of [0, 1]) {
        for (const node of MEMBERS) {
          await awaitUp(node, true, at);
        }
        expect(await told(at)).toEqual({ 'f1-1': 'ready', 'f1-2': 'ready', 'f2-1': 'ready' });
      }
    });

    it('takes several changes at once, for itself alone, as often as it is told', async () => {
      await set(0, ['f1-2', 'f2-1'], 'drain');
      await set(0, ['f1-2', 'f2-1'], 'drain');
      expect(await told(0)).toEqual({ 'f1-1': 'ready', 'f1-2': 'drain', 'f2-1': 'drain' });
      await set(0, ['f2-1'], 'maint');
      expect(await told(0)).toEqual({ 'f1-1': 'ready', 'f1-2': 'drain', 'f2-1': 'maint' });
      await set(0, ['f1-2', 'f2-1'], 'ready');
      for (const node of MEMBERS) {
        await awaitUp(node, true);
      }
      expect(await told(0)).toEqual({ 'f1-1': 'ready', 'f1-2': 'ready', 'f2-1': 'ready' });
    });

    it('tells a member whose checks fail from one that was taken out', async () => {
      await harness.setHealth('f1-1', false);
      await awaitUp('f1-1', false);
      expect(await told(0)).toMatchObject({ 'f1-1': 'ready', 'f1-2': 'ready' });
      await harness.setHealth('f1-1', true);
      await awaitUp('f1-1', true);
    });

    it('counts the requests in flight of a member that drains', async () => {
      if (harness.request === undefined) {
        expect(await inFlight()).toBeNull();
        return;
      }
      expect(await inFlight()).toBe(0);
      const end = await harness.request('f1-2');
      await set(0, ['f1-2'], 'drain');
      expect(await inFlight()).toBe(1);
      await end();
      await poll('no request in flight', async () => ((await inFlight()) === 0 ? true : undefined));
      await set(0, ['f1-2'], 'ready');
    });

    it('sets farms in both of their backends', async () => {
      const { driver, site, hasFarms } = harness;
      const others = [farm('blue', 'ready', 'f2'), farm('green', 'ready', 'f2')];
      const changes = [farm('blue', 'maint'), farm('green', 'drain'), ...others];
      if (!hasFarms) {
        await expect(driver.set(site, balancer(0), changes)).rejects.toMatchObject({
          code: 'balancer-refused',
        });
        return;
      }
      await driver.set(site, balancer(0), changes);
      const farms = (await read(0)).servers.filter(({ server }) => server.kind === 'farm');
      expect(farms.map(({ server, to }) => [server, to])).toEqual([
        [{ kind: 'farm', farm: 'f1', backend: 'blue' }, 'maint'],
        [{ kind: 'farm', farm: 'f1', backend: 'green' }, 'drain'],
        [{ kind: 'farm', farm: 'f2', backend: 'blue' }, 'ready'],
        [{ kind: 'farm', farm: 'f2', backend: 'green' }, 'ready'],
      ]);
      await driver.set(site, balancer(0), [farm('blue', 'ready'), farm('green', 'ready')]);
    });

    it('refuses a member that it does not have', async () => {
      await expect(set(0, ['f9-9'], 'drain')).rejects.toMatchObject({ code: 'balancer-refused' });
    });

    it('says what it knows after it was started anew, and that it may have forgotten', async () => {
      await set(1, ['f1-2'], 'maint');
      const before = await read(1);
      await harness.restart(balancer(1));
      const after = await poll('an answer', async () => await read(1));
      expect(maint(before)).toEqual([{ kind: 'member', node: 'f1-2' }]);
      if (after.incarnation === before.incarnation) {
        expect(maint(after)).toEqual(maint(before));
      }
      await set(1, ['f1-2'], 'maint');
      expect(maint(await read(1))).toEqual(maint(before));
      await set(1, ['f1-2'], 'ready');
    });

    it('is not taken for one that answers', async () => {
      const { driver, site, nobody } = harness;
      await expect(driver.read(site, nobody)).rejects.toMatchObject({
        code: 'balancer-unreachable',
      });
      await expect(
        driver.set(site, nobody, [{ server: { kind: 'member', node: 'f1-1' }, to: 'drain' }]),
      ).rejects.toMatchObject({ code: 'balancer-unreachable' });
    });
  });
}
