import type { AnyPackageSigner } from '../binpkg/package-signer.ts';
import type { Database } from '../database/database.ts';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import type { Journal } from '../journal/journal.ts';
import type { Clock } from '../support/clock.ts';
import type { Locks } from '../support/locks.ts';
import type { Log } from '../support/log.ts';
import type { DamagedPackage } from './check/file-check-store.ts';
import type { ReportedBase } from './gate/reported-base.ts';
import type { SnapshotChecker } from './gate/snapshot-checker.ts';
import type { TreeNeeds } from './gate/tree-findings.ts';
import type { Intents } from './intents.ts';
import type { Layout } from './layout.ts';
import type { Pool } from './pool.ts';
import type { TemporaryFiles } from './temporary-files.ts';

/** What the use cases of this room work with. */
export interface RepositoryContext {
  readonly database: Database;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly locks: Locks;
  /** The key that signs now. Hold on to it for one package: all its signatures have to be by one key. */
  readonly signer: () => AnyPackageSigner;
  readonly profiles: ProfileCatalog;
  readonly layout: Layout;
  readonly pool: Pool;
  readonly intents: Intents;
  readonly uploads: TemporaryFiles;
  /** Packages that are being signed, on the file system of the pool. */
  readonly unfinished: TemporaryFiles;
  readonly version: string;
  readonly checker: SnapshotChecker;
  readonly reported: ReportedBase;
  /** PHP trees that nodes of a profile may fetch, and what they need of the system. */
  readonly consumers: (profile: string) => Promise<readonly TreeNeeds[]>;
  /** Fingerprints of the keys whose signatures nodes accept now. */
  readonly currentKeys: () => ReadonlySet<string>;
  /** Packages of a profile whose bytes are known to be wrong. */
  readonly damaged: (profile: string) => Promise<readonly DamagedPackage[]>;
}
