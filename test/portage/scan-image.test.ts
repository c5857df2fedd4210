import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import * as z from 'zod';
import { type ImageElfMetadata, scanImage } from '../../src/binpkg/elf/scan-image.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { type ElfForm, makeElf } from '../binpkg/made-elf.ts';
import { findPortage, portageSuite } from '../support/gentoo-prefix.ts';

const value = z
  .string()
  .nullable()
  .transform((text) => text ?? undefined);
const answerSchema = z.array(
  z.object({ NEEDED: value, 'NEEDED.ELF.2': value, REQUIRES: value, PROVIDES: value }),
);

type Image = Readonly<Record<string, ElfForm | Buffer>>;
interface Question {
  readonly image: Image;
  readonly provides?: readonly string[];
  readonly requires?: readonly string[];
  readonly mode?: number;
}

const machines: Image = Object.fromEntries(
  [...Array.from({ length: 300 }, (_, machine) => machine), 0x9026, 0xfeb0].flatMap((machine) =>
    [true, false].map((is64) => [
      `usr/lib/m${machine}-${is64 ? 64 : 32}.so`,
      {
        machine,
        is64,
        bigEndian: machine % 2 === 1,
        flags: [0, 1, 5, 0x20, 0x1000][machine % 5] ?? 0,
      },
    ]),
  ),
);
const floats: Image = Object.fromEntries(
  [8, 243, 258].flatMap((machine) =>
    [0, 1, 2, 3, 4, 5, 6, 7, 0x20, 0x43, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000].flatMap((flags) =>
      [true, false].map((is64) => [`f/${machine}-${flags}-${is64}`, { machine, flags, is64 }]),
    ),
  ),
);
const FOLDERS = [
  '$ORIGIN/../lib/own:/x',
  '${ORIGIN}/../lib/own',
  '$ORIGIN/../$LIB/lib/own',
  '$',
  '/usr/lib/own/:',
  '/usr/lib/own/$',
  '$/usr/lib/own',
  '${ORIGIN/../lib/own',
  "'$ORIGIN'/../lib/own",
  `"'/usr/lib/own"`,
  '//usr/./lib/x/../own',
  '  -  ',
  '',
];
const runPaths: readonly Image[] = FOLDERS.flatMap((folder) => [
  { 'usr/bin/a': { type: 2, needed: ['own.so'], runpath: folder }, 'usr/lib/own/own.so': {} },
  { 'usr/bin/a': { needed: ['own.so'], rpath: ['/y', folder] }, 'usr/lib/own/own.so': { type: 2 } },
  { 'usr/bin/a': { needed: ['own.so'], rpath: folder, runpath: '/z', type: 2 } },
]);
const whole = makeElf({ soname: 'liba.so.1', needed: ['libc.so.6'], flags1: 0x08000000 });
const narrow = makeElf({ soname: 'libb.so.1', needed: ['libc.so.6'], is64: false });
const damaged: Image = {
  ...Object.fromEntries(
    Array.from({ length: Math.ceil(whole.length / 8) - 8 }, (_, at) => [
      `usr/lib/cut-${at}`,
      whole.subarray(0, 66 + at * 8),
    ]),
  ),
  'usr/lib/narrow-cut': narrow.subarray(0, 100),
  'usr/lib/no-sections.so': { soname: 'x', needed: ['y'], dynamicStrings: null },
  'usr/lib/other-name.so': { soname: 'x', needed: ['y'], dynamicStrings: '.dynsty' },
};
const names: Image = {
  'usr/lib/comma.so': { needed: ['libc.so.6,libm.so.6', ''] },
  'usr/lib/semicolon.so': { soname: 'liba.so;x', needed: ['libc.so.6'] },
  'usr/lib/space and é.so': { soname: 'lib é.so', needed: ['lib x.so'] },
};
const excluded: Image = {
  'opt/x/libprivate.so.1': { soname: 'libprivate.so.1', needed: ['libc.so.6'] },
  'usr/lib/libgood.so.1': { soname: 'libgood.so.1', needed: ['libprivate.so.9', 'libd.so.1'] },
  'usr/lib/[z].so': { needed: ['z.so', '[!].so', 'q.so'] },
};
const PATTERNS = [
  '/opt/*',
  '[z-a].so',
  '[!z-a].so',
  '[!].so',
  'lib*.[8-9]',
  '[z-a!q].so',
  '*[',
  '?',
];

const questions: readonly Question[] = [
  { image: machines },
  { image: machines, mode: 0o644 },
  { image: floats },
  ...runPaths.map((image) => ({ image })),
  { image: damaged, mode: 0o755 },
  { image: damaged, mode: 0o644 },
  { image: names },
  ...PATTERNS.map((pattern) => ({ image: excluded, provides: [pattern], requires: [pattern] })),
];

const quoted = (patterns: readonly string[] = []): string =>
  patterns.map((pattern) => `'${pattern}'`).join(' ');

const env = toolEnvironment();
const { exitCode } = await run(['sh', '-c', 'command -v scanelf && command -v file'], { env });
const [name, noPortage] = portageSuite("ELF files, compared with Portage's own code and scanelf");
const isSkipped = noPortage || exitCode !== 0;

(isSkipped ? describe.skip : describe)(
  exitCode === 0 ? name : `${name} (skipped: no scanelf or file on PATH)`,
  () => {
    let root = '';

    beforeAll(() => {
      root = mkdtempSync(join(tmpdir(), 'rookery-scan-'));
    });

    afterAll(() => {
      rmSync(root, { recursive: true, force: true });
    });

    function make({ image, mode = 0o755 }: Question): string {
      const folder = mkdtempSync(join(root, 'image-'));
      for (const [path, content] of Object.entries(image)) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        const bytes = Buffer.isBuffer(content) ? content : makeElf(content);
        writeFileSync(join(folder, path), bytes, { mode });
      }
      return folder;
    }

    it('give the same four keys', async () => {
      const folders = questions.map(make);
      const { pythonPath } = findPortage() ?? {};
      const { stdout } = await runChecked(['python3', join(import.meta.dirname, 'scan-image.py')], {
        env: { ...env, ...(pythonPath === undefined ? {} : { PYTHONPATH: pythonPath }) },
        input: JSON.stringify(
          questions.map(({ provides, requires }, index) => [
            folders[index],
            quoted(provides),
            quoted(requires),
          ]),
        ),
        timeoutMs: 110_000,
      });
      const theirs = answerSchema.parse(JSON.parse(stdout.toString('utf8')));

      const ours: ImageElfMetadata[] = [];
      for (const [index, { provides, requires }] of questions.entries()) {
        ours.push(
          await scanImage(folders[index] ?? '', {
            providesExclude: provides ?? [],
            requiresExclude: requires ?? [],
          }),
        );
      }
      expect(ours).toHaveLength(theirs.length);
      for (const [index, scanned] of ours.entries()) {
        expect(scanned).toEqual(theirs[index]);
      }
    }, 120_000);
  },
);
