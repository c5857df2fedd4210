import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PublicationRef } from '../../src/fleet/plan/artefact.ts';
import { publicationRef } from '../../src/fleet/plan/publication-ref.ts';
import { runChecked, toolEnvironment } from '../../src/support/processes.ts';
import type { PhpNode } from '../php-node/node.ts';
import { BUILD_TIME, makePackage } from '../repository/make-package.ts';
import { PROFILE, type Rookery } from './fleet-world.ts';

/** The kernel: only a boot makes another one true. */
const KERNEL = 'sys-kernel/gentoo-kernel-bin-6.6.1';

/** Publications of a kernel on `stable`, 1 to `count`: each has another build of it. */
export async function publishKernels({ server, rookery }: Rookery, count: number): Promise<void> {
  const folder = join(server.folder, 'made');
  mkdirSync(folder, { recursive: true });
  for (let serial = 1; serial <= count; serial += 1) {
    const buildTime = BUILD_TIME + serial * 100;
    const file = await makePackage(folder, KERNEL, { buildTime });
    await rookery('package', 'push', PROFILE, file);
    await rookery('channel', 'publish', PROFILE, 'testing');
    await rookery('channel', 'promote', PROFILE, 'stable', '--force', '--reason', 'a test');
  }
}

export async function publicationOf(
  { server }: Pick<Rookery, 'server'>,
  serial: number,
): Promise<PublicationRef> {
  const folders = {
    state: join(server.folder, 'state'),
    mirrorRoot: join(server.folder, 'mirror-root'),
  };
  return await publicationRef(folders, { profile: PROFILE, channel: 'stable', serial });
}

/** Gives a node what stands in for emerge, and has it merge the first publication. */
export async function installKernel(world: Pick<Rookery, 'server'>, node: PhpNode): Promise<void> {
  copyFileSync(join(import.meta.dirname, 'stand-in-emerge.sh'), node.path('usr/local/sbin/emerge'));
  const { profile, channel, serial, digest, path } = await publicationOf(world, 1);
  const words = [profile, channel, String(serial), digest, path];
  const program = node.path('usr/local/sbin/rookery-step');
  const env = toolEnvironment();
  await runChecked([program, 'do', 'merge', ...words], {
    env: { ...env, PATH: `${node.path('usr/local/sbin')}:${env['PATH']}` },
  });
}
