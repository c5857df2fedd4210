import { mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { isNginxInstalled, startNginx } from '../../test/support/nginx.ts';
import { TestServer } from '../../test/support/rookery-process.ts';
import { pidOf } from './bench-farm.ts';
import type { Bench } from './claims.ts';
import { command, median } from './measure.ts';

/** What is downloaded: sizes of the two files, and when the index was last changed. */
const INDEX_BYTES = 2_500_000;
const PACKAGE_BYTES = 200 * 1024 * 1024;
const TIMESTAMP = 1_767_225_600;
const SINCE = new Date((TIMESTAMP + 5) * 1000).toUTCString();

const CHANNEL = '/binhost/web/testing';
const ROUNDS = 5;
const DOWNLOADS = 1000;

interface Claim {
  readonly what: string;
  readonly path: string;
  readonly connections: number;
  readonly headers?: readonly string[];
  readonly figure: (report: string) => number;
  readonly shown: (value: number) => string;
  readonly target: number;
}

const CLAIMS: readonly Claim[] = [
  {
    what: '304 answers for an index that is current',
    path: `${CHANNEL}/Packages.gz`,
    connections: 32,
    headers: ['-H', `If-Modified-Since: ${SINCE}`],
    figure: requestsPerSecond,
    shown: (value) => `${Math.round(value)} a second`,
    target: 0.35,
  },
  {
    what: `Packages.gz of ${(INDEX_BYTES / 1e6).toFixed(1)} MB`,
    path: `${CHANNEL}/Packages.gz`,
    connections: 16,
    figure: bytesPerSecond,
    shown: megabytes,
    target: 0.8,
  },
  {
    what: `packages of ${Math.round(PACKAGE_BYTES / 1e6)} MB`,
    path: `${CHANNEL}/app-misc/large/large-1-1.gpkg.tar`,
    connections: 4,
    figure: bytesPerSecond,
    shown: megabytes,
    target: 0.9,
  },
];

/** Claim 5: the built-in server, one process, against nginx on the same tree; and its memory in a crowd. */
export async function serveAgainstNginx(bench: Bench): Promise<void> {
  const folder = join(bench.folder, 'serve');
  const server = await TestServer.create(folder);
  await makeTree(join(folder, 'mirror-root'));
  await server.start();
  try {
    await againstNginx(bench, server, folder);
    await inACrowd(bench, server);
  } finally {
    await server.program.stop();
  }
}

async function againstNginx(bench: Bench, server: TestServer, folder: string): Promise<void> {
  const missing = (await isInstalled('wrk')) ? undefined : 'wrk';
  if (missing !== undefined || !(await isNginxInstalled())) {
    bench.print(`serving against nginx: skipped: no ${missing ?? 'nginx'} on PATH`);
    return;
  }
  const nginx = await startNginx({
    folder: join(folder, 'nginx'),
    mirrorRoot: join(folder, 'mirror-root'),
    upstream: new URL(server.url).host,
  });
  try {
    for (const claim of CLAIMS) {
      const [ours, theirs] = [await newSide(server.url), await newSide(nginx.url)];
      for (let round = 0; round < ROUNDS; round += 1) {
        ours.push(await load(server.url, claim));
        theirs.push(await load(nginx.url, claim));
      }
      const [mine, other] = [median({ seconds: ours }), median({ seconds: theirs })];
      bench.print(
        `${claim.what}: rookery ${claim.shown(mine)}, nginx ${claim.shown(other)}: ${(mine / other).toFixed(2)} of it (target: ${claim.target})`,
      );
    }
  } finally {
    await nginx.stop();
  }
}

/** Reads each file once, so that both sides find it in the page cache. */
async function newSide(url: string): Promise<number[]> {
  for (const { path } of CLAIMS) {
    const response = await fetch(url + path);
    if (!response.ok) {
      throw new Error(`${url}${path} is answered ${response.status}`);
    }
    await response.arrayBuffer();
  }
  return [];
}

async function load(url: string, claim: Claim): Promise<number> {
  const connections = ['-t1', `-c${claim.connections}`, '-d3s', '--timeout', '20s'];
  const report = await command(['wrk', ...connections, ...(claim.headers ?? []), url + claim.path]);
  if (/Non-2xx or 3xx|Socket errors/.test(report)) {
    throw new Error(`wrk saw failures: ${report}`);
  }
  return claim.figure(report);
}

function requestsPerSecond(report: string): number {
  return Number(/Requests\/sec:\s*([0-9.]+)/.exec(report)?.[1]);
}

function bytesPerSecond(report: string): number {
  const [, value, unit = ''] = /Transfer\/sec:\s*([0-9.]+)([KMG]?)B/.exec(report) ?? [];
  return Number(value) * 1024 ** ['', 'K', 'M', 'G'].indexOf(unit);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB/s`;
}

/** Resident memory while many clients download slowly, against that with a tenth of them. */
async function inACrowd(bench: Bench, server: TestServer): Promise<void> {
  const sockets: Socket[] = [];
  const path = `${CHANNEL}/app-misc/large/large-1-1.gpkg.tar`;
  try {
    await download(sockets, DOWNLOADS / 10, server.url, path);
    const few = await residentMegabytes(server);
    await download(sockets, DOWNLOADS - sockets.length, server.url, path);
    const many = await residentMegabytes(server);
    await pause(5000);
    const later = await residentMegabytes(server);
    bench.print(
      `memory with ${DOWNLOADS / 10} slow downloads: ${few} MB, with ${DOWNLOADS}: ${many} MB, 5 s later ${later} MB`,
    );
  } finally {
    for (const socket of sockets) {
      socket.destroy();
    }
  }
}

/** Starts downloads from several addresses, each of which takes a little at a time. Resolves when all are under way. */
async function download(
  sockets: Socket[],
  count: number,
  url: string,
  path: string,
): Promise<void> {
  const { hostname: host, port } = new URL(url);
  const started = Array.from({ length: count }, async (_, at) => {
    const localAddress = `127.0.0.${2 + (at % 20)}`;
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ host, port: Number(port), localAddress });
      socket.once('error', reject);
      socket.once('data', () => {
        socket.pause();
        resolve();
      });
      socket.write(`GET ${path} HTTP/1.1\r\nHost: farm\r\n\r\n`);
      const timer = setInterval(() => {
        socket.resume();
        setImmediate(() => socket.pause());
      }, 1000);
      socket.once('close', () => {
        clearInterval(timer);
      });
      sockets.push(socket);
    });
  });
  await Promise.all(started);
}

async function residentMegabytes(server: TestServer): Promise<number> {
  const status = await readFile(`/proc/${await pidOf(server)}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s*([0-9]+)/.exec(status)?.[1]) / 1024);
}

async function makeTree(mirrorRoot: string): Promise<void> {
  const binhost = join(mirrorRoot, 'binhost/web');
  const publication = join(binhost, '.publications/testing-1');
  const packages = join(binhost, 'packages/app-misc/large');
  await mkdir(publication, { recursive: true });
  await mkdir(packages, { recursive: true });
  await writeFile(join(publication, 'Packages.gz'), noise(INDEX_BYTES));
  await writeFile(join(packages, 'large-1-1.gpkg.tar'), noise(PACKAGE_BYTES));
  await utimes(join(publication, 'Packages.gz'), TIMESTAMP, TIMESTAMP);
  await symlink('../../packages/app-misc', join(publication, 'app-misc'));
  await symlink('.publications/testing-1', join(binhost, 'testing'));
}

function noise(bytes: number): Buffer {
  const made = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) {
    made.writeUInt32LE(Math.imul(at + 7, 2_654_435_761) >>> 0, at);
  }
  return made;
}

async function isInstalled(program: string): Promise<boolean> {
  const asked = ['sh', '-c', 'command -v "$1"', 'sh', program];
  return (await run(asked, { env: toolEnvironment() })).exitCode === 0;
}
