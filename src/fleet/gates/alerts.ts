import * as z from 'zod';
import { messageOf } from '../../support/errors.ts';
import { run, toolEnvironment } from '../../support/processes.ts';
import type { GateQuestion, GateVerdict } from '../drivers/ports.ts';
import { inconclusive } from './compare.ts';

/**
 * Where it is known whether anything is wrong: an address that answers `{"verdict":"go"|"no-go","reason":"..."}`, or a program
 * that ends with 0 for go and 1 for no-go and says why in its first line. Both are asked with the site and the nodes: as
 * `?site=` and `nodes=` of the address, and as arguments `SITE NODE...` of the program.
 */
export type AlertSource =
  | { readonly kind: 'url'; readonly url: string; readonly timeoutMs: number }
  | { readonly kind: 'command'; readonly command: readonly string[]; readonly timeoutMs: number };

const answerSchema = z.object({
  verdict: z.enum(['go', 'no-go']),
  reason: z.string().max(2000).optional(),
});

export async function judgeAlerts(
  source: AlertSource | null,
  question: GateQuestion,
): Promise<GateVerdict> {
  if (source === null) {
    return inconclusive('Nobody was named who knows of alerts: see [fleet] in the configuration.');
  }
  try {
    return source.kind === 'url'
      ? await askAddress(source, question)
      : await askProgram(source, question);
  } catch (error) {
    return inconclusive(`Whoever knows of alerts gives no answer: ${messageOf(error)}`);
  }
}

async function askAddress(
  { url, timeoutMs }: Extract<AlertSource, { kind: 'url' }>,
  { site, nodes }: GateQuestion,
): Promise<GateVerdict> {
  const address = new URL(url);
  address.searchParams.set('site', site.name);
  address.searchParams.set('nodes', nodes.join(','));
  const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) {
    await response.body?.cancel();
    return inconclusive(
      `${address.origin} answers ${response.status} when it is asked for alerts.`,
    );
  }
  const { verdict, reason = '' } = answerSchema.parse(await response.json());
  return verdictOf(verdict === 'go', reason);
}

async function askProgram(
  { command, timeoutMs }: Extract<AlertSource, { kind: 'command' }>,
  { site, nodes }: GateQuestion,
): Promise<GateVerdict> {
  const { exitCode, stdout, stderr } = await run([...command, site.name, ...nodes], {
    env: toolEnvironment(),
    timeoutMs,
    maxOutputBytes: 64 * 1024,
  });
  const [reason = ''] = stdout.toString('utf8').trim().split('\n');
  return exitCode > 1
    ? inconclusive(`${command[0]} ended with ${exitCode}: ${stderr.trim().split('\n').at(-1)}`)
    : verdictOf(exitCode === 0, reason);
}

function verdictOf(isGo: boolean, reason: string): GateVerdict {
  return isGo
    ? { verdict: 'pass', sentence: reason || 'There is no alert.' }
    : { verdict: 'fail', sentence: reason || 'There is an alert; nobody says which.' };
}
