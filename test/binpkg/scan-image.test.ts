import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { openByteSource } from '../../src/binpkg/byte-source.ts';
import { readElf } from '../../src/binpkg/elf/elf-file.ts';
import { runPathFolder } from '../../src/binpkg/elf/run-path.ts';
import { scanImage } from '../../src/binpkg/elf/scan-image.ts';
import { shellPattern } from '../../src/binpkg/elf/shell-pattern.ts';
import { run, runChecked, toolEnvironment } from '../../src/support/processes.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type ElfForm, makeElf } from './made-elf.ts';

const root = temporaryFolder();
const env = toolEnvironment();
const has = async (program: string): Promise<boolean> =>
  (await run(['sh', '-c', `command -v ${program}`], { env })).exitCode === 0;
const hasCompiler = await has('cc');
const hasScanelf = await has('scanelf');

function imageOf(files: Readonly<Record<string, ElfForm | string | Buffer>>, mode = 0o755): string {
  const image = mkdtempSync(join(root, 'image-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(image, path)), { recursive: true });
    const isMade = typeof content === 'string' || Buffer.isBuffer(content);
    const bytes = isMade ? content : makeElf(content);
    writeFileSync(join(image, path), bytes, { mode });
  }
  return image;
}

async function compile(...args: readonly string[]): Promise<void> {
  await runChecked(['cc', ...args], { env });
}

describe('scanning an image', () => {
  it('gives the four keys as Portage writes them', async () => {
    const image = imageOf({
      'usr/bin/hello': { type: 2, needed: ['libhi.so.1', 'libc.so.6'] },
      'usr/lib64/libhi.so.1': { soname: 'libhi.so.1', needed: ['libm.so.6', 'libc.so.6'] },
      'usr/lib32/libhi.so.1': {
        soname: 'libhi.so.1',
        needed: ['libx.so.2'],
        machine: 3,
        is64: false,
      },
      'usr/share/doc/readme': 'text',
    });
    symlinkSync('libhi.so.1', join(image, 'usr/lib64/libhi.so'));

    expect(await scanImage(image)).toEqual({
      NEEDED:
        '/usr/bin/hello libhi.so.1,libc.so.6\n' +
        '/usr/lib32/libhi.so.1 libx.so.2\n' +
        '/usr/lib64/libhi.so.1 libm.so.6,libc.so.6\n',
      'NEEDED.ELF.2':
        'X86_64;/usr/bin/hello;;;libhi.so.1,libc.so.6;x86_64\n' +
        '386;/usr/lib32/libhi.so.1;libhi.so.1;;libx.so.2;x86_32\n' +
        'X86_64;/usr/lib64/libhi.so.1;libhi.so.1;;libm.so.6,libc.so.6;x86_64\n',
      REQUIRES: 'x86_32: libx.so.2 x86_64: libc.so.6 libm.so.6\n',
      PROVIDES: 'x86_32: libhi.so.1 x86_64: libhi.so.1\n',
    });
  });

  it('gives nothing for an image without ELF files', async () => {
    expect(await scanImage(imageOf({ 'etc/x': 'text' }))).toEqual({
      NEEDED: undefined,
      'NEEDED.ELF.2': undefined,
      REQUIRES: undefined,
      PROVIDES: undefined,
    });
  });

  it('does not require what is found by a run path of the package', async () => {
    const image = imageOf({
      'usr/bin/a': { type: 2, needed: ['libown.so'], runpath: '$ORIGIN/../lib/own:/x' },
      'usr/bin/b': { type: 2, needed: ['libother.so'], runpath: '${ORIGIN}/../lib/own' },
      'usr/lib/own/libown.so': { type: 2 },
      'usr/lib/else/libother.so': { type: 2 },
    });

    expect((await scanImage(image)).REQUIRES).toBe('x86_64: libother.so\n');
  });

  it('takes the file name as the soname of a library that has none', async () => {
    const files = { 'usr/lib/plain.so': { needed: ['libc.so.6'] } };
    const pie = { 'usr/lib/plain.so': { flags1: 0x08000000 } };
    const library = { 'usr/lib/plain.so': { flags1: 1 } };

    expect((await scanImage(imageOf(files, 0o644))).PROVIDES).toBe('x86_64: plain.so\n');
    expect((await scanImage(imageOf(files, 0o755))).PROVIDES).toBe('x86_64: plain.so\n');
    expect((await scanImage(imageOf(pie, 0o644))).PROVIDES).toBeUndefined();
    expect((await scanImage(imageOf(library, 0o755))).PROVIDES).toBe('x86_64: plain.so\n');
  });

  it('leaves out what is excluded', async () => {
    const image = imageOf({
      'opt/x/libprivate.so.1': { soname: 'libprivate.so.1', needed: ['libc.so.6'] },
      'usr/lib/libgood.so.1': { soname: 'libgood.so.1', needed: ['libprivate.so.9', 'libd.so.1'] },
    });

    const scanned = await scanImage(image, {
      providesExclude: ['/opt/*'],
      requiresExclude: ['libprivate.so.[!0-8]', '/opt/x/libp?ivate*', 'libd.so'],
    });

    expect(scanned.PROVIDES).toBe('x86_64: libgood.so.1\n');
    expect(scanned.REQUIRES).toBe('x86_64: libd.so.1\n');
  });

  it('names a damaged file as far as its header tells', async () => {
    const bytes = makeElf({ soname: 'liba.so.1', needed: ['libc.so.6'] });
    const image = imageOf({
      'usr/lib/cut.so': bytes.subarray(0, 100),
      'usr/lib/half.so': bytes.subarray(0, 176),
      'usr/lib/no-header.so': bytes.subarray(0, 60),
      'usr/lib/whole.so': bytes,
    });

    expect(await scanImage(image)).toEqual({
      NEEDED: '/usr/lib/cut.so \n/usr/lib/half.so \n/usr/lib/whole.so libc.so.6\n',
      'NEEDED.ELF.2':
        'X86_64;/usr/lib/cut.so;;;;x86_64\n' +
        'X86_64;/usr/lib/half.so;half.so;;;x86_64\n' +
        'X86_64;/usr/lib/whole.so;liba.so.1;;libc.so.6;x86_64\n',
      REQUIRES: 'x86_64: libc.so.6\n',
      PROVIDES: 'x86_64: half.so liba.so.1\n',
    });
  });

  it('takes names with odd characters apart as Portage does', async () => {
    const image = imageOf({
      'usr/lib/a.so': { soname: 'liba.so;x', needed: ['libc.so.6,libm.so.6', 'lib z'] },
      'usr/lib/b.so': { soname: 'libb.so', needed: ['libc.so.6'], runpath: '  -  ' },
    });

    expect(await scanImage(image)).toMatchObject({
      'NEEDED.ELF.2':
        'X86_64;/usr/lib/a.so;liba.so;x;  -  ;x86_64\n' +
        'X86_64;/usr/lib/b.so;libb.so;;libc.so.6;x86_64\n',
      REQUIRES: 'x86_64:   -   libc.so.6\n',
    });
  });

  it.each<[string, ElfForm]>([
    ['usr/bin/a;b', { type: 2 }],
    ['usr/bin/a\nb', { type: 2 }],
    ['usr/lib/c.so', { needed: ['libc.so.6\n386;/x;;;'] }],
    ['usr/lib/c.so', { soname: 'c\n' }],
  ])('refuses %j when the lines would break', async (path, form) => {
    await expect(scanImage(imageOf({ [path]: form }))).rejects.toMatchObject({
      code: 'image-name-unsupported',
      message: expect.stringContaining(JSON.stringify(`/${path}`)),
    });
  });
});

describe('a folder of a run path', () => {
  it.each([
    ['$ORIGIN/../lib//x/', '/usr/lib/x'],
    ['${ORIGIN}', '/usr/bin'],
    ['$ORIGINAL/lib', '/lib'],
    ['/usr/$LIB/x', '/usr/x'],
    ['$', '$'],
    ['/opt/$', '/opt/$'],
    ['$/lib', '.'],
    ['${ORIGIN/lib', '.'],
    ['\\$ORIGIN', '$ORIGIN'],
    ["'$ORIGIN'/x", "'$ORIGIN'/x"],
    [`"'$ORIGIN'"`, `"'/usr/bin'"`],
    ['//a/./b/..', '/a'],
  ])('%s is %s', (text, folder) => {
    expect(runPathFolder(text, '/usr/bin')).toBe(folder);
  });
});

describe('a shell pattern', () => {
  it.each([
    ['lib*.so', 'lib/a.so', true],
    ['[z-a]', 'z', false],
    ['[!z-a]', 'q', true],
    ['[a-cx-z]', 'y', true],
    ['[]]', ']', true],
    ['[!]', '[!]', true],
    ['[a', '[a', true],
    ['[z-a!b]', 'c', true],
    ['[z-a!b]', 'b', false],
    ['a.c', 'abc', false],
  ])('%s against %s: %s', (pattern, text, matches) => {
    expect(shellPattern(pattern).test(text)).toBe(matches);
  });
});

const compiled = hasCompiler ? describe : describe.skip;
compiled(hasCompiler ? 'compiled files' : 'compiled files (skipped: no cc on PATH)', () => {
  const image = join(root, 'compiled');

  beforeAll(async () => {
    mkdirSync(join(image, 'usr/lib64'), { recursive: true });
    mkdirSync(join(image, 'usr/bin'), { recursive: true });
    const source = join(root, 'hi.c');
    const main = join(root, 'main.c');
    writeFileSync(source, 'int hi(void) { return 42; }\n');
    writeFileSync(main, 'extern int hi(void); int main(void) { return hi() - 42; }\n');
    const library = join(image, 'usr/lib64/libhi.so.1');
    await compile('-shared', '-fPIC', '-Wl,-soname,libhi.so.1', '-o', library, source);
    await compile('-shared', '-fPIC', '-o', join(image, 'usr/lib64/plain.so'), source);
    await compile('-o', join(image, 'usr/bin/hello'), main, library, '-Wl,-rpath,$ORIGIN/../lib64');
    await compile(
      '-o',
      join(image, 'usr/bin/old'),
      main,
      library,
      '-Wl,--disable-new-dtags,-rpath,/opt/a:/opt/b',
    );
    await compile('-c', '-o', join(image, 'usr/lib64/hi.o'), source);
    await compile(
      '-shared',
      '-fPIC',
      '-Wl,-z,x86-64-v3',
      '-o',
      join(image, 'usr/lib64/v3.so'),
      source,
    ).catch(() => undefined);
    copyFileSync(library, join(image, 'usr/lib64/copy.so'));
  });

  const judged = hasScanelf ? it : it.skip;
  judged(
    hasScanelf
      ? 'are seen as scanelf sees them'
      : 'are seen as scanelf sees them (skipped: no scanelf on PATH)',
    async () => {
      const { stdout } = await runChecked(['scanelf', '-yRBF', '%a;%p;%S;%r;%n', `${image}/`], {
        env,
      });
      const judge = stdout
        .toString('utf8')
        .trim()
        .split('\n')
        .map((line) => line.replace(/^EM_/, '').replace(';', ';/').replace(';  -  ;', ';;'));

      const { 'NEEDED.ELF.2': scanned = '' } = await scanImage(image);
      const ours = scanned
        .trim()
        .split('\n')
        .map((line) => line.split(';').slice(0, 5))
        .map(([arch, path, soname, ...rest]) => [
          arch,
          path,
          soname === path?.split('/').at(-1) && soname !== 'libhi.so.1' ? '' : soname,
          ...rest,
        ])
        .map((fields) => fields.join(';'));

      expect(ours.length).toBeGreaterThanOrEqual(6);
      expect(ours.toSorted()).toEqual(judge.toSorted());
    },
  );

  it('say which x86 level they need, where the linker can note it', async () => {
    const { exitCode } = await run(['test', '-e', join(image, 'usr/lib64/v3.so')], { env });
    if (exitCode !== 0 || process.arch !== 'x64') {
      return;
    }
    const source = await openByteSource(join(image, 'usr/lib64/v3.so'));
    expect((await readElf(source))?.isaLevel).toBe(3);
    await source.close();
  });
});
