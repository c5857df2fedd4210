/*
 * What HAProxy says on its runtime socket. Formats: HAProxy Management Guide, sections 9.1 (CSV of "show stat") and 9.3 ("show info",
 * "show servers state"; the bits of srv_admin_state are those of its `srv_admin` enumeration).
 */

/** One of `show stat`: numbers by the names of their columns. */
export interface ServerCounters {
  readonly backend: string;
  readonly server: string;
  readonly numbers: ReadonlyMap<string, number>;
}

export interface ServerState {
  readonly backend: string;
  readonly server: string;
  readonly admin: 'ready' | 'drain' | 'maint';
  readonly isUp: boolean;
}

export interface HaproxyAnswer {
  /** Process and when it began: another one has forgotten what the one before was told. */
  readonly incarnation: string;
  /** `description` of the section `global`; empty: it has none. */
  readonly description: string;
  readonly states: readonly ServerState[];
  readonly counters: readonly ServerCounters[];
}

/** Not 0x04: it says for good that the configuration began with `disabled`, also of a server that has been set ready. */
const MAINTENANCE = 0x01 | 0x02 | 0x20;
const DRAIN = 0x08 | 0x10;
/** Started or starting; 0 is stopped, 3 says of itself that it leaves. */
const UP_STATES = new Set([1, 2]);

/** The answer to `show info;show servers state;show stat`. Undefined when it is something else. */
export function parseHaproxy(text: string): HaproxyAnswer | undefined {
  const lines = text.split('\n');
  const info = new Map(
    lines.flatMap((line) => {
      const match = /^([A-Za-z_]+): (.*)$/.exec(line);
      return match === null ? [] : [[match[1] ?? '', match[2] ?? '']];
    }),
  );
  const pid = info.get('Pid');
  const states = tableOf(lines, '# be_id ', ' ');
  const counters = tableOf(lines, '# pxname,', ',');
  if (pid === undefined || states === undefined || counters === undefined) {
    return undefined;
  }
  return {
    incarnation: `${pid}-${info.get('Start_time_sec') ?? ''}`,
    description: info.get('description') ?? '',
    states: states.map(stateOf),
    counters: counters
      .filter((row) => row.get('svname') !== 'FRONTEND' && row.get('svname') !== 'BACKEND')
      .map(countersOf),
  };
}

function stateOf(row: ReadonlyMap<string, string>): ServerState {
  const flags = Number(row.get('srv_admin_state'));
  return {
    backend: row.get('be_name') ?? '',
    server: row.get('srv_name') ?? '',
    admin: (flags & MAINTENANCE) !== 0 ? 'maint' : (flags & DRAIN) !== 0 ? 'drain' : 'ready',
    isUp: UP_STATES.has(Number(row.get('srv_op_state'))),
  };
}

function countersOf(row: ReadonlyMap<string, string>): ServerCounters {
  const numbers = [...row].flatMap(([name, value]): [string, number][] =>
    /^[0-9]+$/.test(value) ? [[name, Number(value)]] : [],
  );
  return {
    backend: row.get('pxname') ?? '',
    server: row.get('svname') ?? '',
    numbers: new Map(numbers),
  };
}

/** The rows below a header line, up to an empty line. */
function tableOf(
  lines: readonly string[],
  header: string,
  separator: string,
): Map<string, string>[] | undefined {
  const first = lines.findIndex((line) => line.startsWith(header));
  if (first === -1) {
    return undefined;
  }
  const names = (lines[first] ?? '').slice(2).split(separator);
  const rest = lines.slice(first + 1);
  const end = rest.findIndex((line) => line.trim() === '');
  return rest
    .slice(0, end === -1 ? undefined : end)
    .map((line) => new Map(line.split(separator).map((value, at) => [names[at] ?? '', value])));
}
