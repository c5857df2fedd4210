import { run, toolEnvironment } from '../../src/support/processes.ts';

/** Seconds of each run, in the order they took place. */
export interface Measurement {
  readonly seconds: readonly number[];
}

/** Runs work several times. `prepare` is not measured. */
export async function measure(
  runs: number,
  work: () => Promise<unknown>,
  prepare: () => Promise<unknown> = async () => undefined,
): Promise<Measurement> {
  const seconds: number[] = [];
  for (let turn = 0; turn < runs; turn += 1) {
    await prepare();
    const start = performance.now();
    await work();
    seconds.push((performance.now() - start) / 1000);
  }
  return { seconds };
}

export function median({ seconds }: Measurement): number {
  const sorted = seconds.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = low] = sorted.slice(sorted.length % 2 === 0 ? middle - 1 : middle);
  return sorted.length % 2 === 0 ? (low + high) / 2 : low;
}

/** `2.70 s (5 runs)`. */
export function shown(measurement: Measurement): string {
  const runs = measurement.seconds.length;
  return `${median(measurement).toFixed(median(measurement) < 1 ? 3 : 2)} s (${runs} ${runs === 1 ? 'run' : 'runs'})`;
}

/** Runs a program to its end and returns what it wrote. Throws when it fails. */
export async function command(
  words: readonly string[],
  env: Readonly<Record<string, string>> = toolEnvironment(),
): Promise<string> {
  const { exitCode, stdout, stderr } = await run(words, { env, timeoutMs: 3_600_000 });
  if (exitCode !== 0) {
    throw new Error(`${words.join(' ')} ended with ${exitCode}: ${stderr.slice(-2000)}`);
  }
  return stdout.toString('utf8');
}

/** What a program has measured itself: its lines `SECONDS <number>`. */
export function secondsIn(output: string): readonly number[] {
  return [...output.matchAll(/^SECONDS ([0-9.e-]+)/gm)].map((match) => Number(match[1]));
}
