import type { Cpv } from '../gentoo/cpv.ts';
import { namesIn } from '../support/files.ts';
import { newId } from '../support/ids.ts';
import { claimBuildId, nextBuildId } from './build-id-store.ts';
import type { RepositoryContext } from './repository-context.ts';

const SUFFIX = '.gpkg.tar';

/** Who a package becomes. */
export interface Identity {
  readonly id: string;
  readonly buildId: number;
  readonly path: string;
  readonly mtimeSeconds: number;
  readonly provenance: string;
  readonly importedAt: number;
}

/** What a package is to be identified by, besides its CPV. */
export interface Origin {
  readonly profile: string;
  readonly uploadSha512: string;
  readonly origin: string;
  readonly inputs?: string;
  readonly provenance?: Readonly<Record<string, unknown>>;
}

/** Within the lock of the CPV's BUILD_IDs: the BUILD_ID is free until `takeBuildId`. */
export async function identifyPackage(
  context: RepositoryContext,
  request: Origin,
  { cpv, category, pn, pf }: Cpv,
): Promise<Identity> {
  const folder = context.layout.packageFile(request.profile, `${category}/${pn}`);
  const present = (await namesIn(folder)).map((name) => buildIdIn(name, pf));
  const floor = Math.max(0, ...present);
  const buildId = await nextBuildId(context.database, { profile: request.profile, cpv, floor });
  const id = newId('pkg');
  const importedAt = context.clock.now();
  const provenance = {
    ...request.provenance,
    package: id,
    importedAt,
    profile: request.profile,
    origin: request.origin,
    upload: request.uploadSha512,
    inputs: request.inputs ?? null,
    rookery: context.version,
  };
  return {
    id,
    importedAt,
    buildId,
    path: `${category}/${pn}/${pf}-${buildId}${SUFFIX}`,
    mtimeSeconds: Math.floor(importedAt / 1000),
    provenance: JSON.stringify(provenance),
  };
}

/** From here on the BUILD_ID is used up, whatever becomes of the import. */
export async function takeBuildId(
  context: RepositoryContext,
  profile: string,
  { cpv, buildId }: { readonly cpv: string; readonly buildId: number },
): Promise<void> {
  if (!(await claimBuildId(context.database, { profile, cpv, buildId }))) {
    throw new Error(`the BUILD_ID ${buildId} of ${cpv} was taken by somebody else`);
  }
}

/** The BUILD_ID in the name of a package file of this PF, 0 for any other name. */
function buildIdIn(name: string, pf: string): number {
  const isOne = name.startsWith(`${pf}-`) && name.endsWith(SUFFIX);
  const id = isOne ? name.slice(pf.length + 1, -SUFFIX.length) : '';
  return /^[1-9][0-9]{0,14}$/.test(id) ? Number(id) : 0;
}
