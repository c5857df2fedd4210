/** Items in a run, on average. */
const RUN_ITEMS = 64;

/**
 * Cuts a sorted list into runs that stay the same while others change: whether a run ends with an item depends on the
 * name of this item alone.
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

/** A number that is the same for the same name and looks random: FNV-1a, and what is above mixed in. */
function mixOf(name: string): number {
  let mixed = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) {
    mixed = Math.imul(mixed ^ name.charCodeAt(at), 0x01000193);
  }
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
