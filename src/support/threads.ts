import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/**
 * Starts a thread that runs a module beside the caller's (`import.meta.url`), named without its ending. It runs what
 * this thread runs: the built program, or the sources, which need the loader for TypeScript.
 */
export function startThread(caller: string, module: string, workerData?: unknown): Worker {
  if (!caller.endsWith('.ts')) {
    return new Worker(new URL(`./${module}.js`, caller), { workerData });
  }
  const tsx = pathToFileURL(createRequire(caller).resolve('tsx/package.json'));
  const loader = new URL('dist/esm/api/index.mjs', tsx).href;
  const file = new URL(`./${module}.ts`, caller).href;
  const start = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(file)});
  });`;
  return new Worker(start, { workerData, eval: true });
}
