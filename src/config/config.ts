import type { LogLevel } from '../support/log.ts';
import type { FleetSettings } from './fleet-section.ts';

/** Everything that can be set, checked and complete. `docs/rookery.example.toml` documents each key. */
export interface Config {
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** When the port is taken, use the next free one instead of failing. */
    readonly nextFreePort: boolean;
    /** How clients reach this server, without a trailing slash; null means `http://<host>:<port>`. */
    readonly publicUrl: string | null;
    readonly maxUploadBytes: number;
    /** PEM files; null means that connections are not encrypted. */
    readonly tls: { readonly certificate: string; readonly key: string } | null;
  };
  /** The rsync daemon of the mirror root, which is a service of its own. */
  readonly rsync: {
    /** How nodes reach it, without a trailing slash; null: not at all. */
    readonly publicUrl: string | null;
    /** Where it listens; null: on every address. */
    readonly address: string | null;
    readonly port: number;
    /** Who may connect, in the words of rsyncd.conf; empty: everybody. */
    readonly hostsAllow: readonly string[];
    readonly maxConnections: number;
    /** What it reads files as, where it is started as root. */
    readonly user: string;
    readonly group: string;
  };
  readonly paths: {
    readonly state: string;
    readonly mirrorRoot: string;
    readonly profiles: string;
  };
  /** A `postgres://` URL; null means a file of SQLite in the state folder. */
  readonly database: { readonly url: string | null };
  readonly log: { readonly level: LogLevel };
  readonly signing: {
    readonly name: string;
    readonly email: string;
    readonly validDays: number;
    /** A file with the passphrase of the secret key; null keeps the key unprotected, readable by the owner only. */
    readonly passphraseFile: string | null;
    /** Keys that gpg keeps, in its agent or on a card; null: none. */
    readonly gpg: {
      readonly program: string;
      readonly home: string;
      /** Fingerprint of the first key of an installation; empty: it is made here. */
      readonly key: string;
      readonly timeoutMs: number;
    } | null;
  };
  readonly builds: {
    readonly leaseMs: number;
    readonly heartbeatMs: number;
    /** Attempts at one job before it has failed for good, when agents vanish or cannot build. */
    readonly maxAttempts: number;
    readonly maxLogBytes: number;
    /** The wait before a job that failed or was lost is tried again: the first, and the longest. */
    readonly retry: { readonly initialMs: number; readonly maximumMs: number };
    /** When an agent is taken out, and how long after that it gets a job on trial. */
    readonly breaker: { readonly failures: number; readonly trialMs: number };
    /** What a build may take where its profile says nothing else, and earlier builds did not take a quarter of it. */
    readonly limits: {
      readonly silenceMs: number;
      readonly runMs: number;
      readonly logBytes: number;
      readonly diskBytes: number;
    };
  };
  readonly housekeeping: {
    /** Cron expression, local time. */
    readonly schedule: string;
    /** Packed sources that no open request needs are removed when they are older than this. */
    readonly leftoverHours: number;
    /** Build logs are removed so many days after their request has ended. */
    readonly logDays: number;
    /** What came of attempts is forgotten so many days after they ended. */
    readonly historyDays: number;
    /** Whether housekeeping collects what the profiles do not keep. */
    readonly collect: boolean;
  };
  readonly disk: {
    /** Uploads that would leave less are refused; 0: none are for that. */
    readonly keepFreeBytes: number;
    readonly warnBelowBytes: number;
  };
  /** How nodes, balancers, caches and people are reached in rollouts. */
  readonly fleet: FleetSettings;
}
