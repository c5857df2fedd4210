import { ROLLOUT_STATES, type RolloutState, UNIT_STATES } from '../fleet/rollout/rollout.ts';
import { isLive } from './api/views.ts';
import type { HttpContext } from './context.ts';

/** Of the text format, version 0.0.4. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Readonly<Record<string, string>>;

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly (readonly [labels: Labels, value: number])[];
}

/**
 * What a monitor watches, in the text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). It
 * costs a few rows for each channel. Times are seconds since the epoch.
 */
export async function renderMetrics(context: HttpContext): Promise<string> {
  const metrics = [
    ...keyMetrics(context),
    ...(await channelMetrics(context)),
    await agentMetric(context),
    ...(await rolloutMetrics(context)),
    {
      name: 'rookery_ready',
      help: 'Whether the server can do its work: 1 when /readyz answers 200.',
      samples: [[{}, Number((await context.readiness()).length === 0)] as const],
    },
  ];
  return metrics.map(textOf).join('');
}

function keyMetrics({ keys, resign }: HttpContext): Metric[] {
  const list = keys.list();
  const accepted = new Set(keys.acceptedFingerprints());
  const state = resign.state();
  return [
    {
      name: 'rookery_key_expires_timestamp_seconds',
      help: 'When nodes begin to refuse what a key signed. Keys that never end and revoked ones are left out.',
      samples: list.flatMap(({ fingerprint, state: purpose, expiresAt }) =>
        expiresAt === null || purpose === 'revoked'
          ? []
          : [[{ fingerprint, state: purpose }, expiresAt / 1000] as const],
      ),
    },
    {
      name: 'rookery_key_accepted',
      help: 'Whether nodes accept what a key signed: published, not revoked, not expired.',
      samples: list.map(({ fingerprint, state: purpose }) => [
        { fingerprint, state: purpose },
        Number(accepted.has(fingerprint)),
      ]),
    },
    {
      name: 'rookery_resign_remaining_packages',
      help: 'Packages that are still to be signed again.',
      samples: [[{}, state?.state === 'running' ? state.total - state.done : 0]],
    },
  ];
}

async function channelMetrics({ profiles, repository }: HttpContext): Promise<Metric[]> {
  const found = await Promise.all(
    profiles
      .list()
      .flatMap(({ name, channels }) =>
        channels.map(async (channel) => await repository.currentPublication(name, channel)),
      ),
  );
  const shown = found.filter((publication) => publication !== undefined);
  const of = (value: (one: (typeof shown)[number]) => number): Metric['samples'] =>
    shown.map((one) => [{ profile: one.profile, channel: one.channel }, value(one)]);
  return [
    {
      name: 'rookery_channel_packages',
      help: 'Packages that a channel shows.',
      samples: of(({ packageCount }) => packageCount),
    },
    {
      name: 'rookery_channel_serial',
      help: 'Number of the publication that a channel shows.',
      samples: of(({ serial }) => serial),
    },
    {
      name: 'rookery_channel_published_timestamp_seconds',
      help: 'TIMESTAMP of the index that a channel shows.',
      samples: of(({ timestampSeconds }) => timestampSeconds),
    },
  ];
}

async function agentMetric({ builds, clock, heartbeatMs }: HttpContext): Promise<Metric> {
  const agents = await builds.listAgents();
  const times = { now: clock.now(), heartbeatMs };
  return {
    name: 'rookery_agents_live',
    help: 'Agents that were heard of lately.',
    samples: [[{}, agents.filter((agent) => isLive(agent, times)).length]],
  };
}

async function rolloutMetrics({ rollouts }: HttpContext): Promise<Metric[]> {
  const records = await rollouts.list();
  const underWay = records.filter(({ state }) => UNDER_WAY.includes(state));
  const units = underWay.flatMap((record) => record.units);
  const readings = await Promise.all(underWay.map(async ({ id }) => await rollouts.monitor(id)));
  const invariants = readings.flatMap((reading) => reading?.invariants ?? []);
  const broken = new Map<string, number>();
  for (const { name, violations } of invariants) {
    broken.set(name, (broken.get(name) ?? 0) + violations.length);
  }
  return [
    {
      name: 'rookery_rollouts',
      help: 'Rollouts by their state.',
      samples: ROLLOUT_STATES.map((state) => [
        { state },
        records.filter((record) => record.state === state).length,
      ]),
    },
    {
      name: 'rookery_rollout_units',
      help: 'Units of the rollouts that are under way or paused, by their state.',
      samples: UNIT_STATES.map((state) => [
        { state },
        units.filter((unit) => unit.state === state).length,
      ]),
    },
    {
      name: 'rookery_fleet_held_nodes',
      help: 'Nodes that no rollout touches until somebody has looked at them.',
      samples: [[{}, (await rollouts.held()).length]],
    },
    {
      name: 'rookery_rollout_invariant_violations',
      help: 'What speaks against the invariants of rollouts now. Zero on a good day.',
      samples: [...broken].map(([invariant, count]) => [{ invariant }, count]),
    },
  ];
}

const UNDER_WAY: readonly RolloutState[] = ['running', 'paused', 'aborting'];

function textOf({ name, help, samples }: Metric): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replaceAll(/[\\"\n]/g, (one) => ESCAPES[one] ?? one)}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };
