import type { Tokens } from '../access/tokens.ts';
import type { BuildRecords } from '../builds/build-records.ts';
import type { Builds } from '../builds/builds.ts';
import type { CompilerCache } from '../builds/compiler-cache.ts';
import type { Schedules } from '../builds/schedule/schedules.ts';
import type { FleetImpacts } from '../fleet/impact/fleet-impacts.ts';
import type { Inventories } from '../fleet/inventory/inventories.ts';
import type { RolloutService } from '../fleet/rollout/rollout.ts';
import type { Standings } from '../fleet/status/standings.ts';
import type { ProfileCatalog } from '../gentoo/profile.ts';
import type { Journal } from '../journal/journal.ts';
import type { Keys } from '../keys/keys.ts';
import type { PhpTrees } from '../php/php-trees.ts';
import type { RepositoryCheck } from '../repository/check/repository-check.ts';
import type { Proofs } from '../repository/proof/proofs.ts';
import type { Repository } from '../repository/repository.ts';
import type { RepositoryResign } from '../repository/resign/resign-task.ts';
import type { RepositoryCollection } from '../repository/retention/collection-task.ts';
import type { Clock } from '../support/clock.ts';
import type { Log } from '../support/log.ts';

/** Everything that answering a request may need. */
export interface HttpContext {
  readonly profiles: ProfileCatalog;
  readonly repository: Repository;
  readonly check: RepositoryCheck;
  readonly collection: RepositoryCollection;
  readonly php: PhpTrees;
  readonly proofs: Proofs;
  readonly inventories: Inventories;
  readonly standings: Standings;
  readonly impacts: FleetImpacts;
  readonly builds: Builds;
  readonly schedules: Schedules;
  readonly rollouts: RolloutService;
  readonly compilerCache: CompilerCache;
  readonly records: BuildRecords;
  readonly tokens: Tokens;
  readonly journal: Journal;
  readonly keys: Keys;
  readonly resign: RepositoryResign;
  /** Every public key that nodes should have now, armored. */
  readonly publicKey: string;
  /** Fingerprint of the primary key of the one that signs now. */
  readonly fingerprint: string;
  readonly log: Log;
  readonly clock: Clock;
  /** How often agents are told to report. */
  readonly heartbeatMs: number;
  readonly folders: { readonly mirrorRoot: string; readonly staging: string };
  /** How clients reach this server, without a trailing slash. */
  readonly publicUrl: () => string;
  /** False when nobody has set it and the server listens on every address: then it is only true on this machine. */
  readonly isPublicUrlKnown: () => boolean;
  /** Where nodes get PHP trees, `rsync://HOST/php`; null when they cannot. */
  readonly phpUrl: string | null;
  /** What keeps the server from doing its work, a sentence each. */
  readonly readiness: () => Promise<string[]>;
  /** What will, unless somebody does something, a sentence each. */
  readonly warnings: () => readonly string[];
  /** Aborts when the server stops: event streams and long polls end. */
  readonly stopping: AbortSignal;
}
