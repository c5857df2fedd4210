import { instructionSetOf } from '../../gentoo/instruction-set.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { Member } from '../inventory/inventory.ts';
import type { ObservedNode, ObservedSystem } from '../observed/observed-node.ts';

/** What is not as it should be with a node, weakest first: the last one gives a member its state. */
export const FLAG_KINDS = [
  'unlisted',
  'partial',
  'differs',
  'old-kernel',
  'deleted-files',
  'stale',
  'other-profile',
  'weak-processor',
  'unreported',
] as const;
export type FlagKind = (typeof FLAG_KINDS)[number];

export interface NodeFlag {
  readonly node: string;
  readonly kind: FlagKind;
  /** A whole sentence that begins with the name of the node. */
  readonly sentence: string;
}

/** What a node is judged by. */
export interface Judging {
  /** Epoch milliseconds. */
  readonly now: number;
  readonly freshSeconds: number;
  /** Undefined for a profile that there is not. */
  readonly profileOf: (name: string) => HardwareProfile | undefined;
}

const SHOWN = 5;

/** Flags of a node, weakest first. Without `member` it is in no inventory, without `observed` it has never reported. */
export function flagsOf(
  node: string,
  {
    member,
    observed,
  }: { readonly member?: Member | undefined; readonly observed?: ObservedNode | undefined },
  judging: Judging,
): NodeFlag[] {
  const flag = (kind: FlagKind, rest: string): NodeFlag[] => [
    { node, kind, sentence: `${node} ${rest}.` },
  ];
  const found = [
    ...(member === undefined ? flag('unlisted', 'reports, and is in no inventory') : []),
    ...(observed === undefined
      ? flag('unreported', 'has never reported')
      : [
          ...faultsInReport(observed, judging, flag),
          ...faultsAgainst(member, observed, flag),
          ...lackingFlags(member?.profile ?? observed.profile, observed, judging).flatMap((rest) =>
            flag('weak-processor', rest),
          ),
        ]),
  ];
  return found.toSorted((a, b) => FLAG_KINDS.indexOf(a.kind) - FLAG_KINDS.indexOf(b.kind));
}

type Flag = (kind: FlagKind, rest: string) => NodeFlag[];

function faultsInReport(
  { reportedAt, differs, serial, channel, system }: ObservedNode,
  { now, freshSeconds }: Judging,
  flag: Flag,
): NodeFlag[] {
  const silent = Math.floor((now - reportedAt) / 1000);
  const kernel = system === null ? undefined : newerKernel(system);
  const deleted = system === null ? [] : deletedFiles(system);
  return [
    ...(silent > freshSeconds ? flag('stale', `has not reported for ${durationOf(silent)}`) : []),
    ...(serial === null ? flag('differs', `has no publication of ${channel}`) : []),
    ...(differs > 0
      ? flag('differs', `has ${differs} packages that are not those of its publication`)
      : []),
    ...(kernel === undefined
      ? []
      : flag('old-kernel', `runs kernel ${system?.kernel.running}, installed is ${kernel}`)),
    ...deleted.map((rest) => flag('deleted-files', rest)).flat(),
    ...(system?.isPartial === true
      ? flag('partial', 'does not report as root: services and files may be missing')
      : []),
  ];
}

function faultsAgainst(member: Member | undefined, observed: ObservedNode, flag: Flag): NodeFlag[] {
  return member === undefined || member.profile === observed.profile
    ? []
    : flag(
        'other-profile',
        `reports about the profile ${observed.profile}, and the inventory says ${member.profile}`,
      );
}

/** What its profile needs and its processor does not have. */
function lackingFlags(name: string, { system }: ObservedNode, { profileOf }: Judging): string[] {
  const profile = profileOf(name);
  if (system === null || profile === undefined || system.cpuFlags.length === 0) {
    return [];
  }
  const has = new Set(system.cpuFlags);
  const march = profile.arch === 'amd64' ? instructionSetOf(profile.flags['CFLAGS'] ?? '') : null;
  const ofMarch = (march?.cpuFlags ?? []).filter((flag) => !has.has(flag));
  const ofUse = profile.cpuFlags.filter((flag) => !has.has(flag) && !ofMarch.includes(flag));
  return [
    ...(ofMarch.length > 0
      ? [`has a processor without ${some(ofMarch)}, which -march=${march?.march} of ${name} needs`]
      : []),
    ...(ofUse.length > 0
      ? [
          `has a processor without ${some(ofUse)}, which ${profile.cpuFlagsVariable ?? 'its CPU flags'} of ${name} names`,
        ]
      : []),
  ];
}

/** A sentence's end for each service that executes files which are not there any more. */
function deletedFiles({ services }: ObservedSystem): string[] {
  return services.flatMap(({ name, tree, files }) => {
    const gone = files.filter(({ isDeleted }) => isDeleted).map(({ path }) => path);
    const who = tree === null ? name : `${name} of ${tree}`;
    return gone.length === 0 ? [] : [`runs ${who} with files that were replaced: ${some(gone)}`];
  });
}

/** The newest installed kernel, when that is not the one that runs. */
function newerKernel({ kernel: { running, installed } }: ObservedSystem): string | undefined {
  const newest = installed.toSorted(compareKernels).at(-1);
  return newest !== undefined && compareKernels(running, newest) < 0 ? newest : undefined;
}

/** Compares what `uname -r` says: numbers as numbers, one after the other, then the rest as text. */
export function compareKernels(a: string, b: string): number {
  const [one, other] = [a, b].map((text) => text.split(/(\d+)/));
  for (let at = 0; at < Math.max(one?.length ?? 0, other?.length ?? 0); at += 1) {
    const [x = '', y = ''] = [one?.[at], other?.[at]];
    const difference = at % 2 === 1 ? Number(x) - Number(y) : comparePlain(x, y);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

/** A release candidate comes before its release. */
function comparePlain(x: string, y: string): number {
  const [isX, isY] = [x.startsWith('-rc'), y.startsWith('-rc')];
  return Number(isY) - Number(isX) || Number(x > y) - Number(x < y);
}

function some(words: readonly string[]): string {
  const more = words.length > SHOWN ? ` and ${words.length - SHOWN} more` : '';
  return words.slice(0, SHOWN).join(', ') + more;
}

function durationOf(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) {
    return `${Math.floor(hours / 24)} days`;
  }
  return hours >= 2 ? `${hours} hours` : `${Math.floor(seconds / 60)} minutes`;
}
