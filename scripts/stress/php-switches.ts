import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { killGroup } from '../../src/support/processes.ts';
import { manifestOf, PhpFarm } from '../../test/php-node/farm.ts';
import { Load, type LoadCounts } from '../../test/php-node/load.ts';
import { PhpNode } from '../../test/php-node/node.ts';
import { shutDown, WebServer } from '../../test/php-node/web-server.ts';

/*
 * The figures of docs/clients.md, "What was measured", with six nodes on 127.77.0.1 to .6, each a root folder with its own
 * nginx, and a real rsync daemon. Needs php8.2-fpm, nginx, rsync, gpg.
 *
 *     node --import tsx scripts/stress/php-switches.ts [DRAINED-ACTIVATIONS] [UNDRAINED-REQUESTS] [KILLED-PULLS]
 */
const [A, B] = ['8.2.30-web-v3-r1', '8.2.30-web-v3-r2'] as const;
const [drained = 48, undrained = 10_000, kills = 20] = process.argv.slice(2).map(Number);

interface Site {
  readonly node: PhpNode;
  readonly server: WebServer;
}

async function main(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-php-'));
  chmodSync(folder, 0o755);
  const farm = await PhpFarm.open(join(folder, 'farm'));
  const sites: Site[] = [];
  try {
    farm.addTree({ id: A });
    farm.addTree({ id: B, files: { 'etc/php.ini': 'memory_limit = 96M\n' } });
    farm.publish({ stable: A, testing: B });
    for (const number of [1, 2, 3, 4, 5, 6]) {
      const node = await PhpNode.open(join(folder, `node${number}`), farm);
      sites.push({ node, server: await WebServer.start(node, 'nginx', `127.77.0.${number}`) });
    }
    const [first] = sites;
    if (first === undefined) {
      throw new Error('there is no node');
    }
    const failed = [
      await killedPulls(first.node, farm),
      await pullAll(sites),
      await drainedActivations(sites),
      await rollbacks(sites),
      await undrainedSwitches(first),
    ];
    return failed.includes(true) ? 1 : 0;
  } finally {
    for (const { node, server } of sites) {
      await shutDown(node, server);
    }
    await farm.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function tell(what: string, isGood: boolean): boolean {
  process.stdout.write(`${isGood ? 'good' : 'BAD '}  ${what}\n`);
  return !isGood;
}

async function killedPulls(node: PhpNode, farm: PhpFarm): Promise<boolean> {
  const signed = readFileSync(join(farm.place, A, 'MANIFEST'), 'utf8');
  const began = performance.now();
  await node.must(0, 'pull');
  const whole = performance.now() - began;
  let [killed, half, incomplete] = [0, 0, 0];
  while (killed < kills) {
    rmSync(node.path('opt/php'), { recursive: true, force: true });
    const child = node.begin('pull');
    await delay(Math.random() * whole);
    killed += child.exitCode === null ? 1 : 0;
    killGroup(child, 'SIGKILL');
    const here = existsSync(node.path('opt/php')) ? readdirSync(node.path('opt/php')) : [];
    half += here.includes(A) && manifestOf(node.tree(A), A) !== signed ? 1 : 0;
    const { exitCode } = await node.php('pull');
    incomplete += exitCode === 0 && manifestOf(node.tree(A), A) === signed ? 0 : 1;
  }
  const what = `a pull killed at random ${killed} times: ${half} half trees, ${incomplete} not completed by the next pull`;
  return tell(what, half + incomplete === 0);
}

async function pullAll(sites: readonly Site[]): Promise<boolean> {
  for (const { node } of sites) {
    await node.must(0, 'pull', 'stable');
    await node.must(0, 'pull', 'testing');
    await node.must(0, 'verify');
    await node.must(0, 'activate', A);
  }
  return tell(`${sites.length} nodes have pulled and verified two trees, and run the first`, true);
}

async function drainedActivations(sites: readonly Site[]): Promise<boolean> {
  const load = new Load(
    sites.map(({ server }) => server.url),
    12,
  );
  const times: number[] = [];
  for (let count = 0; count < drained; count += 1) {
    const site = sites[count % sites.length];
    if (site !== undefined) {
      await load.drain(site.server.url);
      const began = performance.now();
      await site.node.must(0, 'activate', Math.floor(count / sites.length) % 2 === 0 ? B : A);
      times.push(performance.now() - began);
      load.ready(site.server.url);
    }
  }
  const counts = await load.end();
  const what = `${drained} drained activations, median ${medianOf(times)} ms: ${words(counts)}`;
  return tell(what, counts.failed + counts.keepAliveRaces === 0);
}

async function rollbacks(sites: readonly Site[]): Promise<boolean> {
  const times: number[] = [];
  for (const { node } of sites) {
    const began = performance.now();
    await node.must(0, 'rollback');
    times.push(performance.now() - began);
  }
  const slowest = Math.round(Math.max(...times));
  return tell(
    `rollback to a php-fpm that still runs: median ${medianOf(times)} ms, slowest ${slowest} ms`,
    slowest < 2000,
  );
}

async function undrainedSwitches({ node, server }: Site): Promise<boolean> {
  const load = new Load([server.url], 8);
  let switches = 0;
  while (load.requests < undrained) {
    switches += 1;
    await node.must(0, 'activate', switches % 2 === 0 ? A : B);
  }
  const counts = await load.end();
  return tell(`${switches} switches without a drain: ${words(counts)}`, counts.failed === 0);
}

function words({ requests, failed, keepAliveRaces, failures }: LoadCounts): string {
  const first = failures.length === 0 ? '' : ` (${failures.join('; ')})`;
  return `${failed} failed of ${requests} requests${first}, and ${keepAliveRaces} lost to nginx's keep-alive race`;
}

function medianOf(times: readonly number[]): number {
  return Math.round(times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0);
}

process.exitCode = await main();
