import type { HardwareProfile } from '../../../gentoo/profile.ts';
import type { DifferenceView, PackageChangeView } from '../../../protocol/difference.ts';
import { differenceQuerySchema } from '../../../protocol/difference.ts';
import { AppError } from '../../../support/errors.ts';
import { describeIssues } from '../../api/describe-issues.ts';
import { differenceView } from '../../api/difference-route.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref, packageHref, profileHref } from '../links.ts';
import { crumbs, table } from '../parts.ts';
import { bytes, count, timeAgo } from '../units.ts';

const CHOICES = 50;

/** Two publications side by side: which packages came, went and changed. */
export async function differencePage(
  context: HttpContext,
  name: string,
  query: Readonly<Record<string, unknown>>,
): Promise<Page> {
  const profile = context.profiles.get(name);
  const first = profile.channels[0] ?? '';
  const [from = first, to = first] = [query['from'], query['to']].map(textOf);
  const asked = { from, to };
  const checked = differenceQuerySchema.safeParse(asked);
  if (!checked.success) {
    const given = { value: asked, schema: differenceQuerySchema };
    const [fault] = describeIssues(checked.error.issues, 'query', given);
    throw new AppError('invalid-query', fault?.message ?? 'The query is not valid.');
  }
  const difference = await differenceView(context, name, asked);
  const now = context.clock.now();
  const main = html`${crumbs(
    [
      ['Profiles', '/'],
      [name, profileHref(name)],
    ],
    'Changes',
  )}
<h1>${name} <span class="muted">changes</span></h1>
${await chooser(context, profile, asked)}
<p>${side(difference.from, from, now)} → ${side(difference.to, to, now)}</p>
<p class="muted">${summary(difference)}</p>
${table({
  caption: 'Packages that are not the same',
  columns: [
    'Change',
    'Package',
    'Slot',
    'Before',
    'After',
    { name: 'Size', kind: 'number' },
    'USE',
    'Sonames',
  ],
  rows: difference.changes.map(row),
  empty: 'Both show the same packages.',
})}`;
  return { title: `${name} changes`, section: 'overview', main };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

async function chooser(
  context: HttpContext,
  { name, channels }: HardwareProfile,
  asked: { readonly from: string; readonly to: string },
): Promise<Html> {
  const choices: string[] = [];
  for (const channel of channels) {
    const made = await context.repository.publications(name, channel, CHOICES);
    choices.push(channel, ...made.map(({ serial }) => `${channel}@${serial}`));
  }
  const select = (field: 'from' | 'to', label: string): Html => {
    const options = [...new Set([...choices, asked[field]])].map((choice) =>
      choice === asked[field]
        ? html`<option selected>${choice}</option>`
        : html`<option>${choice}</option>`,
    );
    return html`<label>${label} <select name="${field}">${options}</select></label>`;
  };
  return html`<form method="get" class="inline">${select('from', 'From')} ${select('to', 'to')} <button>Compare</button></form>`;
}

function side(made: DifferenceView['from'], asked: string, now: number): Html {
  return made === null
    ? html`${asked} <span class="muted">(nothing yet)</span>`
    : html`<a href="${channelHref(made.profile, made.channel)}">${made.channel}</a> #${made.serial} <span class="muted">${timeAgo(made.createdAt, now)}</span>`;
}

function summary({ counts, changes, sizeChange }: DifferenceView): string {
  const parts = Object.entries(counts)
    .filter(([, number]) => number > 0)
    .map(([kind, number]) => `${number} ${kind}`);
  return parts.length === 0
    ? 'No package is different.'
    : `${count(changes.length, 'package')}: ${parts.join(', ')}; ${signedBytes(sizeChange)}.`;
}

const TONES: Readonly<Record<PackageChangeView['kind'], string>> = {
  added: 'good',
  removed: 'bad',
  up: 'good',
  down: 'warn',
  rebuilt: 'idle',
};

function row(change: PackageChangeView): Html {
  const { kind, name, slot, before, after, use, sonames, sizeChange } = change;
  const version = (one: PackageChangeView['before']): Html =>
    one === null
      ? html`–`
      : html`<a href="${packageHref(one.id)}">${one.cpv.slice(name.length + 1)}</a> <span class="muted">${one.buildId}</span>`;
  return html`<tr><td><span class="pill ${TONES[kind]}">${kind}</span></td>
<th scope="row">${name}</th><td>${slot}</td>
<td>${version(before)}</td><td>${version(after)}</td>
<td class="number">${signedBytes(sizeChange)}</td>
<td>${words(use)}</td><td>${words(sonames)}</td></tr>`;
}

function words({ added, removed }: PackageChangeView['use']): string {
  return [...added.map((word) => `+${word}`), ...removed.map((word) => `−${word}`)].join(' ');
}

function signedBytes(size: number): string {
  return size < 0 ? `−${bytes(-size)}` : `+${bytes(size)}`;
}
