import type { RepositoryContext } from '../repository-context.ts';
import type { ProfilePlan } from './plan-collection.ts';
import type { Amount, ProfileCollection } from './retention.ts';
import { otherProfilesWith, type PackageUse } from './retention-store.ts';

/** Adds up what goes and what stays, each package file once, over the profiles of one collection. */
export class Tally {
  readonly profiles: ProfileCollection[] = [];
  readonly #context: RepositoryContext;
  /** Files that were counted, by digest. */
  readonly #counted = new Set<string>();
  /** Rows that go with this collection: `<profile> <digest>`. */
  readonly #going = new Set<string>();
  /** Digest -> a profile that goes on referring to it. */
  readonly #shared = new Map<string, string>();

  constructor(context: RepositoryContext) {
    this.#context = context;
  }

  /** Which of these files other profiles need. */
  async look(profile: string, packages: readonly PackageUse[]): Promise<void> {
    const digests = packages.map(({ sha512 }) => sha512);
    const others = await otherProfilesWith(this.#context.database, profile, digests);
    for (const digest of digests) {
      const other = others.get(digest)?.find((one) => !this.#going.has(`${one} ${digest}`));
      if (other === undefined) {
        this.#shared.delete(digest);
      } else {
        this.#shared.set(digest, other);
      }
      this.#going.add(`${profile} ${digest}`);
    }
  }

  async add(plan: ProfilePlan): Promise<void> {
    const goes = plan.packages.filter(({ holder }) => holder === undefined);
    const unknown = goes.filter(({ sha512 }) => !this.#going.has(`${plan.profile} ${sha512}`));
    await this.look(plan.profile, unknown);
    const going = { files: 0, bytes: 0 };
    const staying = new Map<string, { files: number; bytes: number }>();
    const stay = (holder: string, more: Amount): void => {
      const known = staying.get(holder) ?? { files: 0, bytes: 0 };
      staying.set(holder, { files: known.files + more.files, bytes: known.bytes + more.bytes });
    };
    for (const { channel, serial, keep, holders, bytes } of plan.publications) {
      if (keep) {
        stay(`${channel} ${serial} (${holders[0]})`, { files: 2, bytes });
      } else {
        going.files += 2;
        going.bytes += bytes;
      }
    }
    for (const { sha512, size, holder } of plan.packages) {
      const shared = this.#shared.get(sha512);
      if (holder === undefined && shared === undefined) {
        going.files += 1;
        going.bytes += size;
      } else if (!this.#counted.has(sha512)) {
        this.#counted.add(sha512);
        stay(holder ?? `the profile ${shared}`, { files: 1, bytes: size });
      }
    }
    this.profiles.push({
      profile: plan.profile,
      publications: plan.publications.map(
        ({ channel, serial, createdAt, keep, holders, bytes }) => ({
          channel,
          serial,
          createdAt,
          keep,
          holders,
          bytes,
        }),
      ),
      packages: goes.map(({ id, cpv, buildId, path, size }) => ({ id, cpv, buildId, path, size })),
      going,
      staying: [...staying]
        .map(([holder, amount]) => ({ holder, ...amount }))
        .toSorted((a, b) => b.bytes - a.bytes),
    });
  }
}
