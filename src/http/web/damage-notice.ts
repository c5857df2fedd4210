import type { PackageRecord } from '../../repository/package-record.ts';
import type { HttpContext } from '../context.ts';
import { type Html, html } from './html.ts';
import { packageHref } from './links.ts';

/** Looked up one by one; more than these are a matter for the report of a check. */
const LOOKED_UP = 50;
/** Enough to find one package among those that have its CPV in their name. */
const SAME_NAME = 200;

/** What a channel shows and nobody can fetch; nothing when there is none. */
export async function channelDamage(
  { check, repository }: Pick<HttpContext, 'check' | 'repository'>,
  { profile, channel }: { readonly profile: string; readonly channel: string },
): Promise<Html | false> {
  const damaged = await check.damaged(profile);
  const shown: Html[] = [];
  for (const { id, cpv, reason } of damaged.slice(0, LOOKED_UP)) {
    const query = { profile, channel, search: cpv, limit: SAME_NAME, offset: 0 };
    const { packages } = await repository.searchPackages(query);
    if (packages.some((one) => one.id === id)) {
      shown.push(html`<li><a href="${packageHref(id)}">${cpv}</a>: ${reason}</li>`);
    }
  }
  return (
    shown.length > 0 &&
    html`<section class="notice" aria-labelledby="damaged"><h2 id="damaged">Damaged packages</h2>
<p>Nodes cannot fetch these. Push the same signed file again, or publish other builds.</p><ul>${shown}</ul></section>`
  );
}

/** That the bytes of a package are lost; nothing when they are not. */
export function packageDamage(record: PackageRecord, reason: string | null): Html | false {
  return (
    reason !== null &&
    html`<section class="notice" aria-labelledby="damaged"><h2 id="damaged">Damaged</h2>
<p>${reason} Nodes cannot fetch this package. Push the same signed file again, from a backup or from the package
cache of a node: <code>rookery package push ${record.profile} ${record.path.split('/').at(-1)}</code></p></section>`
  );
}
