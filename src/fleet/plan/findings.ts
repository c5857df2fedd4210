import type { PlanProblem } from './plan-input.ts';

/** What planners find on the way: with one problem or more there is no plan; remarks go into it. */
export class Findings {
  readonly problems: PlanProblem[] = [];
  readonly remarks: string[] = [];

  problem(code: string, subject: string, sentence: string): void {
    this.problems.push({ code, subject, sentence });
  }

  remark(sentence: string): void {
    this.remarks.push(sentence);
  }
}

/** `web1-1, web1-2, web1-3 and 9 more`. */
export function someOf(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}

/** `1 node`, `12 nodes`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `37.5 %`. */
export function percent(part: number): string {
  return `${Math.round(part * 1000) / 10} %`;
}

export function grouped<T>(
  all: readonly T[],
  by: (one: T) => string,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = by(one);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, [one]);
    } else {
      group.push(one);
    }
  }
  return groups;
}
