import { sonamesIn } from '../../gentoo/soname-list.ts';
import { type GatePackage, readGatePackage } from '../../repository/gate/gate-package.ts';
import type { PackageRecord } from '../../repository/package-record.ts';
import type { InstalledPackage } from '../../repository/proof/node-report.ts';
import { formerBuildIdsIn, PROVENANCE_KEY } from '../../repository/provenance.ts';

/** One ELF file of a package, or all of a package where they are not known one by one. */
export interface ElfObject {
  /** From the root of the node; null when it stands for the whole package. */
  readonly path: string | null;
  /** `<multilib category>: <soname>`. */
  readonly provides: readonly string[];
  readonly requires: readonly string[];
}

/** A package, installed or published, as far as its change can be judged. */
export interface ImpactPackage {
  /** What the gate knows of it; of a package that no repository has, neither dependencies. */
  readonly gate: GatePackage;
  /** Null for what is installed and did not come from a binary package of a farm. */
  readonly buildId: number | null;
  /** BUILD_TIME, seconds. */
  readonly buildTime: number | null;
  /** The numbers it had before it was signed again. */
  readonly formerBuildIds: readonly number[];
  readonly objects: readonly ElfObject[];
}

/** A package of the pool. */
export function readPooled(record: PackageRecord): ImpactPackage {
  const { id, cpv, metadata, path, size, mtimeSeconds, buildId, keyFingerprint } = record;
  const file = { path, size, mtimeSeconds, buildId, keyFingerprint };
  const gate = readGatePackage({ id, cpv, metadata, file });
  const objects = objectsIn(metadata['NEEDED.ELF.2'] ?? '');
  return {
    gate,
    buildId,
    buildTime: record.buildTimeSeconds,
    formerBuildIds: formerBuildIdsIn(metadata[PROVENANCE_KEY] ?? '{}'),
    objects: objects.length === 0 ? wholeOf(gate) : objects,
  };
}

/** A package that is installed, and that no repository has: only what the node said of it is known. */
export function readInstalled(one: InstalledPackage): ImpactPackage {
  const { cpv, slot, buildId, buildTime, use, iuse, provides, requires } = one;
  const gate = readGatePackage({
    id: `installed:${cpv}:${slot}:${buildId}`,
    cpv,
    metadata: {
      SLOT: slot,
      USE: use,
      PROVIDES: provides,
      ...(iuse !== undefined && { IUSE: iuse }),
      ...(requires !== undefined && { REQUIRES: requires }),
    },
    file: { path: '', size: 0, mtimeSeconds: 0, buildId: buildId ?? 0, keyFingerprint: '' },
  });
  return { gate, buildId, buildTime, formerBuildIds: [], objects: wholeOf(gate) };
}

function wholeOf({ provides, requires }: GatePackage): ElfObject[] {
  return provides.length + requires.length === 0 ? [] : [{ path: null, provides, requires }];
}

const ENTRY = /^[A-Za-z0-9_]+;\//;

/**
 * NEEDED.ELF.2: `MACHINE;path;soname;rpath;needed,needed;category` for each ELF file
 * (`bin/misc-functions.sh:install_qa_check` of Portage). A record has its lines with single spaces between them, so a
 * word that does not begin an entry belongs to the one before it. Those without a category are left out, as REQUIRES does.
 */
function objectsIn(text: string): ElfObject[] {
  const entries: string[] = [];
  for (const word of sonameWords(text)) {
    if (ENTRY.test(word) || entries.length === 0) {
      entries.push(word);
    } else {
      entries.push(`${entries.pop() ?? ''} ${word}`);
    }
  }
  return entries.flatMap((entry) => {
    const [, path = '', soname = '', , needed = '', category = ''] = entry.split(';');
    return category === ''
      ? []
      : [
          {
            path,
            provides: soname === '' ? [] : sonamesIn(`${category}: ${soname}`),
            requires: sonamesIn(`${category}: ${needed.replaceAll(',', ' ')}`),
          },
        ];
  });
}

function sonameWords(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
