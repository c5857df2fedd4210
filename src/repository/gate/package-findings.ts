import { parseCpv } from '../../gentoo/cpv.ts';
import { instructionSetOf } from '../../gentoo/instruction-set.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { FileLevel } from '../file-level-store.ts';
import type { Layout } from '../layout.ts';
import { type Finding, findingOf } from './finding.ts';
import type { GateFile, GatePackage } from './gate-package.ts';
import { isAsKnown, lookAt } from './look-at-file.ts';

/** What a package is held against by itself. */
export interface OwnRules {
  readonly profile: HardwareProfile;
  readonly layout: Layout;
  /** Keys whose signatures nodes accept now. */
  readonly currentKeys: ReadonlySet<string>;
}

/** The key that signed a package, and what it was compiled for; `level` is what its files say of that, if it is known. */
export function ownFindings(
  one: GatePackage,
  rules: OwnRules,
  level: FileLevel | undefined,
): Finding[] {
  return one.file === null
    ? []
    : [...keyFindings(one, one.file, rules), ...levelFindings(one, rules, level)];
}

/**
 * The file of a package below the folder of its profile: there, with the size and time that it has had since it was
 * signed. This is done for all of them at every publication, so it makes no detours: some microseconds each.
 */
export function fileFindings({ cpv, name, file }: GatePackage, folder: string): Finding[] {
  if (file === null) {
    return [];
  }
  const found = lookAt(`${folder}/${file.path}`);
  if (isAsKnown(found, file)) {
    return [];
  }
  const about = { cpv, name, what: file.path, remedy: FILE_REMEDY };
  if (found === undefined || !found.isFile()) {
    const message = `The file ${file.path} of ${cpv} is not there.`;
    return [findingOf({ ...about, kind: 'file-missing', message })];
  }
  const mtimeSeconds = Math.floor(found.mtimeMs / 1000);
  const message = `The file ${file.path} of ${cpv} has ${found.size} bytes of ${mtimeSeconds}, not ${file.size} of ${file.mtimeSeconds}.`;
  return [findingOf({ ...about, kind: 'file-changed', message })];
}

/** A package whose bytes are known to be wrong. */
export function damagedFinding(one: { readonly cpv: string; readonly path: string }): Finding {
  const { category, pn } = parseCpv(one.cpv);
  return findingOf({
    kind: 'file-damaged',
    cpv: one.cpv,
    name: `${category}/${pn}`,
    what: one.path,
    message: `The file ${one.path} of ${one.cpv} is damaged.`,
    remedy: FILE_REMEDY,
  });
}

const FILE_REMEDY = 'Run "rookery repository check", or push the package again.';

function keyFindings(
  { cpv, name, slot }: GatePackage,
  { keyFingerprint }: GateFile,
  { currentKeys }: OwnRules,
): Finding[] {
  return currentKeys.has(keyFingerprint)
    ? []
    : [
        findingOf({
          kind: 'key-not-current',
          cpv,
          name: `${name}:${slot}`,
          what: keyFingerprint,
          message: `${cpv} was signed with ${keyFingerprint}, which is not a key that nodes accept now.`,
          remedy: 'Push the package again, so that it is signed with the key of today.',
        }),
      ];
}

function levelFindings(
  { cpv, name, slot, cflags }: GatePackage,
  { profile }: OwnRules,
  files: FileLevel | undefined,
): Finding[] {
  const wanted = levelOf(profile.flags['CFLAGS'] ?? '');
  if (wanted === null) {
    return [];
  }
  const compiled = levelOf(cflags);
  const machines = `machines of the profile have -march=${wanted.march} (x86-64-v${wanted.level})`;
  const about = {
    kind: 'instruction-set',
    cpv,
    name: `${name}:${slot}`,
    remedy: `Rebuild ${name}.`,
    rebuild: `${name}:${slot}`,
  } as const;
  if (compiled !== null && compiled.level > wanted.level) {
    const message = `${cpv} was compiled with -march=${compiled.march} (x86-64-v${compiled.level}); ${machines}.`;
    return [findingOf({ ...about, what: compiled.march, message })];
  }
  if (files !== undefined && files.level > wanted.level) {
    const message = `${cpv} has ${files.path}, which needs x86-64-v${files.level}; ${machines}.`;
    return [findingOf({ ...about, what: `x86-64-v${files.level}`, message })];
  }
  return [];
}

/** What compiler settings ask for; null where nothing is known that could be compared. */
function levelOf(cflags: string): { readonly march: string; readonly level: number } | null {
  const { march = '', level = null } = instructionSetOf(cflags) ?? {};
  return level === null ? null : { march, level };
}
