import type { RequestDetail } from '../../protocol/builds.ts';
import type { Clock } from '../../support/clock.ts';
import { AppError, messageOf } from '../../support/errors.ts';
import { checkWithProgress, fetchPublicKey, refuseFaults } from '../check-as-client.ts';
import { followRequest } from '../follow.ts';
import { counted } from '../format.ts';
import type { Output } from '../output.ts';
import { showJobs } from '../progress.ts';
import type { ServerClient } from '../server-client.ts';

export const SAMPLE_ATOM = 'app-misc/rookery-web';
const PAGE = 1000;

/** What the steps about the sample need. */
export interface SampleContext {
  readonly client: ServerClient;
  readonly output: Output;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The names of the profiles to build for. Throws `profile-broken` when one cannot be read, `no-profiles`. */
export async function profileNames(client: ServerClient): Promise<string[]> {
  const { profiles, broken } = await client.profiles();
  const faults = Object.entries(broken).map(([name, lines]) => `${name}: ${lines.join(' ')}`);
  if (faults.length > 0) {
    throw new AppError('profile-broken', `A profile is broken. ${faults.join(' ')}`);
  }
  if (profiles.length === 0) {
    throw new AppError('no-profiles', 'There is no profile to build for.');
  }
  return profiles.map(({ name }) => name);
}

/** Requests the sample for every profile at once and follows all of them. Throws `request-failed`. */
export async function buildSample(
  context: SampleContext,
  profiles: readonly string[],
): Promise<RequestDetail[]> {
  const { client, output, clock, signal } = context;
  const progress = showJobs(output, clock, 'many-requests');
  try {
    const ended = await Promise.all(
      profiles.map(async (profile) => {
        const request = await client.createRequest({ profile, atoms: [SAMPLE_ATOM] });
        return await followRequest(client, request.id, {
          clock,
          signal,
          onChange: progress.update,
          onLost: (error) => {
            progress.note(messageOf(error));
          },
        });
      }),
    );
    for (const request of ended) {
      if (request.state !== 'done') {
        throw new AppError(
          'request-failed',
          `Request ${request.id} for ${request.profile} is ${request.state}: ${request.reason ?? 'no reason was given'}`,
        );
      }
    }
    return ended;
  } finally {
    progress.stop();
  }
}

/** `nothing to build: ...` or `built 6 packages, reused 0`. */
export function buildOutcome(requests: readonly RequestDetail[]): string {
  const packages = requests.flatMap((request) => request.packages);
  const built = packages.filter(({ how }) => how === 'built').length;
  return built === 0
    ? `nothing to build: all ${counted(packages.length, 'package')} are there already`
    : `${counted(built, 'package')} built, ${packages.length - built} reused`;
}

/** Publishes what the requests made on the first channel, where it is not there already. */
export async function publishSample(
  { client }: SampleContext,
  requests: readonly RequestDetail[],
  channel: string,
): Promise<string> {
  let published = 0;
  for (const request of requests) {
    const wanted = request.packages.map(({ id }) => id);
    const present = new Set(await publishedIds(client, request.profile, channel));
    if (!wanted.every((id) => present.has(id))) {
      await client.publish(request.profile, channel, {
        reason: `quickstart, request ${request.id}`,
        packageIds: wanted,
      });
      published += 1;
    }
  }
  return published === 0
    ? `${channel} has them already`
    : `${channel} of ${counted(published, 'profile')}`;
}

/** There is no preproduction node on this machine: the promotion is forced, and says so for good. */
const NO_NODE = 'quickstart: there is no preproduction node here that could prove it';

/** Promotes from one channel to the next, where that changes something, by force where no node has proven it. */
export async function promoteSample(
  { client }: SampleContext,
  profiles: readonly string[],
  channels: { readonly from: string; readonly to: string },
): Promise<string> {
  let [promoted, forced] = [0, 0];
  for (const profile of profiles) {
    const source = (await client.channel(profile, channels.from)).current;
    const target = (await client.channel(profile, channels.to)).current;
    if (source?.snapshotId !== target?.snapshotId) {
      const made = await client.promote(profile, channels.to, {
        reason: NO_NODE,
        from: channels.from,
        force: true,
      });
      promoted += 1;
      forced += made.forced === null ? 0 : 1;
    }
  }
  if (promoted === 0) {
    return `${channels.to} has them already`;
  }
  const how = forced === 0 ? '' : ', forced: no preproduction node is here to prove it';
  return `${channels.from} -> ${channels.to} of ${counted(promoted, 'profile')}${how}`;
}

/** What the checks of all profiles found, together. */
export interface SampleCheck {
  readonly packages: number;
  readonly checks: number;
  readonly ran: readonly string[];
  readonly skipped: readonly string[];
}

/** Acts as a node of every profile. Throws `binhost-check-failed`. */
export async function checkSample(
  { client, output, signal }: SampleContext,
  profiles: readonly string[],
  channel: string,
): Promise<SampleCheck> {
  let [packages, checks] = [0, 0];
  let ran: readonly string[] = [];
  let skipped: readonly string[] = [];
  for (const profile of profiles) {
    const { uri } = await client.channel(profile, channel);
    const publicKey = await fetchPublicKey(uri);
    const result = await checkWithProgress(output, {
      label: `checking ${profile}`,
      uri,
      publicKey,
      signal,
    });
    refuseFaults(result);
    packages += result.packages;
    checks += result.checks;
    ({ ran, skipped } = result);
  }
  return { packages, checks, ran, skipped };
}

async function publishedIds(
  client: ServerClient,
  profile: string,
  channel: string,
): Promise<string[]> {
  if ((await client.channel(profile, channel)).current === null) {
    return [];
  }
  const ids: string[] = [];
  for (let offset = 0; ; offset += PAGE) {
    const { packages, total } = await client.packages(profile, { channel, limit: PAGE, offset });
    ids.push(...packages.map(({ id }) => id));
    if (packages.length === 0 || ids.length >= total) {
      return ids;
    }
  }
}
