import type { Gained } from '../../../php/compare-trees.ts';
import type { ManifestEntry } from '../../../php/manifest.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { phpHref, profileHref } from '../links.ts';
import { crumbs, factList, table } from '../parts.ts';
import { bytes } from '../units.ts';

/** Two PHP trees side by side: files, extensions, needed libraries. */
export async function phpDifferencePage(
  context: HttpContext,
  name: string,
  query: Readonly<Record<string, unknown>>,
): Promise<Page> {
  context.profiles.get(name);
  const [from, to] = [query['from'], query['to']].map((one) =>
    typeof one === 'string' ? one : '',
  );
  const found = await context.php.compare(name, { from: from ?? '', to: to ?? '' });
  const { added, removed, changed, extensions, requires, newBytes } = found;
  const rows = [
    ...added.map((entry) => entryRow('added', undefined, entry)),
    ...removed.map((entry) => entryRow('removed', entry, undefined)),
    ...changed.map(({ before, after }) => entryRow('changed', before, after)),
  ];
  const main = html`${crumbs(
    [
      ['Profiles', '/'],
      [name, profileHref(name)],
      ['PHP', phpHref(name)],
    ],
    'Changes',
  )}
<h1>${found.from.id} → ${found.to.id}</h1>
${factList([
  ['To fetch', `${bytes(newBytes)} of ${bytes(found.to.listing.bytes)}`],
  ['Extensions', words(extensions)],
  ['Needed libraries', words(requires)],
  ['glibc', `${found.from.meta.glibc ?? 'none'} → ${found.to.meta.glibc ?? 'none'}`],
])}
${table({
  caption: 'Files that are not the same',
  columns: [
    'Change',
    'Path',
    { name: 'Before', kind: 'number' },
    { name: 'After', kind: 'number' },
  ],
  rows,
  empty: 'They have the same files.',
})}`;
  return { title: `${name} PHP changes`, section: 'overview', main };
}

const TONES = { added: 'good', removed: 'bad', changed: 'warn' } as const;

function entryRow(
  kind: keyof typeof TONES,
  before: ManifestEntry | undefined,
  after: ManifestEntry | undefined,
): Html {
  return html`<tr><td><span class="pill ${TONES[kind]}">${kind}</span></td>
<th scope="row">${(after ?? before)?.path}</th>
<td class="number">${sizeOf(before)}</td><td class="number">${sizeOf(after)}</td></tr>`;
}

function sizeOf(entry: ManifestEntry | undefined): string {
  return entry?.type === 'file' ? bytes(entry.bytes) : (entry?.type ?? '–');
}

function words({ added, removed }: Gained): string {
  const all = [...added.map((one) => `+${one}`), ...removed.map((one) => `−${one}`)];
  return all.join(', ') || 'the same';
}
