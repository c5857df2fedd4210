import * as z from 'zod';
import type { DocumentKeys } from '../../gentoo/document-faults.ts';
import { NAME_PATTERN } from '../../gentoo/profile.ts';
import { policyDuration } from '../../gentoo/promotion-policy.ts';
import { isWholeText } from '../../gentoo/whitespace.ts';
import { isTimeZone } from '../../support/cron.ts';

/** What stands in the name of a site, a farm or a node; those of nodes are the names of their tokens too. */
export const FLEET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const FLEET_NAME_RULE =
  'has to be of letters, digits, ".", "_" and "-", at most 64, the first a letter or digit';
export const WEB_SERVERS = ['nginx', 'apache', 'apache-mod-php'] as const;
export const MAX_INDEX = 99;

const DAY_NAMES = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const DAY_RULE = 'has to be days such as "mon-fri", "sat,sun" or "daily"';
const TIME = /^(?:[01][0-9]|2[0-3]):[0-5][0-9]$/;
const USER = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;
const SOCKET =
  /^(?:tcp:\/\/(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}|ssh:\/\/(?:[A-Za-z_][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?\/[^\s/][^\s]*)$/;
const PORT_RULE = 'has to be a number from 1 to 65535';
const MAX_LINE = 1000;
const MAX_LIST = 100;
const MAX_WEIGHT = 1000;

const line = z
  .string()
  .min(1, 'may not be empty')
  .max(MAX_LINE, `may have at most ${MAX_LINE} characters`)
  .refine(isWholeText, 'has to be one line without control characters');

function whole(min: number, max: number) {
  const rule = `has to be a whole number from ${min} to ${max}`;
  return z.number({ error: rule }).int(rule).min(min, rule).max(max, rule);
}

const backend = line.regex(
  /^[A-Za-z0-9_.:{}-]+$/,
  'has to be the name of a backend; {farm} stands for the farm',
);

/** What a member may be told itself, and what it gets from the nearest table around it that says so. */
const memberKeys = {
  /** Where ssh reaches it; `{name}`, `{farm}`, `{site}`, `{index}`, `{index+100}` are replaced. */
  address: line.exactOptional(),
  'ssh-port': z
    .number({ error: PORT_RULE })
    .int(PORT_RULE)
    .min(1, PORT_RULE)
    .max(65_535, PORT_RULE)
    .exactOptional(),
  'ssh-user': line.regex(USER, 'has to be the name of a user').exactOptional(),
  profile: line
    .regex(NAME_PATTERN, 'has to be the name of a hardware profile of the farm')
    .exactOptional(),
  'web-server': z.enum(WEB_SERVERS).exactOptional(),
  rack: line.exactOptional(),
  weight: z
    .number()
    .gt(0, 'has to be more than 0')
    .max(MAX_WEIGHT, `may be at most ${MAX_WEIGHT}`)
    .exactOptional(),
  eager: z.boolean().exactOptional(),
};

/** What a farm may be told itself or get from `defaults`. */
const farmKeys = {
  memcached: z
    .array(line, { error: 'has to be a list such as ["10.1.7.250:11211"]' })
    .max(MAX_LIST)
    .exactOptional(),
  'max-out': whole(1, MAX_INDEX).exactOptional(),
};

const memberDocumentSchema = z.strictObject({
  ...memberKeys,
  index: whole(1, MAX_INDEX).exactOptional(),
});
const defaultsDocumentSchema = z.strictObject({ ...memberKeys, ...farmKeys });
const farmDocumentSchema = z.strictObject({
  ...memberKeys,
  ...farmKeys,
  'min-serving': whole(0, MAX_INDEX).exactOptional(),
  /** `web7-[01-16]`, or a list of such patterns and of names. */
  members: z.union([line, z.array(line).min(1, 'needs at least one member').max(MAX_LIST)], {
    error: 'has to be a pattern such as "web7-[01-16]", or a list of patterns and names',
  }),
  /** By name or pattern: what is different for them. */
  member: z.record(z.string(), memberDocumentSchema).exactOptional(),
});

const windowDocumentSchema = z.strictObject({
  days: z.string().check((context) => {
    if (daysOf(context.value) === undefined) {
      context.issues.push({ code: 'custom', message: DAY_RULE, input: context.value });
    }
  }),
  from: z.string().regex(TIME, 'has to be a time such as "22:30"'),
  to: z.string().regex(TIME, 'has to be a time such as "05:00"'),
});

const DRIVER_RULE = 'has to be "haproxy", "health-file" or "command"';
const haproxyDocumentSchema = z.strictObject({
  driver: z.literal('haproxy'),
  socket: z
    .string()
    .regex(
      SOCKET,
      'has to look like "tcp://HOST:PORT" or "ssh://USER@HOST/run/haproxy/admin.sock"',
    ),
  'member-backend': backend.exactOptional(),
  'farm-backends': z
    .tuple([backend, backend], { error: 'has to be two names: of the blue and the green backend' })
    .refine(([blue, green]) => blue !== green, 'names a backend twice')
    .exactOptional(),
});
const healthFileDocumentSchema = z.strictObject({
  driver: z.literal('health-file'),
  'noticed-after': policyDuration,
});
const commandDocumentSchema = z.strictObject({
  driver: z.literal('command'),
  command: z.array(line).min(1, 'needs a program').max(MAX_LIST),
});
const balancerDocumentSchema = z.discriminatedUnion(
  'driver',
  [haproxyDocumentSchema, healthFileDocumentSchema, commandDocumentSchema],
  { error: DRIVER_RULE },
);
export type BalancerDocument = z.infer<typeof balancerDocumentSchema>;

const siteDocumentSchema = z.strictObject({
  'peak-load': z
    .number()
    .gt(0, 'has to be more than 0 and at most 1')
    .max(1, 'has to be more than 0 and at most 1')
    .exactOptional(),
  session: policyDuration.exactOptional(),
  'time-zone': z
    .string()
    .refine(isTimeZone, 'has to be a time zone such as "Europe/Berlin" or "UTC"')
    .exactOptional(),
  window: z.array(windowDocumentSchema).max(MAX_LIST).exactOptional(),
  defaults: defaultsDocumentSchema.exactOptional(),
  balancer: z.record(z.string(), balancerDocumentSchema).exactOptional(),
  farm: z.record(z.string(), farmDocumentSchema).exactOptional(),
});

/** What one file says, before defaults and patterns are resolved. */
export const inventoryDocumentSchema = z.strictObject({
  defaults: defaultsDocumentSchema.exactOptional(),
  site: z.record(z.string(), siteDocumentSchema),
});
export type InventoryDocument = z.infer<typeof inventoryDocumentSchema>;
export type SiteDocument = z.infer<typeof siteDocumentSchema>;
export type FarmDocument = z.infer<typeof farmDocumentSchema>;
export type MemberDocument = z.infer<typeof memberDocumentSchema>;
export type DefaultsDocument = z.infer<typeof defaultsDocumentSchema>;

/** 1 Monday to 7 Sunday, sorted; undefined for what is not days. A range may go over Sunday: `sat-mon`. */
export function daysOf(text: string): number[] | undefined {
  const days = new Set<number>();
  for (const part of (text === 'daily' ? 'mon-sun' : text).split(',')) {
    const [first = 0, last = 0] = part.split('-').map((name) => dayNumber(name.trim()));
    const isRange = part.includes('-');
    if (first === 0 || (isRange && last === 0) || part.split('-').length > 2) {
      return undefined;
    }
    const length = isRange ? (last - first + 7) % 7 : 0;
    for (let step = 0; step <= length; step += 1) {
      days.add(((first - 1 + step) % 7) + 1);
    }
  }
  return [...days].toSorted((a, b) => a - b);
}

/** 0 for what is no day. */
function dayNumber(name: string): number {
  return DAY_NAMES.findIndex((day) => day === name) + 1;
}

const DRIVER_KEYS: Readonly<Record<BalancerDocument['driver'], readonly string[]>> = {
  haproxy: Object.keys(haproxyDocumentSchema.shape),
  'health-file': Object.keys(healthFileDocumentSchema.shape),
  command: Object.keys(commandDocumentSchema.shape),
};

/** The keys of each table of a document, for those tables that it has. */
export function keysOf(document: unknown): DocumentKeys {
  const keys: Record<string, readonly string[]> = {
    '': Object.keys(inventoryDocumentSchema.shape),
    defaults: Object.keys(defaultsDocumentSchema.shape),
  };
  for (const [name, site] of entriesOf(document, 'site')) {
    const at = `site.${name}`;
    keys[at] = Object.keys(siteDocumentSchema.shape);
    keys[`${at}.defaults`] = Object.keys(defaultsDocumentSchema.shape);
    for (const index of listOf(site, 'window').keys()) {
      keys[`${at}.window[${index}]`] = Object.keys(windowDocumentSchema.shape);
    }
    for (const [balancer, value] of entriesOf(site, 'balancer')) {
      const driver: unknown = memberOf(value, 'driver');
      keys[`${at}.balancer.${balancer}`] =
        Object.entries(DRIVER_KEYS).find(([known]) => known === driver)?.[1] ?? [];
    }
    for (const [farm, value] of entriesOf(site, 'farm')) {
      keys[`${at}.farm.${farm}`] = Object.keys(farmDocumentSchema.shape);
      for (const [member] of entriesOf(value, 'member')) {
        keys[`${at}.farm.${farm}.member.${member}`] = Object.keys(memberDocumentSchema.shape);
      }
    }
  }
  return keys;
}

function entriesOf(value: unknown, key: string): [string, unknown][] {
  const inner = memberOf(value, key);
  return typeof inner === 'object' && inner !== null ? Object.entries(inner) : [];
}

function listOf(value: unknown, key: string): readonly unknown[] {
  const inner = memberOf(value, key);
  return Array.isArray(inner) ? inner : [];
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
