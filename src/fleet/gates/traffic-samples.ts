import { isAppError, messageOf } from '../../support/errors.ts';
import type { Farm, HaproxyBalancer, Site } from '../inventory/inventory.ts';
import type { MemberSample } from './compare.ts';

type Counters = {
  readonly incarnation: string;
  readonly members: ReadonlyMap<string, ReadonlyMap<string, number>>;
};

/** `HaproxyDriver` does. */
export interface CounterSource {
  /** Throws `balancer-unreachable`. */
  counters(site: Site, balancer: HaproxyBalancer): Promise<Counters>;
}

export interface SampleTime {
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** Columns of HAProxy's `show stat` that count as errors: answers of 5xx, connections that failed, answers that broke. */
const ERRORS = ['hrsp_5xx', 'econ', 'eresp'];

/** What members of a farm did within a while, of all HAProxy of the site together. A string: why nobody can tell. */
export class TrafficSamples {
  readonly #source: CounterSource;
  readonly #time: SampleTime;
  readonly #sampleMs: number;

  constructor(source: CounterSource, time: SampleTime, sampleMs: number) {
    this.#source = source;
    this.#time = time;
    this.#sampleMs = sampleMs;
  }

  async of(site: Site, farm: Farm): Promise<readonly MemberSample[] | string> {
    const balancers = site.balancers.filter((one) => one.driver === 'haproxy');
    if (balancers.length < site.balancers.length || balancers.length === 0) {
      return `Not every balancer of ${site.name} counts requests; only HAProxy does.`;
    }
    try {
      const before = await this.#readAll(site, balancers);
      await this.#time.sleep(this.#sampleMs);
      const after = await this.#readAll(site, balancers);
      const restarted = balancers.find(
        (_, at) => before[at]?.incarnation !== after[at]?.incarnation,
      );
      return restarted === undefined
        ? farm.members.map(({ node }) => sampleOf(node, before, after))
        : `The balancer ${restarted.name} was started anew meanwhile.`;
    } catch (error) {
      if (isAppError(error, 'balancer-unreachable')) {
        return messageOf(error);
      }
      throw error;
    }
  }

  async #readAll(site: Site, balancers: readonly HaproxyBalancer[]): Promise<Counters[]> {
    return await Promise.all(
      balancers.map(async (balancer) => await this.#source.counters(site, balancer)),
    );
  }
}

/** `rtime` is HAProxy's mean of the last 1024 answers; each balancer's weighs as much as its requests. */
function sampleOf(
  node: string,
  before: readonly Counters[],
  after: readonly Counters[],
): MemberSample {
  let [requests, errors, time] = [0, 0, 0];
  let isTimed = true;
  after.forEach(({ members }, at) => {
    const [now, then] = [members.get(node), before[at]?.members.get(node)];
    const grown = (name: string): number =>
      Math.max(0, (now?.get(name) ?? 0) - (then?.get(name) ?? 0));
    const count = grown('req_tot') || grown('stot');
    requests += count;
    errors += ERRORS.reduce((sum, name) => sum + grown(name), 0);
    const mean = now?.get('rtime');
    isTimed &&= count === 0 || mean !== undefined;
    time += count * (mean ?? 0);
  });
  const milliseconds = isTimed && requests > 0 ? time / requests : null;
  return { node, requests, errors: Math.min(errors, requests), milliseconds };
}
