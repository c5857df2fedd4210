import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeGpkg } from '../../src/binpkg/gpkg/write.ts';
import { packImage } from '../../src/binpkg/image.ts';
import type { HardwareProfile, ProfileCatalog } from '../../src/gentoo/profile.ts';
import { AppError } from '../../src/support/errors.ts';
import { newId } from '../../src/support/ids.ts';

export const CHOST = 'x86_64-pc-linux-gnu';
export const BUILD_TIME = 1_767_000_000;
/** bzip2 of no bytes. */
export const ENVIRONMENT = Buffer.from('425a683917724538509000000000', 'hex');

export interface PackageChanges {
  readonly slot?: string;
  readonly buildTime?: number;
  /** Bytes of the one file in the image. */
  readonly content?: string | Buffer;
  /** Metadata keys to set; undefined leaves one out. */
  readonly metadata?: Readonly<Record<string, string | Buffer | undefined>>;
}

/** Makes an unsigned package file, as a builder would upload it, and returns its path. */
export async function makePackage(
  folder: string,
  cpv: string,
  changes: PackageChanges = {},
): Promise<string> {
  const [category = '', pf = ''] = cpv.split('/');
  const id = newId('made');
  const image = join(folder, `${id}.image`);
  await mkdir(join(image, 'usr', 'share', pf), { recursive: true });
  await writeFile(join(image, 'usr', 'share', pf, 'content'), changes.content ?? `${id}\n`);
  const keys: Record<string, string | Buffer | undefined> = {
    CATEGORY: `${category}\n`,
    PF: `${pf}\n`,
    SLOT: `${changes.slot ?? '0'}\n`,
    EAPI: '8\n',
    KEYWORDS: 'amd64 ~arm64\n',
    DESCRIPTION: `The description of  ${pf}\n`,
    CHOST: `${CHOST}\n`,
    BUILD_TIME: `${changes.buildTime ?? BUILD_TIME}\n`,
    BUILD_ID: '7',
    DEFINED_PHASES: 'install\n',
    USE: 'amd64 elibc_glibc\n',
    IUSE: '\n',
    LICENSE: 'MIT\n',
    RDEPEND: undefined,
    SIZE: '1\n',
    repository: 'lab\n',
    'environment.bz2': ENVIRONMENT,
    ...changes.metadata,
  };
  const metadata = new Map<string, string | Buffer>();
  for (const [key, value] of Object.entries(keys)) {
    if (value !== undefined) {
      metadata.set(key, value);
    }
  }
  const out = join(folder, `${id}.gpkg.tar`);
  const packed = await packImage(image);
  await writeGpkg({
    base: pf,
    metadata,
    image: packed.stream(),
    out,
    workFolder: folder,
    mtimeSeconds: BUILD_TIME,
  });
  return out;
}

export function makeProfile(name: string, changes: Partial<HardwareProfile> = {}): HardwareProfile {
  return {
    name,
    description: `The profile ${name}`,
    ancestors: [],
    arch: 'amd64',
    chost: CHOST,
    flags: { CFLAGS: '-O2' },
    cpuFlags: ['avx2'],
    cpuFlagsVariable: 'CPU_FLAGS_X86',
    gentooProfile: 'gentoo:default/linux/amd64/23.0',
    use: [],
    features: [],
    makeopts: '-j2',
    buildRoot: { kind: 'host' },
    executor: 'source',
    channels: ['testing', 'stable'],
    sets: {},
    portageFiles: {},
    recipes: {},
    ...changes,
  };
}

export function catalogOf(
  profiles: readonly HardwareProfile[] | (() => readonly HardwareProfile[]),
): ProfileCatalog {
  const known = typeof profiles === 'function' ? profiles : () => profiles;
  return {
    list: known,
    broken: () => ({}),
    get: (name) => {
      const found = known().find((profile) => profile.name === name);
      if (found === undefined) {
        throw new AppError('unknown-profile', `There is no profile ${name}.`);
      }
      return found;
    },
  };
}
