/** Items in a run, on average. */
const RUN_ITEMS = 128;

/**
 * Cuts a sorted list into runs that stay the same while others change: whether a run ends with an item depends on the
 * name of this item alone. Names that end the same way may be many; a version is part of what is looked at.
 */
export function cutRuns<T>(items: readonly T[], nameOf: (item: T) => string): T[][] {
  const runs: T[][] = [];
  let run: T[] = [];
  for (const item of items) {
    run.push(item);
    if (endsRun(nameOf(item))) {
      runs.push(run);
      run = [];
    }
  }
  return run.length === 0 ? runs : [...runs, run];
}

/** Whether a run ends with an item of this name. */
export function endsRun(name: string): boolean {
  return mixOf(name) % RUN_ITEMS === 0;
}

/** A number that is the same for the same name; a few characters of it, the last ones above all, are enough. */
function mixOf(name: string): number {
  const last = name.length - 1;
  const end = name.charCodeAt(last) * 31 + name.charCodeAt(last - 2);
  return (end * 31 + name.charCodeAt(last - 4)) * 31 + name.charCodeAt(last >> 1) + last;
}
