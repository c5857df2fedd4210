import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publicationRef } from '../../src/fleet/plan/publication-ref.ts';
import { parsePackagesIndex } from '../../src/gentoo/packages-index.ts';
import { publicationViewSchema } from '../../src/protocol/channels.ts';
import { digestOf } from '../../src/support/digests.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { FleetWorld, PROFILE } from '../fleet-lab/fleet-world.ts';
import type { LabNode } from '../fleet-lab/lab-node.ts';
import type { PhpNode } from '../php-node/node.ts';
import {
  type GentooPrefix,
  makeGentooPrefix,
  makeOverlay,
  writeEmerge,
} from '../support/gentoo-prefix.ts';
import type { TestServer } from '../support/rookery-process.ts';
import { installedIn } from './running-prefix.ts';

/** The library of C comes from the machine that the prefixes lie on. */
const BASE_SYSTEM = 'provides x86_64: libc.so.6 ld-linux-x86-64.so.2\n';

export interface GentooWorldSettings {
  readonly farms: number;
  readonly members: number;
  /** By `category/pn/pf.ebuild`. */
  readonly ebuilds: Readonly<Record<string, string>>;
  /** What the nodes have installed at first, CPVs. All of it is in their @world. */
  readonly first: readonly string[];
}

/**
 * A world of the fleet whose nodes are Gentoo prefixes: they merge what a builder has built of ebuilds and a real server has
 * published. `stop` it.
 */
export class GentooWorld {
  readonly fleet: FleetWorld;
  readonly #builder: GentooPrefix;

  private constructor(fleet: FleetWorld, builder: GentooPrefix) {
    this.fleet = fleet;
    this.#builder = builder;
  }

  static async open(folder: string, settings: GentooWorldSettings): Promise<GentooWorld> {
    const overlay = join(folder, 'overlay');
    await makeOverlay(overlay, settings.ebuilds);
    const builder = await makeGentooPrefix({ folder: join(folder, 'builder'), overlay });
    mkdirSync(join(folder, 'profiles', PROFILE), { recursive: true });
    writeFileSync(join(folder, 'profiles', PROFILE, 'base-system'), BASE_SYSTEM);
    let serial = 0;
    const fleet = await FleetWorld.open(folder, {
      ...settings,
      publish: async ({ server }) => {
        serial = await publish(server, builder, settings.first);
      },
      prepare: async (template) => {
        await makeGentoo(template, overlay, settings.first);
        await merge(template, folder, serial);
      },
    });
    for (const { php } of fleet.lab.nodes) {
      appendFileSync(php.path('etc/rookery/step.conf'), `emerge-command = ${php.path('emerge')}\n`);
    }
    return new GentooWorld(fleet, builder);
  }

  async stop(): Promise<void> {
    await this.#builder.stop();
    await this.fleet.stop();
  }

  /** Builds these, CPVs, and publishes them over what the channel shows. The serial. */
  async publish(cpvs: readonly string[]): Promise<number> {
    return await publish(this.fleet.server, this.#builder, cpvs);
  }

  /** What a publication has: a CPV and when it was built, a line each, in order. */
  async published(serial: number): Promise<string[]> {
    const { path } = await refOf(this.fleet.server.folder, serial);
    const { entries } = parsePackagesIndex(
      await (await fetch(`${this.fleet.server.url}${path}/Packages`)).text(),
    );
    return entries.map((entry) => `${entry.get('CPV')} ${entry.get('BUILD_TIME')}`).toSorted();
  }
}

/** What a node has installed, as `published` says it. */
export function installedOn({ php }: LabNode): string[] {
  return installedIn(php.root)
    .map(({ cpv, buildTime }) => `${cpv} ${buildTime}`)
    .toSorted();
}

async function publish(
  server: TestServer,
  builder: GentooPrefix,
  cpvs: readonly string[],
): Promise<number> {
  const packages = await mkdtemp(join(builder.folder, 'built-'));
  const atoms = cpvs.map((cpv) => `=${cpv}`);
  const built = await builder.emerge(['--buildpkgonly', '--nodeps', '--jobs', ...atoms], {
    PKGDIR: packages,
  });
  if (built.exitCode !== 0) {
    throw new Error(`${built.stdout.toString()}${built.stderr}`.slice(-3000));
  }
  for (const entry of await readdir(packages, { recursive: true, withFileTypes: true })) {
    if (entry.name.endsWith('.gpkg.tar')) {
      await push(server, join(entry.parentPath, entry.name));
    }
  }
  const path = `/api/profiles/${PROFILE}/channels/stable/publish`;
  const answer = await server.call('POST', path, { reason: 'a test', force: true });
  if (answer.status !== 201) {
    throw new Error(`nothing was published: ${JSON.stringify(answer)}`);
  }
  return publicationViewSchema.parse(answer.body).serial;
}

async function push(server: TestServer, file: string): Promise<void> {
  const bytes = await readFile(file);
  const sha512 = digestOf('sha512', bytes);
  const response = await fetch(`${server.url}/api/profiles/${PROFILE}/packages?sha512=${sha512}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${await server.token('builder')}` },
    body: bytes,
  });
  if (!response.ok) {
    throw new Error(`${file} was refused: ${await response.text()}`);
  }
}

/** Makes a node of the lab, which is a client of the farm already, a Gentoo prefix with these packages in @world. */
async function makeGentoo(
  template: PhpNode,
  overlay: string,
  cpvs: readonly string[],
): Promise<void> {
  const prefix = await makeGentooPrefix({ folder: template.root, overlay });
  const home = template.path('etc/portage/gnupg');
  await runChecked(
    ['sh', template.path('setup.sh'), '--prefix', template.root, '--gnupg-home', home],
    { env: toolEnvironment() },
  );
  const names = cpvs.map((cpv) => cpv.replace(/-[0-9][^-]*$/, ''));
  template.put('var/lib/portage/world', names.map((name) => `${name}\n`).join(''));
  await writeEmerge(prefix, template.path('emerge'));
  template.put('etc/rookery/step.conf', `emerge-command = ${template.path('emerge')}\n`);
}

async function merge(template: PhpNode, folder: string, serial: number): Promise<void> {
  const { profile, channel, digest, path } = await refOf(folder, serial);
  const words = [profile, channel, String(serial), digest, path];
  const command = [template.path('usr/local/sbin/rookery-step'), 'do', 'merge', ...words];
  const { exitCode, stdout, stderr } = await run(command, { env: toolEnvironment() });
  if (exitCode !== 0) {
    throw new Error(`the first merge ended with ${exitCode}: ${stdout.toString()}${stderr}`);
  }
}

async function refOf(folder: string, serial: number) {
  const folders = { state: join(folder, 'state'), mirrorRoot: join(folder, 'mirror-root') };
  return await publicationRef(folders, { profile: PROFILE, channel: 'stable', serial });
}
