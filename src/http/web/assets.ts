import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Router } from 'express';
import { digestOf } from '../../support/digests.ts';

/** The style sheet, the script and the icon, under URLs that change with their content. */
export interface Assets {
  readonly style: string;
  readonly script: string;
  readonly icon: string;
  readonly router: Router;
}

const FOLDER = join(import.meta.dirname, 'assets');
const HASH_LENGTH = 12;
const FOR_A_YEAR = 'public, max-age=31536000, immutable';

/** Reads the assets once. */
export function openAssets(): Assets {
  const router = Router();
  return {
    style: serve(router, 'style', 'css', 'text/css; charset=utf-8'),
    script: serve(router, 'live', 'js', 'text/javascript; charset=utf-8'),
    icon: serve(router, 'favicon', 'svg', 'image/svg+xml'),
    router,
  };
}

function serve(router: Router, name: string, ending: string, type: string): string {
  const bytes = readFileSync(join(FOLDER, `${name}.${ending}`));
  const url = `/assets/${name}.${digestOf('sha256', bytes).slice(0, HASH_LENGTH)}.${ending}`;
  router.get(url, (_request, response) => {
    response.set({ 'Content-Type': type, 'Cache-Control': FOR_A_YEAR });
    response.send(bytes);
  });
  return url;
}
