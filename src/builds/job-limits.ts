import type { Queries } from '../database/database.ts';
import type { JobRow, RequestRow } from '../database/tables.ts';
import type { BuildLimits } from '../gentoo/build-limits.ts';
import { type HardwareProfile, hardwareProfileSchema } from '../gentoo/profile.ts';
import type { BuildsContext } from './builds-context.ts';
import { limitsOf, packageOf } from './limits.ts';
import { findTimes, PLAN } from './package-times-store.ts';

/** The profile as it was when the request was made. */
export function profileOf(request: Pick<RequestRow, 'profile_json'>): HardwareProfile {
  return hardwareProfileSchema.parse(JSON.parse(request.profile_json));
}

/** What the job may take, with what is known by now. */
export async function limitsFor(
  context: Pick<BuildsContext, 'settings'> & { readonly database: Queries },
  job: Pick<JobRow, 'kind' | 'name'>,
  request: Pick<RequestRow, 'profile' | 'profile_json'>,
): Promise<BuildLimits> {
  const name = job.kind === 'plan' ? PLAN : packageOf(job.name);
  return limitsOf(name, {
    defaults: context.settings.limits,
    policy: profileOf(request).limits,
    measured: await findTimes(context.database, request.profile, name),
  });
}
