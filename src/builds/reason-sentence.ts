import type { Lack } from './fits.ts';
import type { NeededJob, Standstill, Why } from './waiting-reason.ts';

/** What follows the name of a job: `waits for ...`, `builds on ...`. No full stop, unless others wrote it. */
export function sentenceOf(why: Why): string {
  if (why.code === 'needs-job') {
    return `${neededSentence(why)}${why.others === 0 ? '' : `, and for ${why.others} more`}`;
  }
  if (why.code === 'joined') {
    const { request, because } = why;
    const standing = because === null ? progressOf(why) : `it ${sentenceOf(because)}`;
    return `is built by request ${request}${why.state === 'leased' ? ', ' : '; '}${standing}`;
  }
  if (why.code === 'building') {
    return `builds on ${why.agent} since ${span(why.sinceMs)}${leftSentence(why.leftMs)}`;
  }
  if (why.code === 'stopping') {
    return `is told to stop; cancelled by ${why.by}`;
  }
  return isOver(why) ? endSentence(why) : standstillSentence(why);
}

type Over = Exclude<
  Why,
  Standstill | { readonly code: 'needs-job' | 'joined' | 'building' | 'stopping' }
>;

function isOver(why: Over | Standstill): why is Over {
  return ENDS.has(why.code);
}

const ENDS: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled', 'skipped']);

function endSentence(why: Over): string {
  if (why.code === 'succeeded' && why.attempt === 0) {
    return 'is not built again: what it is made from and built with has not changed';
  }
  if (why.code === 'succeeded') {
    const took = why.tookMs === null ? '' : ` in ${span(why.tookMs)}`;
    const by = why.request === null ? '' : ` by request ${why.request}`;
    return `was built${by} on ${why.agent}${took}`;
  }
  if (why.code === 'failed') {
    return why.agent === null ? `failed: ${why.reason}` : `failed on ${why.agent}: ${why.reason}`;
  }
  return `${why.code === 'cancelled' ? 'was cancelled' : 'is not built'}: ${why.reason}`;
}

function neededSentence(why: Extract<Why, { readonly code: 'needs-job' }>): string {
  const { root, because } = why;
  const first = `waits for ${why.name}`;
  if (why.state === 'leased') {
    return `${first}, ${progressOf(why)}`;
  }
  if (root === null) {
    return because === null ? first : `${first}, which ${sentenceOf(because)}`;
  }
  const through = `${first}, which waits for ${root.name}`;
  if (root.state === 'leased') {
    return `${through}, ${progressOf(root)}`;
  }
  return because === null ? through : `${through}, which ${sentenceOf(because)}`;
}

function progressOf(job: NeededJob): string {
  const since = job.sinceMs === null ? '' : ` since ${span(job.sinceMs)}`;
  return `building on ${job.agent ?? 'an agent'}${since}${leftSentence(job.leftMs)}`;
}

function leftSentence(leftMs: number | null): string {
  if (leftMs === null) {
    return '';
  }
  return leftMs === 0 ? ', longer than it used to take' : `, about ${span(leftMs)} left`;
}

function standstillSentence(why: Standstill): string {
  switch (why.code) {
    case 'paused-request':
    case 'paused-profile': {
      const what = why.code === 'paused-request' ? 'its request' : `the profile ${why.profile}`;
      return `is held back: ${why.by} paused ${what} ${span(why.sinceMs)} ago (${why.reason})`;
    }
    case 'backing-off':
      return `is tried again in ${span(why.leftMs)}; attempt ${why.attempt} came to nothing`;
    case 'agents-busy':
    case 'one-giant-each':
    case 'next':
      return turnSentence(why);
    case 'no-agent':
    case 'no-fitting-agent':
    case 'agents-away':
    case 'agents-inactive':
      break;
  }
  return unfitSentence(why);
}

type Turn = Extract<Standstill, { readonly agents: readonly string[] }>;

function turnSentence(why: Turn): string {
  const names = list(why);
  if (why.code === 'next') {
    return `waits for an agent to ask for work; ${names} should soon`;
  }
  return why.code === 'agents-busy'
    ? `waits for an agent that fits to be free; ${names} ${isOne(why) ? 'is' : 'are'} building${free(why.freeInMs)}`
    : `waits until an agent that fits builds no other giant; ${names} ${isOne(why) ? 'does' : 'do'}${free(why.freeInMs)}`;
}

function unfitSentence(
  why: Exclude<Standstill, Turn | { readonly code: `paused-${string}` | 'backing-off' }>,
): string {
  const wanted = 'waits for an agent that fits';
  switch (why.code) {
    case 'no-agent':
      return 'waits for an agent; none has registered';
    case 'no-fitting-agent':
      return `${wanted}: ${each(why, ({ name, lacks }) => `${name} ${lacks.map(lackWords).join(' and ')}`)}`;
    case 'agents-away':
      return `${wanted}: ${each(why, ({ name, silentMs }) => `${name} has not been heard of for ${span(silentMs)}`)}`;
    case 'agents-inactive':
      break;
  }
  return `${wanted}: ${each(why, ({ name, state, reason }) => `${name} is ${state === 'drained' ? 'drained' : 'taken out'} (${reason})`)}`;
}

function free(freeInMs: number | null): string {
  if (freeInMs === null) {
    return '';
  }
  return freeInMs === 0 ? ', free any moment' : `, free in about ${span(freeInMs)}`;
}

function lackWords({ what, wanted, has }: Lack): string {
  return `${LACK_WORDS[what].replace('*', has)}, not ${wanted}`;
}

/** The star stands for what the agent has. */
const LACK_WORDS: Readonly<Record<Lack['what'], string>> = {
  profile: 'serves only *',
  executor: 'has the executors *',
  chost: 'builds for *',
  compiler: 'has the compiler *',
  memory: 'has * of memory',
  disk: 'has * of disk left',
  label: 'has the labels *',
};

interface Some<T> {
  readonly agents: readonly T[];
  readonly others: number;
}

function each<T>({ agents, others }: Some<T>, show: (agent: T) => string): string {
  const more = others === 0 ? [] : [`${others} more likewise`];
  return [...agents.map(show), ...more].join('; ');
}

const NAMED = 3;

function list({ agents, others }: Some<string>): string {
  const rest = others + Math.max(0, agents.length - NAMED);
  const names = agents.slice(0, NAMED).join(', ');
  return rest === 0 ? names : `${names} and ${rest} more`;
}

function isOne({ agents, others }: Some<string>): boolean {
  return agents.length + others === 1;
}

const SECOND_MS = 1000;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `40 s`, `4 min`, `2 h 5 min`, `3 d 4 h`. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / SECOND_MS));
  if (seconds < MINUTE) {
    return `${seconds} s`;
  }
  if (seconds < HOUR) {
    return `${Math.round(seconds / MINUTE)} min`;
  }
  return seconds < DAY
    ? twoUnits(Math.round(seconds / MINUTE), 60, ['h', 'min'])
    : twoUnits(Math.round(seconds / HOUR), 24, ['d', 'h']);
}

function twoUnits(count: number, per: number, [large, small]: readonly [string, string]): string {
  const rest = count % per;
  return `${Math.floor(count / per)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`;
}
