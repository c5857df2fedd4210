import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatMakeConf, formatMakeConfVariable } from '../../gentoo/make-conf.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import { AppError } from '../../support/errors.ts';
import { exists } from '../../support/files.ts';
import { runChecked } from '../../support/processes.ts';
import type { SharedCompiling } from '../sharing/share-compiling.ts';
import { resolveFlags } from './recipe-environment.ts';
import type { RootAccess } from './root-access.ts';
import { copyRootConfiguration, layFiles } from './root-configuration.ts';
import { isReachableForAll, makeVerificationHome } from './verification-home.ts';

/** FEATURES that would change what is built, look for other keys, or leave more than one package behind. */
const FEATURES = [
  'binpkg-multi-instance',
  '-binpkg-ignore-signature',
  '-binpkg-request-signature',
  '-binpkg-signing',
  '-buildpkg-proactive',
  '-buildsyspkg',
  '-downgrade-backup',
  '-getbinpkg',
  '-news',
  '-unmerge-backup',
];

/** The places of one job, as this process sees them. */
export interface PortageFolders {
  /** PORTAGE_CONFIGROOT. */
  readonly config: string;
  /** PKGDIR: what this job packs, and nothing else. */
  readonly packages: string;
}

/**
 * Renders everything that Portage reads for one job into the job's folder: the build root's own configuration, the
 * profile laid over it, and the job's own settings last. The build root itself is not touched.
 *
 * Throws `unknown-gentoo-profile`, `public-key-invalid`, `process-failed`.
 */
export async function renderConfiguration(options: {
  readonly root: RootAccess;
  readonly profile: HardwareProfile;
  /** URL of the binary host that dependencies come from. */
  readonly binhost: string;
  readonly publicKey: string;
  readonly shared: SharedCompiling;
}): Promise<PortageFolders> {
  const { root, profile } = options;
  const place = (name: string): string => join(root.folder, name);
  const config = place('config');
  const portage = join(config, 'etc/portage');
  await mkdir(portage, { recursive: true });
  await copyRootConfiguration(join(root.eroot, 'etc/portage'), portage, root.inside);
  await layFiles(portage, {
    ...profile.portageFiles,
    ...setFiles(profile),
    'binrepos.conf/rookery.conf': binreposText(options.binhost, root.inside(place('binhost'))),
    'make.conf/50-profile': profileSettings(profile),
  });
  for (const name of ['packages', 'binhost', 'tmp']) {
    await mkdir(place(name));
  }
  await makeVerificationHome(root, place('gnupg'), options.publicKey);
  const dropsRights = await isReachableForAll(place('gnupg'));
  await writeFile(
    join(portage, 'make.conf/90-job'),
    jobSettings(root, place, { ...options, dropsRights }),
  );
  if (profile.gentooProfile !== null) {
    await selectProfile(root, config, profile.gentooProfile);
  }
  return { config, packages: place('packages') };
}

function setFiles(profile: HardwareProfile): Record<string, string> {
  return Object.fromEntries(
    Object.entries(profile.sets).map(([name, atoms]) => [`sets/${name}`, `${atoms.join('\n')}\n`]),
  );
}

/** The profile's make.conf; USE and FEATURES are added to what the build root has, everything else replaces it. */
function profileSettings(profile: HardwareProfile): string {
  const text = formatMakeConf({ ...profile, flags: resolveFlags(profile.flags) });
  return text.replaceAll(/^(USE|FEATURES)="/gm, '$1="${$1} ');
}

/** `portage/binrepo/config.py`; `%` begins an interpolation there. */
function binreposText(uri: string, location: string): string {
  return [
    '[rookery-staging]',
    'priority = 1',
    `sync-uri = ${uri.replaceAll('%', '%%')}`,
    `location = ${location.replaceAll('%', '%%')}`,
    'verify-signature = true',
    '',
  ].join('\n');
}

function jobSettings(
  root: RootAccess,
  place: (name: string) => string,
  { shared, dropsRights }: { readonly shared: SharedCompiling; readonly dropsRights: boolean },
): string {
  const settings: Record<string, string> = {
    PKGDIR: root.inside(place('packages')),
    PORTAGE_TMPDIR: root.inside(place('tmp')),
    BINPKG_FORMAT: 'gpkg',
    BINPKG_COMPRESS: 'zstd',
    BINPKG_GPG_VERIFY_GPG_HOME: root.inside(place('gnupg')),
    PORTAGE_TRUST_HELPER: '',
    PORTAGE_BINHOST: '',
    EMERGE_DEFAULT_OPTS: '',
    ...(dropsRights ? {} : { GPG_VERIFY_USER_DROP: '', GPG_VERIFY_GROUP_DROP: '' }),
    ...shared.variables,
    ...(shared.makeopts !== undefined && { MAKEOPTS: shared.makeopts }),
  };
  const lines = Object.entries(settings).map(([name, value]) =>
    formatMakeConfVariable(name, value),
  );
  const features = [
    ...FEATURES,
    ...shared.uses,
    // Inside it, the address of this machine is another machine's.
    ...(shared.needsNetwork ? ['-network-sandbox'] : []),
  ];
  return `${lines.join('')}FEATURES="\${FEATURES} ${features.join(' ')}"\n`;
}

/** Points make.profile at `repo:path`, or at `path` in the main ebuild repository. */
async function selectProfile(root: RootAccess, config: string, name: string): Promise<void> {
  const command = ['portageq', 'repositories_configuration', root.erootInside];
  const { stdout } = await runChecked(root.command(command), {
    env: { ...root.environment, PORTAGE_CONFIGROOT: root.inside(config) },
  });
  const [path = '', repository] = name.split(':').toReversed();
  const location = repositoryLocation(stdout.toString('utf8'), repository);
  const target = join(location ?? '', 'profiles', path);
  if (location === undefined || !(await exists(root.outside(target)))) {
    throw unknownProfile(name);
  }
  const link = join(config, 'etc/portage/make.profile');
  await rm(link, { recursive: true, force: true });
  await symlink(target, link);
}

function unknownProfile(name: string): AppError {
  return new AppError(
    'unknown-gentoo-profile',
    `The build root has no Gentoo profile ${name} in its ebuild repositories.`,
    { details: { gentooProfile: name } },
  );
}

/** Finds `location` in what `portageq repositories_configuration` prints, an INI file. */
function repositoryLocation(text: string, wanted: string | undefined): string | undefined {
  let section = '';
  let main: string | undefined;
  const locations = new Map<string, string>();
  for (const line of text.split('\n')) {
    section = /^\[(.+)\]$/.exec(line)?.[1] ?? section;
    const [, key, value = ''] = /^([\w-]+)\s*=\s*(.*)$/.exec(line) ?? [];
    if (section === 'DEFAULT' && key === 'main-repo') {
      main = value;
    } else if (key === 'location') {
      locations.set(section, value);
    }
  }
  const name = wanted ?? main;
  return name === undefined ? undefined : locations.get(name);
}
