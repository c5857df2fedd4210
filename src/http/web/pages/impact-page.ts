import {
  type EffectName,
  type ImpactView,
  impactBodySchema,
  type PackageImpactView,
} from '../../../protocol/impact.ts';
import { AppError } from '../../../support/errors.ts';
import { describeIssues } from '../../api/describe-issues.ts';
import { impactList } from '../../api/impact-routes.ts';
import type { HttpContext } from '../../context.ts';
import { type Html, html } from '../html.ts';
import type { Page } from '../layout.ts';
import { channelHref } from '../links.ts';
import { table } from '../parts.ts';
import { count } from '../units.ts';

const NAMED_NODES = 5;
const TONES: Readonly<Record<EffectName, string>> = {
  none: 'good',
  'service-restart': 'busy',
  disruptive: 'warn',
  reboot: 'bad',
  blocked: 'bad',
};

/** What the publications of a channel would do to nodes: `?target=<profile>/<channel>[@serial]`, and `?node=`. */
export async function impactPage(
  context: HttpContext,
  query: Readonly<Record<string, unknown>>,
): Promise<Page> {
  const targets = textsIn(query['target']);
  const nodes = textsIn(query['node']);
  const impacts =
    targets.length === 0
      ? undefined
      : (await impactList(context, checked({ targets, nodes }))).impacts;
  const main = html`<h1>What an upgrade does</h1>
<p class="lead">Which packages a publication would change on nodes, and what that does to what runs there, before anything is
merged.</p>
${chooser(context, targets)}
${impacts?.map((impact, at) => section(impact, at))}
${impacts?.length === 0 && html`<p>No node of ${targets.join(' or ')} has said what it has installed.</p>`}`;
  return { title: 'What an upgrade does', section: 'nodes', main };
}

function textsIn(value: unknown): string[] {
  return [value]
    .flat()
    .filter((one) => typeof one === 'string' && one !== '')
    .map(String);
}

function checked(asked: { readonly targets: string[]; readonly nodes: string[] }) {
  const result = impactBodySchema.safeParse(asked);
  if (result.success) {
    return result.data;
  }
  const given = { value: asked, schema: impactBodySchema };
  const [fault] = describeIssues(result.error.issues, 'query', given);
  throw new AppError('invalid-query', fault?.message ?? 'The query is not valid.');
}

function chooser({ profiles }: HttpContext, targets: readonly string[]): Html {
  const known = profiles
    .list()
    .flatMap(({ name, channels }) => channels.map((one) => `${name}/${one}`));
  const options = [...new Set([...targets, ...known])].map((choice) =>
    targets.includes(choice)
      ? html`<option selected>${choice}</option>`
      : html`<option>${choice}</option>`,
  );
  return html`<form method="get" class="inline"><label>Publication <select name="target">${options}</select></label> <button>Show</button></form>`;
}

function section(impact: ImpactView, at: number): Html {
  const { to, effect, packages, restarts, nodes } = impact;
  const id = `impact-${at}`;
  const still = packages.filter((one) => one.effect === 'none');
  return html`<section aria-labelledby="${id}"><h2 id="${id}"><a href="${channelHref(to.profile, to.channel)}">${to.profile} ${to.channel}</a> #${to.serial}
on ${nodes.length <= NAMED_NODES ? nodes.join(', ') : count(nodes.length, 'node')} ${pill(effect)}</h2>
${restarts.length > 0 && html`<p>To be restarted after it, in this order: ${restarts.join(', ')}.</p>`}
${packageTable(
  'Packages that touch what runs',
  packages.filter((one) => one.effect !== 'none'),
  'Nothing that runs is touched.',
)}
${
  still.length > 0 &&
  html`<details><summary>${count(still.length, 'package')} with no effect on what runs</summary>
${packageTable('Packages with no effect', still, '')}</details>`
}</section>`;
}

function packageTable(
  caption: string,
  packages: readonly PackageImpactView[],
  empty: string,
): Html {
  const columns = ['Effect', 'Package', 'Slot', 'From', 'To', 'Why'];
  return table({ caption, columns, rows: packages.map(row), empty });
}

function row({ name, slot, from, to, effect, reasons }: PackageImpactView): Html {
  const version = (cpv: string | null): string => (cpv === null ? '–' : cpv.slice(name.length + 1));
  return html`<tr><td>${pill(effect)}</td><th scope="row">${name}</th><td>${slot}</td>
<td>${version(from)}</td><td>${version(to)}</td>
<td>${reasons.map((reason, at) => html`${at > 0 && html`<br>`}${reason}`)}</td></tr>`;
}

function pill(effect: EffectName): Html {
  return html`<span class="pill ${TONES[effect]}">${effect}</span>`;
}
