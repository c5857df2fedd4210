import { requirePublication } from '../../repository/promote-channel.ts';
import { unknownNode } from '../../repository/proof/forget-node.ts';
import { newestPublication } from '../../repository/publication-store.ts';
import { AppError } from '../../support/errors.ts';
import type { ObservedNode } from '../observed/observed-node.ts';
import type { PublicationRef } from '../plan/artefact.ts';
import { publicationRef } from '../plan/publication-ref.ts';
import type { Impact } from './impact.ts';
import { type ImpactContext, Impacts } from './impacts.ts';

/** A publication by name; without a serial, what the channel shows now. */
export interface Target {
  readonly profile: string;
  readonly channel: string;
  readonly serial?: number;
}

export interface ImpactRequest {
  readonly targets: readonly Target[];
  /** Names; empty: every node of the profiles of the targets. */
  readonly nodes: readonly string[];
}

export interface FleetImpactContext extends ImpactContext {
  readonly folders: { readonly state: string; readonly mirrorRoot: string };
  /** What nodes have said of themselves. */
  readonly observed: () => Promise<readonly ObservedNode[]>;
}

/** What the other rooms may ask about upgrades that have not been made. */
export interface FleetImpacts {
  /**
   * What publications would do to nodes; see `Impacts.of`.
   *
   * Throws `unknown-profile`, `unknown-channel`, `unknown-publication`, `publication-collected`, `nothing-published`,
   * `unknown-node`, `report-changed`.
   */
  of(request: ImpactRequest): Promise<Impact[]>;
}

export function createFleetImpacts(context: FleetImpactContext): FleetImpacts {
  const impacts = new Impacts(context);
  return {
    of: async ({ targets, nodes }) => {
      const publications: PublicationRef[] = [];
      for (const target of targets) {
        publications.push(await publicationOf(context, target));
      }
      const observed = await context.observed();
      return await impacts.of(publications, nodesOf(observed, nodes, publications));
    },
  };
}

async function publicationOf(
  context: FleetImpactContext,
  { profile: name, channel, serial }: Target,
): Promise<PublicationRef> {
  const { channels } = context.profiles.get(name);
  if (!channels.includes(channel)) {
    throw new AppError(
      'unknown-channel',
      `The profile ${name} has no channel ${channel}; it has ${channels.join(', ')}.`,
      { details: { profile: name, channel, known: channels } },
    );
  }
  const key = { profile: name, channel };
  const found =
    serial === undefined
      ? await newestPublication(context.database, key)
      : await requirePublication(context, key, serial);
  if (found === undefined) {
    throw new AppError('nothing-published', `Nothing was published on ${channel} of ${name} yet.`, {
      details: key,
    });
  }
  return await publicationRef(context.folders, found);
}

function nodesOf(
  observed: readonly ObservedNode[],
  names: readonly string[],
  publications: readonly PublicationRef[],
): readonly ObservedNode[] {
  if (names.length === 0) {
    const profiles = new Set(publications.map(({ profile }) => profile));
    return observed.filter(({ profile }) => profiles.has(profile));
  }
  const byName = new Map(observed.map((one) => [one.node, one]));
  return [...new Set(names)].map((name) => {
    const found = byName.get(name);
    if (found === undefined) {
      throw unknownNode(name);
    }
    return found;
  });
}
