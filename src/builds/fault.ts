/** Whose fault a failure is: the package does not build, or the machine cannot build. */
export type Fault = 'package' | 'machine';

/** Codes of failures that say nothing about the package: another machine, or the same one later, may build it. */
const MACHINE_CODES: ReadonlySet<string> = new Set([
  'agent-error',
  'answer-not-understood',
  'answer-too-large',
  'build-root-not-locked',
  'call-given-up',
  'disk-full',
  'fetch-failed',
  'out-of-memory',
  'server-refused',
  'source-fetch-failed',
  'sync-failed',
]);

/** What an agent's code means. One that is not known, or none, is the package's: it is tried on one more agent. */
export function faultOf(code: string | undefined): Fault {
  return code !== undefined && MACHINE_CODES.has(code) ? 'machine' : 'package';
}
