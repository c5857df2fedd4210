import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from '@jest/globals';
import { SIGNING_ERROR_CODES } from '../../src/signing/errors.ts';

const ROOM = resolve(import.meta.dirname, '../../src/signing');

it('lists every error code of the signing room, and no other', () => {
  const files = readdirSync(ROOM, { recursive: true, encoding: 'utf8' });
  const codes = files
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) =>
      [...readFileSync(join(ROOM, name), 'utf8').matchAll(/new AppError\(\s*'([a-z0-9-]+)'/g)].map(
        (match) => match[1] ?? '',
      ),
    );

  expect([...new Set(codes)].toSorted()).toEqual([...SIGNING_ERROR_CODES]);
});
