import * as z from 'zod';
import type { DocumentKeys } from '../gentoo/document-faults.ts';
import { isWholeText } from '../gentoo/whitespace.ts';
import { LOG_LEVELS } from '../support/log.ts';
import { isCronExpression } from '../support/schedule.ts';
import { fleetSection } from './fleet-section.ts';

const text = z
  .string()
  .min(1, 'may not be empty')
  .max(4000, 'may have at most 4000 characters')
  .refine(isWholeText, 'has to be one line without control characters');
const HOST = /^(?:[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?)$/;
const ACCOUNT = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const EMAIL = /^[^\s<>@]+@[^\s<>@]+$/;
/** The longest that timers of Node can wait for, in days. */
const MAX_DAYS = 24;

function whole(minimum: number, maximum: number) {
  const rule = `has to be a whole number from ${minimum} to ${maximum}`;
  return z.number({ error: rule }).int(rule).min(minimum, rule).max(maximum, rule);
}

function isPublicUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  return isHttp && url.search === '' && url.hash === '' && url.username === '';
}

function isDatabaseAddress(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return /^postgres(ql)?:$/.test(url?.protocol ?? '') && (url?.pathname.length ?? 0) > 1;
}

const optionalPath = z
  .string()
  .refine(isWholeText, 'has to be one line without control characters');

const httpSection = z.strictObject({
  host: text.regex(HOST, 'has to be a host name or an address').default('127.0.0.1'),
  port: whole(0, 65_535).default(8700),
  'next-free-port': z.boolean().default(false),
  'public-url': z
    .string()
    .refine(
      (value) => value === '' || isPublicUrl(value),
      'has to be an http:// or https:// address without "?", "#" and user, or empty',
    )
    .default(''),
  'max-upload-mib': whole(1, 1024 * 1024).default(8192),
  'tls-certificate': optionalPath.default(''),
  'tls-key': optionalPath.default(''),
});

const rsyncSection = z.strictObject({
  'public-url': z
    .string()
    .regex(
      /^(?:rsync:\/\/[A-Za-z0-9.-]+(?::[0-9]{1,5})?\/?)?$/,
      'has to be rsync://HOST or rsync://HOST:PORT, or empty',
    )
    .default(''),
  address: z
    .string()
    .regex(/^[0-9A-Fa-f:.]*$/, 'has to be an address, or empty')
    .default(''),
  port: whole(1, 65_535).default(873),
  'hosts-allow': z
    .string()
    .regex(
      /^[A-Za-z0-9:.*/ -]*$/,
      'has to be addresses, networks such as 10.0.0.0/8, or names, with blanks between them',
    )
    .default(''),
  'max-connections': whole(1, 100_000).default(200),
  user: text.regex(ACCOUNT, 'has to be the name or number of an account').default('65534'),
  group: text.regex(ACCOUNT, 'has to be the name or number of a group').default('65534'),
});

const pathsSection = z.strictObject({
  state: text.default('state'),
  'mirror-root': text.default('mirror-root'),
  profiles: text.default('profiles'),
});

const databaseSection = z.strictObject({
  url: optionalPath
    .refine(
      (value) => value === '' || isDatabaseAddress(value),
      'has to be postgres://USER@HOST/DATABASE, or empty',
    )
    .default(''),
});

const logSection = z.strictObject({ level: z.enum(LOG_LEVELS).default('info') });

const signingSection = z.strictObject({
  name: text
    .regex(/^[^<>()@]+$/, 'may not have "<", ">", "(", ")" or "@" in it')
    .default('Rookery'),
  email: text.regex(EMAIL, 'has to be an e-mail address').default('rookery@localhost'),
  'valid-days': whole(1, 36_500).default(1825),
  'passphrase-file': optionalPath.default(''),
  'gpg-home': optionalPath.default(''),
  'gpg-key': z
    .string()
    .regex(
      /^(?:(?:0x)?[0-9A-Fa-f]{40}!?)?$/,
      'has to be a fingerprint of 40 digits, with "!" after that of a subkey that has to be the one, or empty',
    )
    .default(''),
  'gpg-program': text.default('gpg'),
  'gpg-timeout-seconds': whole(1, 3600).default(60),
});

const buildsSection = z.strictObject({
  'lease-seconds': whole(1, MAX_DAYS * 86_400).default(60),
  'heartbeat-seconds': whole(1, MAX_DAYS * 86_400).default(15),
  'max-attempts': whole(1, 100).default(3),
  'max-log-mib': whole(1, 4096).default(64),
  'retry-seconds': whole(0, MAX_DAYS * 86_400).default(30),
  'longest-retry-seconds': whole(0, MAX_DAYS * 86_400).default(1800),
  'failures-in-a-row': whole(1, 1000).default(3),
  'trial-minutes': whole(1, MAX_DAYS * 1440).default(60),
  'silence-minutes': whole(1, MAX_DAYS * 1440).default(120),
  'run-minutes': whole(1, MAX_DAYS * 1440).default(600),
  'disk-gib': whole(1, 1_000_000).default(64),
});

const housekeepingSection = z.strictObject({
  schedule: text
    .refine(isCronExpression, 'has to be a cron expression such as "17 3 * * *"')
    .default('17 3 * * *'),
  'leftover-hours': whole(1, 24 * 365).default(24),
  'log-days': whole(1, 36_500).default(90),
  'history-days': whole(1, 36_500).default(1095),
  collect: z.boolean().default(true),
});

const diskSection = z.strictObject({
  'keep-free-mib': whole(0, 1024 * 1024).default(512),
  'warn-below-mib': whole(0, 16 * 1024 * 1024).default(4096),
});

/** The configuration file, with the default of each key beside it. */
export const configDocumentSchema = z.strictObject({
  http: httpSection.prefault({}),
  rsync: rsyncSection.prefault({}),
  paths: pathsSection.prefault({}),
  database: databaseSection.prefault({}),
  log: logSection.prefault({}),
  signing: signingSection.prefault({}),
  builds: buildsSection.prefault({}),
  housekeeping: housekeepingSection.prefault({}),
  disk: diskSection.prefault({}),
  fleet: fleetSection.prefault({}),
});
export type ConfigDocument = z.infer<typeof configDocumentSchema>;

/** Keys by section, for "did you mean" and for the names of environment variables. */
export const CONFIG_KEYS: DocumentKeys = {
  '': Object.keys(configDocumentSchema.shape),
  http: Object.keys(httpSection.shape),
  rsync: Object.keys(rsyncSection.shape),
  paths: Object.keys(pathsSection.shape),
  database: Object.keys(databaseSection.shape),
  log: Object.keys(logSection.shape),
  signing: Object.keys(signingSection.shape),
  builds: Object.keys(buildsSection.shape),
  housekeeping: Object.keys(housekeepingSection.shape),
  disk: Object.keys(diskSection.shape),
  fleet: Object.keys(fleetSection.shape),
};
