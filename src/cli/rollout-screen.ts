import { MEMBER_STATES, type MemberState } from '../protocol/member-states.ts';
import { type RolloutCell, RolloutCells } from '../protocol/rollout-cells.ts';
import type { RolloutDetail, RolloutProgress } from '../protocol/rollouts.ts';
import { type Color, harmless, type Output, widthOf } from './output.ts';
import { shortId, stateWords, unitWords, waitLine } from './rollout-report.ts';

type Farm = RolloutDetail['plan']['farms'][number];

const KEPT_LINES = 50;
const FEWEST_LOG_LINES = 3;
const MOST_WAITS = 3;
const COLORS: Partial<Record<MemberState, Color>> = {
  waiting: 'dim',
  draining: 'yellow',
  out: 'yellow',
  upgrading: 'cyan',
  checking: 'cyan',
  undoing: 'yellow',
  done: 'green',
  skipped: 'dim',
  held: 'red',
};

/** What a terminal shows of a rollout that goes on: head, monitor, farms, what it waits for, the last events. */
export class RolloutScreen {
  readonly #rollout: RolloutDetail;
  readonly #output: Output;
  readonly #cells: RolloutCells;
  readonly #standing: Map<string, RolloutCell>;
  #head: Pick<RolloutProgress, 'state' | 'because' | 'stage' | 'units' | 'why' | 'monitor'>;
  readonly #log: string[] = [];
  readonly #states = new Map<string, RolloutDetail['unitRecords'][number]['state']>();

  constructor(rollout: RolloutDetail, output: Output) {
    this.#rollout = rollout;
    this.#output = output;
    this.#cells = new RolloutCells(rollout.plan);
    this.#cells.update(rollout.unitRecords);
    this.#standing = this.#cells.all();
    this.#head = { ...rollout, why: [] };
  }

  update(progress: RolloutProgress): void {
    this.#head = progress;
    for (const [node, cell] of this.#cells.update(progress.changed)) {
      this.#standing.set(node, cell);
    }
    for (const { unit, state } of progress.changed) {
      this.#states.set(unit, state);
    }
  }

  log(line: string): void {
    this.#log.push(line);
    this.#log.splice(0, this.#log.length - KEPT_LINES);
  }

  /** At most `rows` lines. Farms in which something happens come first when not all have room. */
  lines(rows: number, columns: number): string[] {
    const top = [...this.#headLines(), ...this.#waitLines()];
    const room = Math.max(3, rows - top.length - FEWEST_LOG_LINES - 1);
    const grid = this.#gridLines(room, columns);
    const left = Math.max(0, rows - top.length - grid.length);
    return [...top, ...grid, ...(left === 0 ? [] : this.#log.slice(-left))].slice(0, rows);
  }

  #headLines(): string[] {
    const { units, stage, monitor } = this.#head;
    const { plan, id, kind } = this.#rollout;
    const failed = units.undone + units.held;
    const { budget } = plan.policy;
    const lines = [
      `${this.#output.paint('bold', shortId(id))}  ${kind}  ${stateWords(this.#head, this.#output)}  ${unitWords(units)}`,
      `${this.#stageWords(stage)}; failed ${failed}, ${budget.total} ${budget.total === 1 ? 'is' : 'are'} borne`,
    ];
    if (monitor !== null) {
      const broken = monitor.invariants.filter(({ violations }) => violations.length > 0);
      lines.push(
        broken.length === 0
          ? `${holdWords(monitor.invariants)}; ${outWords(monitor.farms)}`
          : this.#output.paint(
              'red',
              broken.map(({ name, violations }) => `${name}: ${violations.join(' ')}`).join('; '),
            ),
      );
    }
    return lines.map((line) => line.replaceAll('\n', ' '));
  }

  #stageWords(stage: string | null): string {
    const found = this.#rollout.plan.stages.find(({ id }) => id === stage);
    if (found === undefined) {
      return `${this.#rollout.stages} stages`;
    }
    const ended = found.units.filter(({ id }) => {
      const state = this.#states.get(id);
      return state !== undefined && !['waiting', 'running', 'undoing'].includes(state);
    }).length;
    return `${found.id} (${found.title}): ${ended} of ${found.units.length} units`;
  }

  #waitLines(): string[] {
    const { why } = this.#head;
    const lines = why.slice(0, MOST_WAITS).map((reason) => `waits: ${waitLine(reason)}`);
    const more = why.length - MOST_WAITS;
    return [...lines, ...(more > 0 ? [`waits: for ${more} more things`] : [])].map((line) =>
      harmless(line, 'drop-colors').replaceAll('\n', ' '),
    );
  }

  #gridLines(rows: number, columns: number): string[] {
    const { farms } = this.#rollout.plan;
    const most = Math.max(1, rows - 3);
    const chosen =
      farms.length <= most
        ? farms
        : farms.toSorted((a, b) => this.#interest(b) - this.#interest(a)).slice(0, most);
    const shown = farms.filter((farm) => chosen.includes(farm));
    const last = Math.max(0, ...shown.flatMap(({ members }) => members.map(({ index }) => index)));
    const names = Math.max(4, ...shown.map(({ name }) => widthOf(name)));
    const gap = names + 2 + last * 3 < columns ? '  ' : ' ';
    const numbers = Array.from({ length: last }, (_, place) => String((place + 1) % 100));
    const head = `${'farm'.padEnd(names)}  ${numbers.map((number) => number.padStart(2)).join(gap.slice(1))}`;
    const more = farms.length - shown.length;
    return [
      this.#output.paint('dim', head),
      ...shown.map((farm) => this.#farmLine(farm, { names, last, gap: gap.slice(1) })),
      ...(more > 0 ? [this.#output.paint('dim', `and ${more} more farms`)] : []),
      this.#output.paint('dim', this.#legend()),
    ];
  }

  /** Those with members that are not simply waiting or done. */
  #interest({ members }: Farm): number {
    return members.filter(({ node }) => {
      const state = this.#standing.get(node)?.state ?? 'waiting';
      return state !== 'waiting' && state !== 'done';
    }).length;
  }

  #farmLine(
    { name, members }: Farm,
    grid: { readonly names: number; readonly last: number; readonly gap: string },
  ): string {
    const nodes = new Map(members.map(({ index, node }) => [index, node]));
    const cells = Array.from({ length: grid.last }, (_, place) => {
      const state = this.#standing.get(nodes.get(place + 1) ?? '')?.state;
      if (state === undefined) {
        return '  ';
      }
      const { letter } = MEMBER_STATES[state];
      return ` ${this.#output.paint(COLORS[state] ?? 'bold', letter)}`;
    });
    return `${harmless(name, 'drop-colors').padEnd(grid.names)}  ${cells.join(grid.gap)}`.trimEnd();
  }

  #legend(): string {
    const states = new Set([...this.#standing.values()].map(({ state }) => state));
    return [...states]
      .map((state) => `${MEMBER_STATES[state].letter} ${MEMBER_STATES[state].word}`)
      .join('  ');
  }
}

/** `12 invariants hold, I4, I6, I15 not observed` */
function holdWords(invariants: NonNullable<RolloutProgress['monitor']>['invariants']): string {
  const unseen = invariants.filter((one) => one.unseen !== null).map(({ name }) => name);
  return unseen.length === 0
    ? `all ${invariants.length} invariants hold`
    : `${invariants.length - unseen.length} invariants hold, ${unseen.join(', ')} not observed`;
}

/** `at most 1 of web7 is out` */
function outWords(farms: NonNullable<RolloutProgress['monitor']>['farms']): string {
  const most = farms.toSorted((a, b) => b.out - a.out)[0];
  return most === undefined || most.out === 0
    ? 'nobody is out'
    : `${most.out} of ${most.farm} out, ${most.maxOut} may be`;
}
