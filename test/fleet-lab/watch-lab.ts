import { poll } from '../support/poll.ts';
import type { FleetLab } from './fleet-lab.ts';
import type { VisitorSettings, Visits } from './visitors.ts';

/** What visitors must have met of an upgrade: nothing. */
export const FLAWLESS = {
  failed: 0,
  regressions: 0,
  lostUpdates: 0,
  doubled: 0,
  staleFragments: 0,
  wrong: [],
};

/** What visitors meet while something is done: from before it begins until after it has ended. */
export async function underVisitors(
  lab: FleetLab,
  act: () => Promise<void>,
  settings: Partial<VisitorSettings> = {},
): Promise<Visits> {
  const visitors = lab.visitors({ visitors: 8, ...settings });
  const seen = async (more: number): Promise<void> => {
    const { requests } = visitors.visits;
    await poll('visitors', () => (visitors.visits.requests > requests + more ? true : undefined));
  };
  try {
    await seen(50);
    await act();
    await seen(50);
  } finally {
    await visitors.end();
  }
  return visitors.visits;
}

/** Watches the balancer: the most members of one farm that were out at the same moment. */
class OutWatch {
  #most = 0;
  #isOver = false;
  readonly #looking: Promise<void>;

  constructor(lab: FleetLab) {
    this.#looking = this.#look(lab);
  }

  async #look(lab: FleetLab): Promise<void> {
    while (!this.#isOver) {
      const rows = (await lab.haproxy.tell('show stat')).split('\n').map((row) => row.split(','));
      const at = rows[0]?.indexOf('status') ?? -1;
      for (const { name } of lab.site.farms) {
        const members = rows.filter(
          ([backend, server]) => backend === `members_${name}` && server !== 'BACKEND',
        );
        const out = members.filter((row) => !row[at]?.startsWith('UP')).length;
        this.#most = Math.max(this.#most, out);
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async end(): Promise<number> {
    this.#isOver = true;
    await this.#looking;
    return this.#most;
  }
}

/** The most members of one farm that were out at the same moment while something was done. */
export async function mostOut(lab: FleetLab, act: () => Promise<void>): Promise<number> {
  const watch = new OutWatch(lab);
  try {
    await act();
  } finally {
    await watch.end();
  }
  return await watch.end();
}
