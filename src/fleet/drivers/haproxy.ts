import { AppError, messageOf } from '../../support/errors.ts';
import type { Balancer, HaproxyBalancer, Site } from '../inventory/inventory.ts';
import { type HaproxyAnswer, parseHaproxy, type ServerCounters } from './haproxy-answers.ts';
import { readDescription } from './haproxy-description.ts';
import type { HaproxySockets } from './haproxy-socket.ts';
import type { BalancerChange, BalancerDriver, BalancerReading, BalancerServer } from './ports.ts';

/** HAProxy's buffer has 16 KiB, and a line of commands has to fit in. */
const LONGEST_LINE = 8000;
const SHOW = 'show info;show servers state;show stat';

/** Drives HAProxy (2.6 or newer) through its runtime socket, which has to be of level `admin`. */
export class HaproxyDriver implements BalancerDriver {
  readonly #sockets: HaproxySockets;

  constructor(sockets: HaproxySockets) {
    this.#sockets = sockets;
  }

  async set(site: Site, balancer: Balancer, changes: readonly BalancerChange[]): Promise<void> {
    const haproxy = own(balancer);
    const commands = changes.map(({ server, to }) => {
      const { backend, name } = placeOf(site, haproxy, server);
      return `set server ${backend}/${name} state ${to}`;
    });
    for (const line of linesOf(commands)) {
      const said = (await this.#ask(haproxy, line)).trim();
      if (said !== '') {
        throw new AppError(
          'balancer-refused',
          `The balancer ${balancer.name} of ${site.name} refuses: ${said.split('\n')[0]}`,
          { details: { site: site.name, balancer: balancer.name, commands: line, said } },
        );
      }
    }
  }

  async read(site: Site, balancer: Balancer): Promise<BalancerReading> {
    const haproxy = own(balancer);
    const answer = await this.#show(haproxy);
    const states = new Map(answer.states.map((one) => [`${one.backend}/${one.server}`, one]));
    const counters = countersByPlace(answer.counters);
    const servers = serversOf(site).flatMap((server) => {
      const { backend, name } = placeOf(site, haproxy, server);
      const state = states.get(`${backend}/${name}`);
      const numbers = counters.get(`${backend}/${name}`)?.numbers;
      const scur = numbers?.get('scur');
      return state === undefined
        ? []
        : {
            server,
            to: state.admin,
            isUp: state.isUp,
            inFlight: scur === undefined ? null : scur + (numbers?.get('qcur') ?? 0),
          };
    });
    const configured = readDescription(answer.description);
    return {
      incarnation: answer.incarnation,
      servers,
      ...(configured !== undefined && { configured }),
    };
  }

  /** What the balancer has counted for each member of the site, by node. Throws `balancer-unreachable`. */
  async counters(
    site: Site,
    balancer: HaproxyBalancer,
  ): Promise<{
    readonly incarnation: string;
    readonly members: ReadonlyMap<string, ReadonlyMap<string, number>>;
  }> {
    const answer = await this.#show(balancer);
    const counters = countersByPlace(answer.counters);
    const members = site.farms.flatMap((farm) =>
      farm.members.flatMap(({ node }): [string, ReadonlyMap<string, number>][] => {
        const { backend, name } = placeOf(site, balancer, { kind: 'member', node });
        const found = counters.get(`${backend}/${name}`);
        return found === undefined ? [] : [[node, found.numbers]];
      }),
    );
    return { incarnation: answer.incarnation, members: new Map(members) };
  }

  async #show(balancer: HaproxyBalancer): Promise<HaproxyAnswer> {
    const said = await this.#ask(balancer, SHOW);
    const answer = parseHaproxy(said);
    if (answer === undefined) {
      const shown = JSON.stringify(said.slice(0, 200));
      throw unreachable(balancer, `what it says is not HAProxy's: ${shown}`);
    }
    return answer;
  }

  async #ask(balancer: HaproxyBalancer, line: string): Promise<string> {
    try {
      return await this.#sockets.ask(balancer.socket, line);
    } catch (error) {
      throw unreachable(balancer, messageOf(error));
    }
  }
}

function countersByPlace(counters: readonly ServerCounters[]): Map<string, ServerCounters> {
  return new Map(counters.map((one) => [`${one.backend}/${one.server}`, one]));
}

function unreachable({ name, socket }: HaproxyBalancer, why: string): AppError {
  return new AppError(
    'balancer-unreachable',
    `The balancer ${name} gives no answer at ${socket}: ${why}`,
    { details: { balancer: name } },
  );
}

function own(balancer: Balancer): HaproxyBalancer {
  if (balancer.driver !== 'haproxy') {
    throw new Error(`${balancer.name} is no HAProxy`);
  }
  return balancer;
}

/** Every server of the inventory that a balancer of the site may have. */
export function serversOf(site: Site): BalancerServer[] {
  return site.farms.flatMap(({ name, members }): BalancerServer[] => [
    ...members.map(({ node }) => ({ kind: 'member', node }) as const),
    { kind: 'farm', farm: name, backend: 'blue' },
    { kind: 'farm', farm: name, backend: 'green' },
  ]);
}

/** Throws `balancer-refused` for what is not in the inventory, and for names that cannot stand in a command. */
function placeOf(
  site: Site,
  balancer: HaproxyBalancer,
  server: BalancerServer,
): { readonly backend: string; readonly name: string } {
  if (server.kind === 'farm') {
    const [blue, green] = balancer.farmBackends;
    return checked(site, { backend: server.backend === 'blue' ? blue : green, name: server.farm });
  }
  const farm = site.farms.find(({ members }) => members.some(({ node }) => node === server.node));
  if (farm === undefined) {
    throw new AppError('balancer-refused', `No farm of ${site.name} has a member ${server.node}.`);
  }
  const backend = balancer.memberBackend.replaceAll('{farm}', farm.name);
  return checked(site, { backend, name: server.node });
}

function checked<T extends { readonly backend: string; readonly name: string }>(
  site: Site,
  place: T,
): T {
  const wrong = [place.backend, place.name].find((text) => !/^[A-Za-z0-9_.:-]+$/.test(text));
  if (wrong !== undefined) {
    throw new AppError(
      'balancer-refused',
      `${JSON.stringify(wrong)} cannot be the name of a backend or server of HAProxy; a balancer of ${site.name} has it.`,
    );
  }
  return place;
}

/** As few lines as hold all commands. */
function linesOf(commands: readonly string[]): string[] {
  const lines: string[] = [];
  for (const command of commands) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + command.length < LONGEST_LINE) {
      lines[lines.length - 1] = `${last};${command}`;
    } else {
      lines.push(command);
    }
  }
  return lines;
}
