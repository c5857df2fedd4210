import type { Inventory, Member } from '../inventory/inventory.ts';
import { membersOf } from '../inventory/inventory.ts';
import type { ObservedNode } from '../observed/observed-node.ts';
import { type FlagKind, flagsOf, type Judging, type NodeFlag } from './node-flags.ts';

export type StandingState = Exclude<FlagKind, 'unlisted' | 'partial'> | 'as-published';

/** How a member stands by what it has said; `note` is a sentence. */
export interface Standing {
  readonly state: StandingState;
  readonly note: string;
}

export interface FleetStatus {
  /** By node, for every member of the inventory. */
  readonly members: ReadonlyMap<string, Standing>;
  /** By node, in the order of the inventory, then those that are not in it. */
  readonly flags: readonly NodeFlag[];
}

/** Compares what is recorded with what is observed. */
export function fleetStatus(
  inventory: Inventory,
  observed: ReadonlyMap<string, ObservedNode>,
  judging: Judging,
): FleetStatus {
  const listed = membersOf(inventory);
  const names = new Set(listed.map(({ node }) => node));
  const members = new Map<string, Standing>();
  const flags: NodeFlag[] = [];
  for (const member of listed) {
    const seen = observed.get(member.node);
    const own = flagsOf(member.node, { member, observed: seen }, judging);
    members.set(member.node, standingOf(member, seen, own));
    flags.push(...own);
  }
  const strangers = [...observed.values()].filter(({ node }) => !names.has(node));
  flags.push(...strangers.flatMap((seen) => flagsOf(seen.node, { observed: seen }, judging)));
  return { members, flags };
}

function standingOf(
  { node }: Member,
  observed: ObservedNode | undefined,
  flags: readonly NodeFlag[],
): Standing {
  const worst = flags.at(-1);
  if (worst !== undefined && worst.kind !== 'unlisted' && worst.kind !== 'partial') {
    return { state: worst.kind, note: worst.sentence };
  }
  const { profile, channel, serial } = observed ?? {};
  return {
    state: 'as-published',
    note: `${node} has publication ${serial} of ${profile}/${channel}.`,
  };
}
