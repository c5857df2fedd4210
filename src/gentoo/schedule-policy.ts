import * as z from 'zod';
import { cronFault, isTimeZone } from '../support/cron.ts';
import { isAppError } from '../support/errors.ts';
import { parseAtom } from './atom.ts';
import { show } from './document-faults.ts';
import { suggestion } from './nearest-word.ts';
import { PORTAGE_SETS } from './portage-sets.ts';
import {
  isProofNeeded,
  type PromotionPolicy,
  policyDuration,
  policyDurationMs,
} from './promotion-policy.ts';
import { RESOLVE_OPTIONS } from './resolve-options.ts';

/** What stands in the name of a schedule; it is part of URLs. */
export const SCHEDULE_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const ACTIONS = ['request', 'check', 'collect'] as const;
const MISSED = ['run-once', 'skip'] as const;
const MAX_ATOMS = 1000;
/** As of requests. */
const MAX_PRIORITY = 10;
const PRIORITY_RULE = `has to be a whole number from -${MAX_PRIORITY} to ${MAX_PRIORITY}`;

export const scheduledWorkSchema = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('request'),
    /** Atoms and @sets; empty with `rebuildFor`. */
    atoms: z.array(z.string()),
    publish: z.string().nullable(),
    /** When not everything can be published, what breaks nothing is. Runs of an older Rookery say nothing. */
    partial: z.boolean().default(false),
    /** What the gate of this channel wants rebuilt. Runs of an older Rookery say nothing. */
    rebuildFor: z.string().nullable().default(null),
    /** The ebuild trees are synced before the plan is made. Runs of an older Rookery say nothing. */
    sync: z.boolean().default(false),
    /** Build the named packages again even if the repository has them. */
    rebuild: z.boolean(),
    /** Runs of an older Rookery have none. */
    resolve: z.array(z.enum(RESOLVE_OPTIONS)).default([]),
    /** Packages that are blocked are tried again. */
    retry: z.boolean(),
    /** From -10 to 10; 0 is the rule. */
    priority: z.number().int(),
  }),
  z.strictObject({ do: z.literal('check'), deep: z.boolean() }),
  z.strictObject({ do: z.literal('collect') }),
]);
export type ScheduledWork = z.infer<typeof scheduledWorkSchema>;

/** When a profile has something done by itself, and what. All times are in milliseconds. */
export const schedulePolicySchema = z.strictObject({
  /** Five fields, or six with seconds. */
  cron: z.string(),
  timeZone: z.string(),
  /** A run begins up to so much later than the expression says. */
  jitterMs: z.number().int().min(0),
  /** A run that could begin only so much later has been missed. */
  graceMs: z.number().int().min(0),
  missed: z.enum(MISSED),
  work: scheduledWorkSchema,
});
export type SchedulePolicy = z.infer<typeof schedulePolicySchema>;

const cronText = z.string().check((context) => {
  const fault = cronFault(context.value);
  if (fault !== undefined) {
    const message = `has to be a cron expression such as "30 2 * * *", and this ${fault}`;
    context.issues.push({ code: 'custom', message, input: context.value });
  }
});

/** A table `[schedule.<name>]` of a profile.toml. */
export const scheduleDocumentSchema = z.strictObject({
  cron: cronText.exactOptional(),
  'time-zone': z
    .string()
    .refine(isTimeZone, 'has to be a time zone such as "Europe/Berlin" or "UTC"')
    .exactOptional(),
  jitter: policyDuration.exactOptional(),
  grace: policyDuration.exactOptional(),
  missed: z.enum(MISSED).exactOptional(),
  do: z.enum(ACTIONS).exactOptional(),
  /** Switches off what a profile inherits. */
  enabled: z.boolean().exactOptional(),
  atoms: z
    .array(z.string())
    .min(1, 'needs at least one atom or @set')
    .max(MAX_ATOMS, `may have at most ${MAX_ATOMS} words`)
    .exactOptional(),
  publish: z.string().exactOptional(),
  partial: z.boolean().exactOptional(),
  'rebuild-for': z.string().exactOptional(),
  sync: z.boolean().exactOptional(),
  rebuild: z.boolean().exactOptional(),
  resolve: z.array(z.enum(RESOLVE_OPTIONS)).exactOptional(),
  retry: z.boolean().exactOptional(),
  priority: z
    .number({ error: PRIORITY_RULE })
    .int(PRIORITY_RULE)
    .min(-MAX_PRIORITY, PRIORITY_RULE)
    .max(MAX_PRIORITY, PRIORITY_RULE)
    .exactOptional(),
  deep: z.boolean().exactOptional(),
});
export type ScheduleDocument = z.infer<typeof scheduleDocumentSchema>;
export type Schedules = Readonly<Record<string, ScheduleDocument>>;
export const SCHEDULE_KEYS = Object.keys(scheduleDocumentSchema.shape);

/** Keys that only one kind of work knows. */
const OWN_KEYS = {
  request: [
    'atoms',
    'publish',
    'partial',
    'rebuild-for',
    'sync',
    'rebuild',
    'resolve',
    'retry',
    'priority',
  ],
  check: ['deep'],
  collect: [],
} as const satisfies Record<(typeof ACTIONS)[number], readonly (keyof ScheduleDocument)[]>;

/** One over the other, key by key of each schedule. */
export function mergeSchedules(base: Schedules, over: Schedules): Schedules {
  const merged: Record<string, ScheduleDocument> = { ...base };
  for (const [name, document] of Object.entries(over)) {
    merged[name] = { ...merged[name], ...document };
  }
  return merged;
}

/** What a schedule may name. */
interface Place {
  readonly file: string;
  readonly executor: 'portage' | 'source';
  readonly channels: readonly string[];
  readonly promotion?: Readonly<Record<string, PromotionPolicy>>;
  readonly sets: Readonly<Record<string, readonly string[]>>;
}

/** Sentences for schedules that are not whole, or name what the profile does not have. */
export function faultsInSchedules(schedules: Schedules, place: Place): string[] {
  return Object.entries(schedules).flatMap(([name, document]) => {
    const key = `${place.file}: schedule.${name}`;
    const missing = (['cron', 'time-zone', 'do'] as const)
      .filter((one) => document[one] === undefined)
      .map((one) => `${key}.${one} is missing, here and in what it extends.`);
    return [...missing, ...foreignKeys(key, document), ...faultsInRequest(key, document, place)];
  });
}

function foreignKeys(key: string, document: ScheduleDocument): string[] {
  const { do: action } = document;
  if (action === undefined) {
    return [];
  }
  const own: readonly string[] = OWN_KEYS[action];
  return Object.values(OWN_KEYS)
    .flat()
    .filter((one) => document[one] !== undefined && !own.includes(one))
    .map((one) => `${key}.${one} = ${show(document[one])}: do = ${show(action)} does not know it.`);
}

function faultsInRequest(key: string, document: ScheduleDocument, place: Place): string[] {
  const { do: action, publish } = document;
  if (action !== 'request') {
    return [];
  }
  const faults = [
    ...faultsInWanted(key, document, place),
    ...faultsWithoutResolver(key, document, place),
    ...faultInChannel(publish, `${key}.publish`, place),
  ];
  if (document.partial === true && publish === undefined) {
    faults.push(`${key}.partial = true: a part can only be published on a channel: give publish.`);
  }
  if (publish !== undefined && place.channels.includes(publish) && isProofNeeded(place, publish)) {
    faults.push(
      `${key}.publish = ${show(publish)}: this channel needs proof, which nobody can have for what is only to be built.`,
    );
  }
  return faults;
}

/** It names what is to be built, or the channel whose gate does; all of what the gate names is built again. */
function faultsInWanted(key: string, document: ScheduleDocument, place: Place): string[] {
  const { atoms, 'rebuild-for': channel } = document;
  const faults = (atoms ?? []).flatMap((word) => faultInWord(word, `${key}.atoms`, place));
  if (atoms === undefined && channel === undefined) {
    faults.push(`${key}.atoms is missing: do = "request" needs it, or rebuild-for.`);
  }
  if (atoms !== undefined && channel !== undefined) {
    faults.push(
      `${key}.rebuild-for = ${show(channel)}: it names all that is built; give atoms to a schedule of their own.`,
    );
  }
  return [...faults, ...faultInChannel(channel, `${key}.rebuild-for`, place)];
}

function faultInChannel(channel: string | undefined, key: string, { channels }: Place): string[] {
  return channel === undefined || channels.includes(channel)
    ? []
    : [`${key} = ${show(channel)}: there is no such channel.${suggestion(channel, channels)}`];
}

/** Recipes have no installed packages that could be newer, and no ebuild tree. */
function faultsWithoutResolver(
  key: string,
  { resolve = [], sync = false }: ScheduleDocument,
  { executor }: Place,
): string[] {
  if (executor === 'portage') {
    return [];
  }
  const without = `executor = ${show(executor)} builds recipes, not ebuilds: there is`;
  return [
    ...(resolve.length === 0 ? [] : [`${key}.resolve = ${show(resolve)}: ${without} no resolver.`]),
    ...(sync ? [`${key}.sync = true: ${without} no tree to sync.`] : []),
  ];
}

function faultInWord(word: string, key: string, { sets }: Place): string[] {
  if (word.startsWith('@')) {
    const known = [...Object.keys(sets), ...PORTAGE_SETS].map((name) => `@${name}`);
    return known.includes(word)
      ? []
      : [`${key}: ${show(word)}: there is no such set.${suggestion(word, known)}`];
  }
  return isBuildable(word) ? [] : [`${key}: ${show(word)} names no package that can be built.`];
}

function isBuildable(word: string): boolean {
  try {
    const { blocker, isWildcard } = parseAtom(word);
    return blocker === '' && !isWildcard;
  } catch (error) {
    if (isAppError(error)) {
      return false;
    }
    throw error;
  }
}

const DEFAULT_GRACE = '15m';

/** The schedules that are switched on, by name, of documents without faults. */
export function schedulesOf(schedules: Schedules): Record<string, SchedulePolicy> {
  return Object.fromEntries(
    Object.entries(schedules)
      .filter(([, { enabled = true }]) => enabled)
      .map(([name, document]) => [name, policyOf(document)]),
  );
}

function policyOf(document: ScheduleDocument): SchedulePolicy {
  const { cron = '', jitter = '0s', grace = DEFAULT_GRACE, missed = 'run-once' } = document;
  return {
    cron,
    timeZone: document['time-zone'] ?? '',
    jitterMs: policyDurationMs(jitter),
    graceMs: policyDurationMs(grace),
    missed,
    work: workOf(document),
  };
}

function workOf(document: ScheduleDocument): ScheduledWork {
  if (document.do === 'check') {
    return { do: 'check', deep: document.deep ?? false };
  }
  return document.do === 'collect' ? { do: 'collect' } : requestOf(document);
}

function requestOf(document: ScheduleDocument): ScheduledWork {
  const { atoms = [], publish = null, 'rebuild-for': rebuildFor = null } = document;
  const { partial = false, sync = false, rebuild = false, retry = false } = document;
  const { priority = 0, resolve = [] } = document;
  return {
    do: 'request',
    atoms,
    publish,
    partial,
    rebuildFor,
    sync,
    rebuild,
    resolve,
    retry,
    priority,
  };
}

/** `30 2 * * * (Europe/Berlin)` */
export function formatCron({ cron, timeZone }: SchedulePolicy): string {
  return `${cron} (${timeZone})`;
}

/** `builds @world and publishes it on testing` */
export function formatWork(work: ScheduledWork): string {
  if (work.do === 'request') {
    const { rebuild, resolve, publish, partial, rebuildFor, sync } = work;
    const gate = rebuildFor === null ? [] : [`what the gate of ${rebuildFor} wants`];
    const words = [...resolve.map((option) => `--${option}`), ...work.atoms, ...gate];
    const before = sync ? 'syncs the ebuild trees, ' : '';
    const verb = rebuild || rebuildFor !== null ? 'rebuilds' : 'builds';
    const after =
      publish === null ? '' : ` and publishes ${partial ? 'at least a part' : 'it'} on ${publish}`;
    return `${before}${verb} ${words.join(' ')}${after}`;
  }
  if (work.do === 'check') {
    return work.deep ? 'checks the repository, every byte' : 'checks the repository';
  }
  return 'removes what the profile does not keep';
}
