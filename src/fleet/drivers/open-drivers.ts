import { join } from 'node:path';
import { AppError } from '../../support/errors.ts';
import { readTextIfPresent } from '../../support/files.ts';
import type { Log } from '../../support/log.ts';
import { DEFAULT_RULES } from '../gates/compare.ts';
import { signalGates } from '../gates/signal-gates.ts';
import { TrafficSamples } from '../gates/traffic-samples.ts';
import type { GateName } from '../plan/policy.ts';
import { AnyBalancerDriver } from './any-balancer.ts';
import { CommandBalancerDriver } from './command-balancer.ts';
import { createCommandRunner } from './command-runner.ts';
import { HaproxyDriver } from './haproxy.ts';
import { HaproxySockets } from './haproxy-socket.ts';
import { HealthFileDriver } from './health-file.ts';
import { createMail } from './mail.ts';
import { MemcachedDriver } from './memcached.ts';
import { type NoticeWay, NotifierOfAll } from './notifier.ts';
import type { Drivers, GateJudge } from './ports.ts';
import { createSshRunner } from './ssh-runner.ts';
import { createWebhook } from './webhook.ts';

/** `[fleet]` of the configuration, as the drivers need it: `FleetSettings` of the room `config` is this. */
export interface DriverSettings {
  readonly ssh: {
    readonly identityFile: string | null;
    readonly knownHostsFile: string | null;
    readonly configFile: string | null;
    readonly connectTimeoutSeconds: number;
    readonly keepSeconds: number;
  };
  readonly nodeProgram: readonly string[];
  readonly nodeCommand: readonly string[] | null;
  readonly nodesAtOnce: number;
  readonly callTimeoutMs: number;
  readonly webhookFile: string | null;
  readonly mail: {
    readonly host: string;
    readonly port: number;
    readonly isTls: boolean;
    readonly account: { readonly user: string; readonly passwordFile: string } | null;
    readonly from: string;
    readonly to: readonly string[];
  } | null;
  readonly alerts:
    | { readonly kind: 'url'; readonly url: string }
    | { readonly kind: 'command'; readonly command: readonly string[] }
    | null;
  readonly sampleMs: number;
  readonly sampleRequests: number;
}

export interface OpenDrivers {
  readonly drivers: Drivers;
  /** `error-rate`, `latency`, `saturation`, `alerts`. */
  readonly judges: ReadonlyMap<GateName, GateJudge>;
  /** Ends connections that were kept. */
  close(): Promise<void>;
}

/**
 * The drivers of the configuration. Nothing is connected to before it is needed.
 *
 * Throws `command-not-plain`, `command-template-invalid`, `fleet-file-missing`, `webhook-invalid`.
 */
export async function openDrivers(
  settings: DriverSettings,
  parts: {
    readonly state: string;
    readonly log: Log;
    readonly time: { now(): number; sleep(ms: number): Promise<void> };
  },
): Promise<OpenDrivers> {
  const { callTimeoutMs, nodesAtOnce: concurrency } = settings;
  const ssh = {
    ...settings.ssh,
    knownHostsFile: settings.ssh.knownHostsFile ?? join(parts.state, 'fleet', 'known-hosts'),
  };
  const nodes =
    settings.nodeCommand === null
      ? createSshRunner({ ...ssh, concurrency, program: settings.nodeProgram, callTimeoutMs })
      : createCommandRunner({ command: settings.nodeCommand, concurrency, callTimeoutMs });
  const sockets = new HaproxySockets(ssh, callTimeoutMs);
  const haproxy = new HaproxyDriver(sockets);
  const balancers = new AnyBalancerDriver({
    haproxy,
    'health-file': new HealthFileDriver(nodes, parts.time),
    command: new CommandBalancerDriver(callTimeoutMs),
  });
  const caches = new MemcachedDriver(callTimeoutMs);
  const notifier = new NotifierOfAll(await waysOf(settings), parts.log);
  const judges = signalGates({
    samples: new TrafficSamples(haproxy, parts.time, settings.sampleMs),
    rules: { ...DEFAULT_RULES, minimumRequests: settings.sampleRequests },
    nodes,
    alerts: settings.alerts === null ? null : { ...settings.alerts, timeoutMs: callTimeoutMs },
  });
  return {
    drivers: { nodes, balancers, caches, notifier },
    judges,
    close: async () => {
      await nodes.close();
      await sockets.close();
    },
  };
}

async function waysOf(settings: DriverSettings): Promise<NoticeWay[]> {
  const { webhookFile, mail, callTimeoutMs: timeoutMs } = settings;
  const ways: NoticeWay[] = [];
  if (webhookFile !== null) {
    const url = await firstLineOf(webhookFile);
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new AppError(
        'webhook-invalid',
        `The first line of ${webhookFile} is not an http:// or https:// address.`,
      );
    }
    ways.push(
      createWebhook({ url, timeoutMs, tries: 4, backoff: { initialMs: 1000, maximumMs: 30_000 } }),
    );
  }
  if (mail !== null) {
    const { account, ...rest } = mail;
    const named =
      account === null
        ? null
        : { user: account.user, password: await firstLineOf(account.passwordFile) };
    ways.push(createMail({ ...rest, account: named, timeoutMs }));
  }
  return ways;
}

async function firstLineOf(file: string): Promise<string> {
  const [line = ''] = ((await readTextIfPresent(file)) ?? '').split('\n');
  if (line.trim() === '') {
    throw new AppError('fleet-file-missing', `The file ${file} does not exist, or is empty.`);
  }
  return line.trim();
}
