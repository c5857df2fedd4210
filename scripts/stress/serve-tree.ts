import { setMaxListeners } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createStaticHandler } from '../../src/http/static/static-handler.ts';
import { silentLog } from '../../src/support/log.ts';

/** Serves a mirror-root on a free port of 127.0.0.1 with the code of the server. */
export async function serveTree(
  mirrorRoot: string,
  stopping: AbortSignal,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  setMaxListeners(0, stopping);
  const folders = { mirrorRoot, staging: join(mirrorRoot, '..', 'state', 'staging') };
  const files = createStaticHandler({ folders, log: silentLog(), stopping });
  const server = createServer((request, response) => {
    void files.handle(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () =>
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
