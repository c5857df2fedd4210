import { lstatSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { instructionSetOf } from '../../gentoo/instruction-set.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { Layout } from '../layout.ts';
import { type Finding, findingOf } from './finding.ts';
import type { GateFile, GatePackage } from './gate-package.ts';

/** Packages that are looked at before other work gets its turn: some milliseconds. */
const SLICE = 500;

export interface PackageGateContext {
  readonly profile: HardwareProfile;
  readonly layout: Layout;
  /** Keys whose signatures nodes accept now. */
  readonly currentKeys: ReadonlySet<string>;
  /** Ids of packages whose bytes are known to be wrong. */
  readonly damaged: ReadonlySet<string>;
}

/** What is wrong with packages, each for itself: its file, the key that signed it, what it was compiled for. */
export async function packageFindings(
  packages: readonly GatePackage[],
  context: PackageGateContext,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const levelOf = levels();
  const wanted = levelOf(context.profile.flags['CFLAGS'] ?? '');
  for (const [at, one] of packages.entries()) {
    if (one.file !== null) {
      findings.push(
        ...fileFindings(one, one.file, context),
        ...keyFindings(one, one.file, context),
        ...levelFindings(one, levelOf(one.cflags), wanted),
      );
    }
    if (at % SLICE === SLICE - 1) {
      await setImmediate();
    }
  }
  return [...findings, ...duplicates(packages)];
}

function fileFindings(
  { id, cpv, name }: GatePackage,
  file: GateFile,
  { profile, layout, damaged }: PackageGateContext,
): Finding[] {
  const about = { cpv, name, what: file.path };
  const remedy = 'Run "rookery repository check", or push the package again.';
  if (damaged.has(id)) {
    const message = `The file ${file.path} of ${cpv} is damaged.`;
    return [findingOf({ ...about, kind: 'file-damaged', message, remedy })];
  }
  const stat = lstatSync(layout.packageFile(profile.name, file.path), { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile()) {
    const message = `The file ${file.path} of ${cpv} is not there.`;
    return [findingOf({ ...about, kind: 'file-missing', message, remedy })];
  }
  const mtimeSeconds = Math.floor(stat.mtimeMs / 1000);
  if (stat.size !== file.size || mtimeSeconds !== file.mtimeSeconds) {
    const message = `The file ${file.path} of ${cpv} has ${stat.size} bytes of ${mtimeSeconds}, not ${file.size} of ${file.mtimeSeconds}.`;
    return [findingOf({ ...about, kind: 'file-changed', message, remedy })];
  }
  return [];
}

function keyFindings(
  { cpv, name }: GatePackage,
  { keyFingerprint }: GateFile,
  { currentKeys }: PackageGateContext,
): Finding[] {
  return currentKeys.has(keyFingerprint)
    ? []
    : [
        findingOf({
          kind: 'key-not-current',
          cpv,
          name,
          what: keyFingerprint,
          message: `${cpv} was signed with ${keyFingerprint}, which is not a key that nodes accept now.`,
          remedy: 'Push the package again, so that it is signed with the key of today.',
        }),
      ];
}

interface Level {
  readonly march: string;
  readonly level: number | null;
}

function levelFindings(
  { cpv, name, slot }: GatePackage,
  found: Level | null,
  wanted: Level | null,
): Finding[] {
  const isTooHigh =
    found !== null &&
    wanted !== null &&
    found.level !== null &&
    wanted.level !== null &&
    found.level > wanted.level;
  return isTooHigh
    ? [
        findingOf({
          kind: 'instruction-set',
          cpv,
          name,
          what: found.march,
          message: `${cpv} was compiled with -march=${found.march} (x86-64-v${found.level}); machines of the profile have -march=${wanted.march} (x86-64-v${wanted.level}).`,
          remedy: `Rebuild ${name}.`,
          rebuild: `${name}:${slot}`,
        }),
      ]
    : [];
}

/** Most packages of a profile have the same CFLAGS. */
function levels(): (cflags: string) => Level | null {
  const known = new Map<string, Level | null>();
  return (cflags) => {
    const found = known.get(cflags);
    if (found !== undefined || known.has(cflags)) {
      return found ?? null;
    }
    const level = instructionSetOf(cflags);
    known.set(cflags, level);
    return level;
  };
}

function duplicates(packages: readonly GatePackage[]): Finding[] {
  const findings: Finding[] = [];
  const paths = new Map<string, string>();
  const builds = new Map<string, string>();
  for (const { cpv, name, file } of packages) {
    if (file === null) {
      continue;
    }
    const build = `${cpv} ${file.buildId}`;
    const remedy = 'Name the packages to be published, each once.';
    if (paths.has(file.path)) {
      const message = `${cpv} and ${paths.get(file.path)} have the same PATH ${file.path}.`;
      findings.push(
        findingOf({ kind: 'path-duplicate', cpv, name, what: file.path, message, remedy }),
      );
    } else if (builds.has(build)) {
      const message = `${file.path} and ${builds.get(build)} are the same CPV and BUILD_ID.`;
      findings.push(
        findingOf({ kind: 'build-id-duplicate', cpv, name, what: build, message, remedy }),
      );
    }
    paths.set(file.path, cpv);
    builds.set(build, file.path);
  }
  return findings;
}
