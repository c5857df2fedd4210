import { dirname, relative, resolve } from 'node:path';
import { describeFaults, show } from '../gentoo/document-faults.ts';
import { AppError, messageOf } from '../support/errors.ts';
import { readTextIfPresent } from '../support/files.ts';
import { parseToml } from '../support/parse-toml.ts';
import { type CertainKeys, certainKeys } from './certain-keys.ts';
import {
  faultInCertificate,
  faultInHost,
  faultInPassphraseFile,
  faultInProfilesFolder,
} from './check-places.ts';
import type { Config } from './config.ts';
import { CONFIG_KEYS, type ConfigDocument, configDocumentSchema } from './config-document.ts';
import { type EnvironmentSettings, readEnvironment } from './environment.ts';
import { fleetSettings } from './fleet-section.ts';

export interface ConfigPlace {
  /** The configuration file; without one the defaults and the environment hold. */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

const MIB = 1024 * 1024;
const MINUTE = 60_000;

/**
 * The configuration: defaults, overridden by the file, overridden by the environment; checked completely and frozen.
 * Relative paths start at the folder of the file, or at `cwd` when there is none.
 *
 * What can be checked is, whatever is wrong with other keys; files, folders and the address are looked at too, and nothing
 * is made.
 *
 * Throws `config-invalid` with every fault, one a line, also as `details.faults`.
 */
export async function loadConfig({ file, env, cwd }: ConfigPlace): Promise<Config> {
  const path = file === undefined ? undefined : resolve(cwd, file);
  const label = file ?? 'the defaults';
  const read = await readDocument(path, label);
  const environment = readEnvironment(env);
  const document = overlay(read.value, environment);
  const { error } = configDocumentSchema.safeParse(document);
  const nameOf = (key: string): string | undefined => environment.variables.get(key);
  const faults = [...read.faults, ...environment.faults];
  if (error !== undefined) {
    faults.push(...describeFaults(error, document, { file: label, keys: CONFIG_KEYS, nameOf }));
  }
  const certain = certainKeys(document, error);
  const valid = configDocumentSchema.parse(certain.document);
  const config = toConfig(valid, path === undefined ? cwd : dirname(path));
  if (read.faults.length === 0) {
    const place = (key: string): string => nameOf(key) ?? `${label}: ${key}`;
    faults.push(...faultsBetweenKeys(valid, config, { label, has: certain.has }));
    faults.push(...(await faultsOfPlaces(valid, config, { place, has: certain.has })));
  }
  if (faults.length > 0) {
    throw invalid(faults);
  }
  return config;
}

async function readDocument(
  path: string | undefined,
  label: string,
): Promise<{
  readonly value: Readonly<Record<string, unknown>>;
  readonly faults: readonly string[];
}> {
  if (path === undefined) {
    return { value: {}, faults: [] };
  }
  try {
    const text = await readTextIfPresent(path);
    if (text === undefined) {
      return { value: {}, faults: [`There is no configuration file ${label}.`] };
    }
    const { value = {}, faults } = parseToml(text, label);
    return { value, faults };
  } catch (error) {
    return { value: {}, faults: [`${label} cannot be read: ${messageOf(error)}.`] };
  }
}

/** A section that is no table stays as it is, to be refused. */
function overlay(
  document: Readonly<Record<string, unknown>>,
  environment: EnvironmentSettings,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...document };
  for (const [section, values] of Object.entries(environment.sections)) {
    const present = merged[section] ?? {};
    if (typeof present === 'object' && !Array.isArray(present)) {
      merged[section] = { ...present, ...values };
    }
  }
  return merged;
}

function toConfig(document: ConfigDocument, folder: string): Config {
  const { http, paths, database, log, signing, builds } = document;
  const passphrase = signing['passphrase-file'];
  return Object.freeze({
    http: Object.freeze({
      host: http.host,
      port: http.port,
      nextFreePort: http['next-free-port'],
      publicUrl: http['public-url'].replace(/\/+$/, '') || null,
      maxUploadBytes: http['max-upload-mib'] * MIB,
      tls: tlsFiles(http, folder),
    }),
    rsync: rsyncSettings(document.rsync),
    paths: Object.freeze({
      state: resolve(folder, paths.state),
      mirrorRoot: resolve(folder, paths['mirror-root']),
      profiles: resolve(folder, paths.profiles),
    }),
    database: Object.freeze({ url: database.url || null }),
    log: Object.freeze({ level: log.level }),
    signing: Object.freeze({
      name: signing.name,
      email: signing.email,
      validDays: signing['valid-days'],
      passphraseFile: passphrase === '' ? null : resolve(folder, passphrase),
      gpg:
        signing['gpg-home'] === ''
          ? null
          : Object.freeze({
              program: signing['gpg-program'],
              home: resolve(folder, signing['gpg-home']),
              key: signing['gpg-key'],
              timeoutMs: signing['gpg-timeout-seconds'] * 1000,
            }),
    }),
    builds: buildSettings(builds),
    ...upkeepOf(document),
    fleet: fleetSettings(document.fleet, folder),
  });
}

function rsyncSettings(rsync: ConfigDocument['rsync']): Config['rsync'] {
  return Object.freeze({
    publicUrl: rsync['public-url'].replace(/\/$/, '') || null,
    address: rsync.address || null,
    port: rsync.port,
    hostsAllow: rsync['hosts-allow'].split(/ +/).filter((word) => word !== ''),
    maxConnections: rsync['max-connections'],
    user: rsync.user,
    group: rsync.group,
  });
}

function upkeepOf({ housekeeping, disk }: ConfigDocument): Pick<Config, 'housekeeping' | 'disk'> {
  return {
    housekeeping: Object.freeze({
      schedule: housekeeping.schedule,
      leftoverHours: housekeeping['leftover-hours'],
      logDays: housekeeping['log-days'],
      historyDays: housekeeping['history-days'],
      collect: housekeeping.collect,
    }),
    disk: Object.freeze({
      keepFreeBytes: disk['keep-free-mib'] * MIB,
      warnBelowBytes: disk['warn-below-mib'] * MIB,
    }),
  };
}

function buildSettings(builds: ConfigDocument['builds']): Config['builds'] {
  return Object.freeze({
    leaseMs: builds['lease-seconds'] * 1000,
    heartbeatMs: builds['heartbeat-seconds'] * 1000,
    maxAttempts: builds['max-attempts'],
    maxLogBytes: builds['max-log-mib'] * MIB,
    retry: Object.freeze({
      initialMs: builds['retry-seconds'] * 1000,
      maximumMs: builds['longest-retry-seconds'] * 1000,
    }),
    breaker: Object.freeze({
      failures: builds['failures-in-a-row'],
      trialMs: builds['trial-minutes'] * MINUTE,
    }),
    limits: Object.freeze({
      silenceMs: builds['silence-minutes'] * MINUTE,
      runMs: builds['run-minutes'] * MINUTE,
      logBytes: builds['max-log-mib'] * MIB,
      diskBytes: builds['disk-gib'] * 1024 * MIB,
    }),
  });
}

function tlsFiles(http: ConfigDocument['http'], folder: string): Config['http']['tls'] {
  const [certificate, key] = [http['tls-certificate'], http['tls-key']];
  return certificate === '' || key === ''
    ? null
    : Object.freeze({ certificate: resolve(folder, certificate), key: resolve(folder, key) });
}

function faultsBetweenKeys(
  document: ConfigDocument,
  config: Config,
  { label, has }: Pick<CertainKeys, 'has'> & { readonly label: string },
): string[] {
  const faults: string[] = [];
  const { 'lease-seconds': lease, 'heartbeat-seconds': heartbeat } = document.builds;
  const isKnown = has('builds', 'lease-seconds') && has('builds', 'heartbeat-seconds');
  if (isKnown && heartbeat * 2 > lease) {
    faults.push(
      `${label}: builds.heartbeat-seconds = ${heartbeat}: it may be at most half of builds.lease-seconds = ${lease}, or one lost heartbeat loses the lease.`,
    );
  }
  faults.push(...faultsOfTls(document.http, label));
  const { mirrorRoot, state, profiles } = config.paths;
  for (const [key, path] of [
    ['state', state],
    ['profiles', profiles],
  ] as const) {
    if (has('paths', key) && has('paths', 'mirror-root') && isInside(mirrorRoot, path)) {
      faults.push(
        `${label}: paths.${key} = ${show(document.paths[key])}: it lies in paths.mirror-root = ${show(document.paths['mirror-root'])}, where everybody can read it.`,
      );
    }
  }
  return faults;
}

function faultsOfTls(http: ConfigDocument['http'], label: string): string[] {
  const { 'tls-certificate': certificate, 'tls-key': key } = http;
  if ((certificate === '') === (key === '')) {
    return [];
  }
  const [given, missing] = key === '' ? ['certificate', 'key'] : ['key', 'certificate'];
  return [`${label}: http.tls-${given} is set, but http.tls-${missing} is not.`];
}

/** What only this machine can tell: whether files, folders and the address are there. */
async function faultsOfPlaces(
  { http, paths, signing }: ConfigDocument,
  config: Config,
  { place, has }: Pick<CertainKeys, 'has'> & { readonly place: (key: string) => string },
): Promise<string[]> {
  const { passphraseFile } = config.signing;
  const { tls } = config.http;
  const found = await Promise.all([
    has('http', 'host')
      ? faultAt(`${place('http.host')} = ${show(http.host)}`, faultInHost(http.host))
      : undefined,
    has('paths', 'profiles')
      ? faultAt(
          `${place('paths.profiles')} = ${show(paths.profiles)}`,
          faultInProfilesFolder(config.paths.profiles),
        )
      : undefined,
    has('http', 'tls-certificate') && has('http', 'tls-key') && tls !== null
      ? faultAt(
          `${place('http.tls-certificate')} = ${show(http['tls-certificate'])}`,
          faultInCertificate(tls),
        )
      : undefined,
    has('signing', 'passphrase-file') && passphraseFile !== null
      ? faultAt(
          `${place('signing.passphrase-file')} = ${show(signing['passphrase-file'])}`,
          faultInPassphraseFile(passphraseFile),
        )
      : undefined,
  ]);
  return found.filter((fault) => fault !== undefined);
}

async function faultAt(
  setting: string,
  finding: Promise<string | undefined>,
): Promise<string | undefined> {
  const fault = await finding;
  return fault === undefined ? undefined : `${setting}: ${fault}`;
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith('../');
}

function invalid(faults: readonly string[]): AppError {
  const lines = faults.map((fault) => `\n  ${fault}`);
  return new AppError('config-invalid', `The configuration is not valid:${lines.join('')}`, {
    details: { faults },
  });
}
