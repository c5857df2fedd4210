import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from '@jest/globals';
import { isNginxInstalled, startNginx } from '../support/nginx.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { describeBinhost, makeBinhost, type Served } from './binhost-conformance.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const root = temporaryFolder();
const hasNginx = await isNginxInstalled();

describe('the built-in server', () => {
  let farm: TestServer;

  beforeAll(async () => {
    farm = await startTestServer();
    makeBinhost(farm.mirrorRoot);
  });

  afterAll(async () => {
    await farm.close();
  });

  describeBinhost(() => farm);
});

(hasNginx ? describe : describe.skip)(
  hasNginx ? 'nginx with the shipped configuration' : 'nginx (skipped: it is not installed)',
  () => {
    let served: Served & { stop(): Promise<void> };

    beforeAll(async () => {
      const folder = mkdtempSync(join(root, 'nginx-'));
      const mirrorRoot = join(folder, 'mirror-root');
      mkdirSync(mirrorRoot);
      makeBinhost(mirrorRoot);
      const upstream = '127.0.0.1:9';
      served = { mirrorRoot, ...(await startNginx({ folder, mirrorRoot, upstream })) };
    });

    afterAll(async () => {
      await served.stop();
    });

    describeBinhost(() => served);
  },
);
