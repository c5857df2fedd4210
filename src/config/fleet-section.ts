import { resolve } from 'node:path';
import * as z from 'zod';
import { isWholeText } from '../gentoo/whitespace.ts';

const optional = z.string().refine(isWholeText, 'has to be one line without control characters');

function whole(minimum: number, maximum: number) {
  const rule = `has to be a whole number from ${minimum} to ${maximum}`;
  return z.number({ error: rule }).int(rule).min(minimum, rule).max(maximum, rule);
}

function isAddress(value: string): boolean {
  return value === '' || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol));
}

/** `[fleet]` of the configuration file: how nodes, balancers, caches and people are reached. */
export const fleetSection = z.strictObject({
  'ssh-identity': optional.default(''),
  'ssh-known-hosts': optional.default(''),
  'ssh-config': optional.default(''),
  'ssh-connect-seconds': whole(1, 300).default(10),
  'ssh-keep-seconds': whole(1, 86_400).default(120),
  'node-program': optional
    .regex(
      /^[A-Za-z0-9._/+@,=%: -]+$/,
      'has to be plain words with blanks between them: letters, digits and . _ / + @ , = % : -',
    )
    .default('/usr/local/sbin/rookery-step'),
  'node-command': optional.default(''),
  'nodes-at-once': whole(1, 1000).default(64),
  'call-seconds': whole(1, 3600).default(60),
  'grace-seconds': whole(1, 86_400).default(300),
  'webhook-file': optional.default(''),
  'mail-server': optional
    .regex(/^(?:[A-Za-z0-9.-]+:[0-9]{1,5})?$/, 'has to be HOST:PORT, or empty')
    .default(''),
  'mail-to': optional.default(''),
  'mail-from': optional.default('rookery@localhost'),
  'mail-tls': z.boolean().default(false),
  'mail-user': optional.default(''),
  'mail-password-file': optional.default(''),
  'alerts-url': optional.refine(isAddress, 'has to be an http:// or https:// address').default(''),
  'alerts-command': optional.default(''),
  'sample-seconds': whole(1, 3600).default(20),
  'sample-requests': whole(1, 1_000_000).default(50),
});

/** How the fleet is reached. Paths are absolute; what is not set is null. */
export interface FleetSettings {
  readonly ssh: {
    readonly identityFile: string | null;
    /** Null: `fleet/known-hosts` in the state folder. */
    readonly knownHostsFile: string | null;
    readonly configFile: string | null;
    readonly connectTimeoutSeconds: number;
    readonly keepSeconds: number;
  };
  /** What `rookery-step` is called as on nodes, in words. */
  readonly nodeProgram: readonly string[];
  /** A command that reaches nodes in the place of ssh; null: ssh does. */
  readonly nodeCommand: readonly string[] | null;
  readonly nodesAtOnce: number;
  readonly callTimeoutMs: number;
  /** How much longer than its own time a step on a node may stay unknown before its unit is held. */
  readonly graceSeconds: number;
  /** A file with the webhook's address, which may have a secret in it. */
  readonly webhookFile: string | null;
  readonly mail: {
    readonly host: string;
    readonly port: number;
    readonly isTls: boolean;
    readonly account: { readonly user: string; readonly passwordFile: string } | null;
    readonly from: string;
    readonly to: readonly string[];
  } | null;
  readonly alerts:
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'command'; readonly command: readonly string[] }
    | null;
  readonly sampleMs: number;
  readonly sampleRequests: number;
}

/** @param folder - what relative paths start at */
export function fleetSettings(
  section: z.infer<typeof fleetSection>,
  folder: string,
): FleetSettings {
  const path = (text: string): string | null => (text === '' ? null : resolve(folder, text));
  const command = wordsOf(section['node-command']);
  return Object.freeze({
    ssh: Object.freeze({
      identityFile: path(section['ssh-identity']),
      knownHostsFile: path(section['ssh-known-hosts']),
      configFile: path(section['ssh-config']),
      connectTimeoutSeconds: section['ssh-connect-seconds'],
      keepSeconds: section['ssh-keep-seconds'],
    }),
    nodeProgram: wordsOf(section['node-program']),
    nodeCommand: command.length === 0 ? null : command,
    nodesAtOnce: section['nodes-at-once'],
    callTimeoutMs: section['call-seconds'] * 1000,
    graceSeconds: section['grace-seconds'],
    webhookFile: path(section['webhook-file']),
    mail: mailSettings(section, path),
    alerts: alertSettings(section),
    sampleMs: section['sample-seconds'] * 1000,
    sampleRequests: section['sample-requests'],
  });
}

function mailSettings(
  section: z.infer<typeof fleetSection>,
  path: (text: string) => string | null,
): FleetSettings['mail'] {
  const [host = '', port = ''] = section['mail-server'].split(':');
  const to = wordsOf(section['mail-to']);
  if (host === '' || to.length === 0) {
    return null;
  }
  const passwordFile = path(section['mail-password-file']);
  return Object.freeze({
    host,
    port: Number(port),
    isTls: section['mail-tls'],
    account:
      section['mail-user'] === '' || passwordFile === null
        ? null
        : Object.freeze({ user: section['mail-user'], passwordFile }),
    from: section['mail-from'],
    to,
  });
}

function alertSettings(section: z.infer<typeof fleetSection>): FleetSettings['alerts'] {
  if (section['alerts-url'] !== '') {
    return Object.freeze({ kind: 'url', url: section['alerts-url'] });
  }
  const command = wordsOf(section['alerts-command']);
  return command.length === 0 ? null : Object.freeze({ kind: 'command', command });
}

function wordsOf(text: string): readonly string[] {
  return Object.freeze(text.split(/ +/).filter((word) => word !== ''));
}
