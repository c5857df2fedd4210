import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import * as z from 'zod';
import { createApp } from '../../src/http/app.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const PROTOCOL = resolve(import.meta.dirname, '../../src/protocol');
/** What answers with pages, and is no part of the API. */
const PAGES = [
  '/',
  '/agents',
  '/diff/{profile}',
  '/jobs/{id}',
  '/history',
  '/logs',
  '/fleet',
  '/fleet/impact',
  '/nodes',
  '/nodes/{node}',
  '/journal',
  '/packages',
  '/signing',
  '/packages/{id}',
  '/php/{profile}',
  '/php/{profile}/diff',
  '/profiles/{profile}',
  '/profiles/{profile}/{channel}',
  '/requests',
  '/requests/{id}',
  '/rollouts',
  '/rollouts/{id}',
  '/schedules',
  '/requests/{id}/timeline',
];
const documentSchema = z.object({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({ operationId: z.string(), security: z.array(z.unknown()).optional() }),
    ),
  ),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});
const layersSchema: z.ZodType<Layer[]> = z.array(
  z.object({
    route: z.object({ path: z.string(), methods: z.record(z.string(), z.boolean()) }).optional(),
    handle: z.unknown(),
  }),
);

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Record<string, boolean> } | undefined;
  readonly handle: unknown;
}

let farm: TestServer;
let document: z.infer<typeof documentSchema>;
let text: string;

beforeAll(async () => {
  farm = await startTestServer();
  ({ text } = await request(farm.url).get('/openapi.json'));
  document = documentSchema.parse(JSON.parse(text));
});

afterAll(async () => {
  await farm.close();
});

function braces(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}');
}

function documented(): string[] {
  return Object.entries(document.paths)
    .flatMap(([path, operations]) => Object.keys(operations).map((method) => `${method} ${path}`))
    .toSorted();
}

/** Every route that Express would really find, at any depth. */
function routesOf(router: unknown): string[] {
  const stack =
    typeof router === 'function' && 'stack' in router ? layersSchema.parse(router.stack) : [];
  return stack.flatMap(({ route, handle }) =>
    route === undefined
      ? routesOf(handle)
      : Object.keys(route.methods)
          .filter((method) => method !== '_all')
          .map((method) => `${method} ${braces(route.path)}`),
  );
}

describe('the API document', () => {
  it('names every route of the application, and no other', () => {
    const pages = PAGES.map((path) => `get ${path}`);
    const found = routesOf(createApp(farm.context).router).filter(
      (route) => !route.startsWith('get /assets/'),
    );
    expect(found.toSorted()).toEqual([...documented(), ...pages].toSorted());
  });

  it('names every route that the protocol promises', () => {
    const promised = readdirSync(PROTOCOL).flatMap((name) => {
      const source = readFileSync(join(PROTOCOL, name), 'utf8');
      const prefix = name === 'agents.ts' ? '/api/agent' : '';
      return [...source.matchAll(/^ \* {5}(GET|POST|PUT|DELETE) +(\/[^\s?]+)/gm)].map(
        ([, method = '', path = '']) => `${method.toLowerCase()} ${prefix}${braces(path)}`,
      );
    });
    expect(promised.length).toBeGreaterThan(20);
    expect(documented()).toEqual(expect.arrayContaining(promised));
  });

  it('refers only to schemas that it has', () => {
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
      (match) => match[1] ?? '',
    );
    expect(references.length).toBeGreaterThan(30);
    expect(references.filter((name) => !(name in document.components.schemas))).toEqual([]);
  });

  it('has a different name for each operation, and says which need a token', () => {
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    expect(document.paths['/api/requests']?.['post']?.security).toEqual([{ token: [] }]);
    expect(document.paths['/api/requests']?.['get']?.security).toBeUndefined();
  });
});
