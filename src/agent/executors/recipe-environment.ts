import { join } from 'node:path';
import type { Cpv } from '../../gentoo/cpv.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import { findProgram } from '../programs.ts';

/** The folders of a source build. */
export interface SourceFolders {
  /** WORKDIR */
  readonly work: string;
  /** S */
  readonly source: string;
  /** D */
  readonly image: string;
  /** T */
  readonly temporary: string;
  /** Where packages that are needed to build were unpacked; nothing is in it when there are none. */
  readonly sysroot: string;
}

/**
 * A profile's compiler settings with references to each other (`CXXFLAGS = "${CFLAGS}"`) resolved, as make.conf
 * resolves them. A reference to itself, in a circle or to nothing is empty.
 */
export function resolveFlags(flags: Readonly<Record<string, string>>): Record<string, string> {
  const resolve = (name: string, above: readonly string[]): string =>
    (flags[name] ?? '').replaceAll(
      /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g,
      (_all, braced: string | undefined, bare: string | undefined) => {
        const other = braced ?? bare ?? '';
        return above.includes(other) ? '' : resolve(other, [...above, other]);
      },
    );
  return Object.fromEntries(
    Object.keys(flags).map((name) => [name, resolve(name, [name]).trim().replaceAll(/\s+/g, ' ')]),
  );
}

/** The programs of the toolchain: the profile's own words, the ones named for the CHOST, or the plain ones. */
export async function findToolchain(
  profile: Pick<HardwareProfile, 'chost' | 'flags'>,
  environment: Readonly<Record<string, string>>,
): Promise<Record<'CC' | 'CXX' | 'AR' | 'STRIP', string>> {
  const choose = async (name: string, prefixed: string, plain: string): Promise<string> => {
    const own = profile.flags[name];
    if (own !== undefined && own !== '') {
      return own;
    }
    const named = `${profile.chost}-${prefixed}`;
    return (await findProgram(named, environment)) === undefined ? plain : named;
  };
  return {
    CC: await choose('CC', 'gcc', 'cc'),
    CXX: await choose('CXX', 'g++', 'c++'),
    AR: await choose('AR', 'ar', 'ar'),
    STRIP: await choose('STRIP', 'strip', 'strip'),
  };
}

/**
 * Everything that the lines of a recipe see, in the words of an ebuild (PMS 11.1). Packages that are needed to
 * build lie below SYSROOT, where the compiler, the linker and pkg-config find them by themselves.
 */
export function recipeEnvironment(options: {
  readonly environment: Readonly<Record<string, string>>;
  readonly profile: HardwareProfile;
  readonly cpv: Cpv;
  readonly folders: SourceFolders;
  readonly toolchain: Readonly<Record<string, string>>;
  readonly flags: Readonly<Record<string, string>>;
  readonly cores: number;
  /** Of a build that shares its compiling. */
  readonly makeopts?: string | undefined;
}): Record<string, string> {
  const { environment, profile, cpv, folders, toolchain, flags, cores } = options;
  const eprefix = eprefixOf(profile);
  return {
    ...environment,
    ...sysrootEnvironment(join(folders.sysroot, eprefix), environment.PATH ?? ''),
    HOME: join(folders.temporary, 'home'),
    SHELL: '/bin/sh',
    TMPDIR: folders.temporary,
    ...toolchain,
    ...flags,
    MAKEOPTS: options.makeopts ?? (profile.makeopts === '' ? `-j${cores}` : profile.makeopts),
    ARCH: profile.arch,
    CHOST: profile.chost,
    CBUILD: profile.chost,
    CATEGORY: cpv.category,
    PN: cpv.pn,
    PV: cpv.pv,
    PR: cpv.pr,
    PVR: cpv.version,
    P: cpv.p,
    PF: cpv.pf,
    WORKDIR: folders.work,
    S: folders.source,
    D: folders.image,
    ED: join(folders.image, eprefix),
    T: folders.temporary,
    EPREFIX: eprefix,
    SYSROOT: folders.sysroot,
  };
}

/** EPREFIX of what is built for a profile: packages for a prefix are built for that place. */
export function eprefixOf(profile: Pick<HardwareProfile, 'buildRoot'>): string {
  return profile.buildRoot.kind === 'prefix' ? profile.buildRoot.path.replace(/\/+$/, '') : '';
}

function sysrootEnvironment(sysroot: string, path: string): Record<string, string> {
  const below = (...folders: readonly string[]): string =>
    folders.map((folder) => join(sysroot, folder)).join(':');
  return {
    PATH: `${below('usr/bin', 'usr/sbin', 'bin', 'sbin')}:${path}`,
    CPATH: below('usr/include'),
    LIBRARY_PATH: below('usr/lib64', 'usr/lib', 'lib64', 'lib'),
    LD_LIBRARY_PATH: below('usr/lib64', 'usr/lib', 'lib64', 'lib'),
    PKG_CONFIG_PATH: below('usr/lib64/pkgconfig', 'usr/lib/pkgconfig', 'usr/share/pkgconfig'),
  };
}
