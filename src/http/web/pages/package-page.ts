import type { PackageRecord } from '../../../repository/package-record.ts';
import { damageOf, requirePackage } from '../../api/lookups.ts';
import type { HttpContext } from '../../context.ts';
import { packageDamage } from '../damage-notice.ts';
import { type Html, type HtmlPart, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, packageFileHref, profileHref } from '../links.ts';
import { crumbs, factList, origin, signature, table } from '../parts.ts';
import { bytes, timeAgo, utc } from '../units.ts';
import { versionOf } from './package-table.ts';

const PROVENANCE_KEY = 'ROOKERY_PROVENANCE';
const DEPENDENCY_KEYS = [
  'RDEPEND',
  'DEPEND',
  'BDEPEND',
  'PDEPEND',
  'IDEPEND',
  'REQUIRES',
  'PROVIDES',
];
/** Enough to find one package among those that have its CPV in their name. */
const SAME_NAME = 200;

/** Everything known about one package. */
export async function packagePage(context: HttpContext, id: string): Promise<Page> {
  const record = await requirePackage(context, id);
  const channels = await channelsWith(context, record);
  const now = context.clock.now();
  const { metadata, profile } = record;
  const main = html`${crumbs(
    [
      ['Profiles', '/'],
      [profile, profileHref(profile)],
    ],
    record.cpv,
  )}
<h1><span class="muted">${record.category}/</span>${record.pn} <span class="version">${versionOf(record)}</span></h1>
<p class="lead">${metadata['DESCRIPTION']}</p>
${packageDamage(record, await damageOf(context, record))}
${factList([
  ['Profile', html`<a href="${profileHref(profile)}">${profile}</a>`],
  ['Channels', channelList(profile, channels)],
  ['Slot', record.slot],
  ['Build', `#${record.buildId}`],
  [
    'Built',
    html`${timeAgo(record.buildTimeSeconds * 1000, now)} <span class="muted">${utc(record.buildTimeSeconds * 1000)}</span>`,
  ],
  [
    'Size',
    html`${bytes(record.size)} <span class="muted">${record.size.toLocaleString('en-US')} bytes</span>`,
  ],
  ['Installed size', installedSize(metadata['SIZE'])],
  ['License', metadata['LICENSE']],
  ['Home page', homePages(metadata['HOMEPAGE'])],
  ['Origin', origin(record.origin)],
  ['File', html`<a href="${packageFileHref(profile, record.path)}">${record.path}</a>`],
])}
${useSection(metadata['USE'] ?? '', metadata['IUSE'] ?? '')}
${digestSection(record)}
${dependencySection(metadata)}
${provenanceSection(record)}
${metadataSection(metadata)}`;
  return { title: record.cpv, section: 'overview', main };
}

async function channelsWith(context: HttpContext, record: PackageRecord): Promise<string[]> {
  const { profile, cpv } = record;
  const known = context.profiles.list().find(({ name }) => name === profile)?.channels ?? [];
  const holding = await Promise.all(
    known.map(async (channel) => {
      const query = { profile, channel, search: cpv, limit: SAME_NAME, offset: 0 };
      const { packages } = await context.repository.searchPackages(query);
      return packages.some(({ id }) => id === record.id) ? [channel] : [];
    }),
  );
  return holding.flat();
}

function channelList(profile: string, channels: readonly string[]): HtmlPart {
  return channels.length === 0
    ? 'in none now'
    : channels.map(
        (name, index) =>
          html`${index > 0 && ', '}<a href="${channelHref(profile, name)}">${name}</a>`,
      );
}

function installedSize(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? bytes(Number(text)) : undefined;
}

/** Only web addresses become links: the text comes out of the package. */
function homePages(text: string | undefined): HtmlPart {
  const words = (text ?? '').split(/\s+/).filter((word) => word !== '');
  return words.map((word) =>
    /^https?:\/\//.test(word) ? html`<a rel="noreferrer" href="${word}">${word}</a> ` : `${word} `,
  );
}

function useSection(use: string, iuse: string): Html | false {
  const chosen = new Set(use.split(/\s+/));
  const offered = [...new Set(iuse.split(/\s+/).map((flag) => flag.replace(/^[+-]/, '')))];
  const flags = offered.filter((flag) => flag !== '').toSorted();
  if (flags.length === 0) {
    return false;
  }
  const chip = (flag: string): Html =>
    chosen.has(flag)
      ? html`<span class="chip on">${flag}</span>`
      : html`<span class="chip off">-${flag}</span>`;
  return html`<section aria-labelledby="use"><h2 id="use">USE</h2><p class="chips">${flags.map(chip)}</p></section>`;
}

function digestSection(record: PackageRecord): Html {
  return html`<section aria-labelledby="digests"><h2 id="digests">Signature and digests</h2>
<p>${signature(record.keyFingerprint)} by <code>${record.keyFingerprint}</code></p>
${table({
  caption: 'Digests',
  columns: ['Of the file', 'Hex'],
  rows: [
    digestRow('MD5', record.md5),
    digestRow('SHA1', record.sha1),
    digestRow('SHA512', record.sha512),
    digestRow('SHA512 as it was uploaded', record.uploadSha512),
  ],
  empty: '',
})}
</section>`;
}

function digestRow(name: string, value: string): Html {
  return html`<tr><th scope="row">${name}</th><td><code class="digest">${value}</code></td></tr>`;
}

function dependencySection(metadata: PackageRecord['metadata']): Html | false {
  const facts = DEPENDENCY_KEYS.map((key) => [key, metadata[key] ?? ''] as const).filter(
    ([, value]) => value !== '',
  );
  return (
    facts.length > 0 &&
    html`<section aria-labelledby="needs"><h2 id="needs">Dependencies</h2>
${factList(facts.map(([key, value]) => [key, html`<code>${value}</code>`]))}</section>`
  );
}

function provenanceSection(record: PackageRecord): Html {
  return html`<section aria-labelledby="provenance"><h2 id="provenance">Provenance</h2>
${factList([
  ['Origin', origin(record.origin)],
  ['Imported', utc(record.importedAt)],
  ['Inputs', record.inputs !== null && html`<code class="digest">${record.inputs}</code>`],
  ...provenanceFacts(record.metadata[PROVENANCE_KEY]),
])}</section>`;
}

function provenanceFacts(text: string | undefined): (readonly [string, HtmlPart])[] {
  const parsed = parseObject(text ?? '');
  if (parsed === undefined) {
    return text === undefined ? [] : [['Record', html`<code>${text}</code>`]];
  }
  return Object.entries(parsed)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => [
      key,
      html`<code>${typeof value === 'string' ? value : JSON.stringify(value)}</code>`,
    ]);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function metadataSection(metadata: PackageRecord['metadata']): Html {
  const rows = Object.entries(metadata)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(
      ([key, value]) =>
        html`<tr><th scope="row">${key}</th><td><code class="value">${value}</code></td></tr>`,
    );
  return html`<section aria-labelledby="metadata"><h2 id="metadata">Metadata</h2>
<details><summary>${rows.length} keys of the package</summary>
${table({ caption: 'Metadata', columns: ['Key', 'Value'], rows, empty: 'The package has no metadata.' })}
</details></section>`;
}
