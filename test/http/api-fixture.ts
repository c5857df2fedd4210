import { createHash } from 'node:crypto';
import { UNSAID_ABILITIES } from '../support/unsaid-abilities.ts';
import type { TestServer } from './test-server.ts';

/** Two packages for one profile and one for the other, a publication, a request with two jobs, and an agent. */
export async function fillFarm(farm: TestServer): Promise<void> {
  const php = farm.repository.add({ cpv: 'dev-lang/php-8.4.1', slot: '8.4' });
  farm.repository.add({ cpv: 'dev-libs/libxml2-2.13.4' });
  farm.repository.add({ cpv: 'dev-libs/libxml2-2.13.4', profile: 'web-skylake' });
  await farm.repository.publish({
    profile: 'web-zen4',
    channel: 'testing',
    packageIds: [php.id],
    author: 'token:ops',
    reason: 'php 8.4',
  });
  farm.builds.addRequest({ id: 'rq-a', publish: 'testing' });
  farm.builds.addJob({
    id: 'j-1',
    requestId: 'rq-a',
    kind: 'plan',
    name: 'plan',
    state: 'succeeded',
    reason: null,
  });
  farm.builds.addJob({ id: 'j-2', requestId: 'rq-a', needs: ['j-1'] });
  farm.builds.built.push({ requestId: 'rq-a', package: php, how: 'reused', leftOut: null });
  await farm.builds.registerAgent({
    name: 'builder-1',
    chost: 'x86_64-pc-linux-gnu',
    cpuFlags: ['avx2'],
    cores: 16,
    memoryBytes: 2 ** 35,
    portageVersion: '3.0.82',
    executors: ['portage'],
    ...UNSAID_ABILITIES,
  });
}

export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}

export function upload(content: string): { readonly bytes: Buffer; readonly sha512: string } {
  const bytes = Buffer.from(content);
  return { bytes, sha512: createHash('sha512').update(bytes).digest('hex') };
}
