import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type BuildFailure, FailureFinder } from '../../src/gentoo/build-failure.ts';
import { phaseNote } from '../../src/gentoo/build-phase.ts';
import { LineSplitter } from '../../src/support/line-splitter.ts';
import { plainLine } from '../../src/support/terminal-text.ts';

const FOLDER = join(import.meta.dirname, 'build-logs');

type Sample = readonly [phase: string | null, line: number, text: string];

/** Logs of builds that have really failed: gcc 12, make, ninja, CMake, Meson, Cargo, Go, Python, and Portage 3.0. */
const SAMPLES: Readonly<Record<string, Sample>> = {
  'autoconf-fail': [null, 24, 'configure: error: librookerymissing is needed, see README'],
  'cargo-error': [null, 2, 'error[E0425]: cannot find value `y` in this scope'],
  'cargo-link': [null, 6, '= note: rust-lld: error: unable to find library -lrookerymissing'],
  'cargo-script': [
    null,
    9,
    'thread \'main\' (4614) panicked at build.rs:1:39: the table of names: Os { code: 2, kind: NotFound, message: "No such file or directory" }',
  ],
  'cc1plus-killed': [null, 2, 'g++: fatal error: Killed signal terminated program ./kill9'],
  'cmake-configure': [
    null,
    9,
    'CMake Error at CMakeLists.txt:5 (find_package): By not providing "FindQt6.cmake" in CMAKE_MODULE_PATH this project has',
  ],
  'cmake-make': [null, 17, "m.c:(.text+0x5): undefined reference to `c'"],
  'ctest-fail': [null, 5, '2/2 Test #2: errors.bad .......................***Failed    0.01 sec'],
  'cxx-template': [
    null,
    11,
    '/usr/include/c++/12/bits/predefined_ops.h:45:23: error: no match for ‘operator<’ (operand types are ‘P’ and ‘P’)',
  ],
  'gcc-error': [null, 8, 'main.c:3:3: error: ‘retrun’ undeclared (first use in this function)'],
  'go-error': [null, 3, './main.go:4:14: undefined: undefinedName'],
  'go-module': [
    null,
    1,
    'main.go:2:8: missing go.sum entry for module providing package golang.org/x/text/language (imported by example.org/x); to add:',
  ],
  ice: [
    null,
    2,
    'gcc: internal compiler error: Segmentation fault signal terminated program ./segv',
  ],
  'make-ignored': [
    null,
    8,
    'real.c:1:24: error: ‘undeclared’ undeclared (first use in this function)',
  ],
  'make-norule': [null, 1, "make: *** No rule to make target 'config.h', needed by 'all'.  Stop."],
  'make-parallel': [null, 7, 'g.c:1:10: fatal error: missing/header.h: No such file or directory'],
  'make-sep': [
    null,
    1,
    'Makefile:2: *** missing separator (did you mean TAB instead of 8 spaces?).  Stop.',
  ],
  'meson-build': [null, 23, '../x.c:1:34: error: expected ‘;’ before ‘}’ token'],
  'meson-dep': [
    null,
    16,
    'meson.build:2:0: ERROR: Dependency "rookery-missing" not found (tried pkg-config and cmake)',
  ],
  'missing-lib': [null, 3, '/usr/bin/ld: cannot find -lrookerymissing: No such file or directory'],
  'ninja-custom': [
    null,
    17,
    'json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)',
  ],
  'ninja-fail': [
    null,
    9,
    'bad.c:1:28: error: invalid operands to binary - (have ‘char *’ and ‘double’)',
  ],
  nospace: [
    null,
    3,
    "/tmp/ccuR11ze.s: Fatal error: can't fill 256 bytes in section .data of a.o: 'No space left on device'",
  ],
  'patch-fail': [null, 2, 'Hunk #1 FAILED at 1.'],
  'perl-module': [
    null,
    1,
    "Can't locate Rookery/Missing.pm in @INC (you may need to install the Rookery::Missing module) (@INC contains: /etc/perl /usr/local/lib/x86_64-linux-gnu/perl/5.36.0 /usr/local/share/perl/5.36.0 /usr/lib/x86_64-linux-gnu/perl5/5.36 /usr/share/perl5 /usr/lib/x86_64-linux-gnu/perl-base /usr/lib/x86_64-linux-gnu/perl/5.36 /usr/share/perl/5.36 /usr/local/lib/site_perl) at x.pl line 1.",
  ],
  'portage-f-compile': ['compile', 31, 'cc1: error: ‘-Werror=foo’: no option ‘-Wfoo’'],
  'portage-f-die': ['install', 23, 'the licence server says no'],
  'portage-f-fetch': ['setup', 20, '!!! Fetched file: nothing-1.tar.gz VERIFY FAILED!'],
  'portage-f-install': ['install', 31, '!!! dobin: missing-program does not exist'],
  'portage-f-nested': ['compile', 28, "m.c:(.text+0x5): undefined reference to `helper'"],
  'portage-f-patch': ['prepare', 25, 'Hunk #1 FAILED at 1.'],
  'portage-f-pretend': ['pretend', 22, 'Kernel is not configured'],
  'portage-f-silent': [
    'unpack',
    21,
    'tar: /nonexistent.tar: Cannot open: No such file or directory',
  ],
  'portage-f-test': ['test', 30, 'FAIL: two error handling'],
  'pytest-fail': [null, 13, 'E       assert [1, 2] == [1, 3]'],
  'python-chain': [
    null,
    6,
    "FileNotFoundError: [Errno 2] No such file or directory: 'missing.cfg'",
  ],
  'python-ext': [
    null,
    8,
    'x.c:2:22: error: ‘undeclared_thing’ undeclared (first use in this function)',
  ],
  'python-setup': [null, 4, "ModuleNotFoundError: No module named 'rookery_missing_module'"],
  relocation: [
    null,
    3,
    "/usr/bin/ld: a.o: relocation R_X86_64_PC32 against symbol `v' can not be used when making a shared object; recompile with -fPIC",
  ],
  'sh-missing': [null, 2, '/bin/sh: 1: rookery-no-such-tool: not found'],
  'undefined-ref': [null, 4, "main.c:(.text+0x5): undefined reference to `helper'"],
  werror: [null, 3, 'a.c:1:20: error: unused variable ‘unused’ [-Werror=unused-variable]'],
};

function failureIn(log: Buffer | string): BuildFailure | undefined {
  const finder = new FailureFinder();
  const splitter = new LineSplitter();
  for (const line of [...splitter.take(Buffer.from(log)), ...splitter.end()]) {
    finder.take(plainLine(line.text), line);
  }
  return finder.failure;
}

function textIn(...lines: readonly string[]): string | undefined {
  return failureIn(`${lines.join('\n')}\n`)?.text;
}

/** As `die` prints it. */
function words(text: string): string[] {
  return [DIED[0] ?? '', ` *   ${text}`];
}

const DIED = [' * ERROR: dev-libs/x-1::gentoo failed (compile phase):', ' *   emake failed'];

describe('the first real error of a build', () => {
  it('is known of every sample', () => {
    const names = readdirSync(FOLDER).map((name) => name.replace(/\.log$/, ''));
    expect(names).toEqual([...Object.keys(SAMPLES), 'portage-ok'].toSorted());
  });

  it.each(Object.entries(SAMPLES))('of %s is found', (name, [phase, line, text]) => {
    const log = readFileSync(join(FOLDER, `${name}.log`));
    const found = failureIn(log);
    expect([found?.phase, found?.line, found?.text]).toEqual([phase, line, text]);
    const before = log.subarray(0, found?.offset).toString();
    expect(before.split('\n')).toHaveLength(line);
  });

  it('is not looked for where nothing has failed', () => {
    expect(failureIn(readFileSync(join(FOLDER, 'portage-ok.log')))).toBeUndefined();
    expect(failureIn('')).toBeUndefined();
  });

  it.each([
    'checking for error... no',
    'checking whether the error: handler works... yes',
    '-- Performing Test HAVE_ERROR - Failed',
    'gcc -O2 -Werror -DMESSAGE="error: none" -c error.c -o error.o',
    'x86_64-pc-linux-gnu-g++ -Werror=format fatal-error.cc',
    '/bin/ld -o x error.o',
    "+ echo 'error: not yet'",
    'x.c:3:1: warning: this is no error: only a warning [-Wfoo]',
    'x.c:3:1: note: fatal error: was here',
    '0 errors, 3 warnings',
    'libtool: link: ranlib .libs/liberror.a',
    'Installing error.h',
  ])('is not: %s', (line) => {
    expect(textIn(line)).toBeUndefined();
    expect(textIn(line, ...DIED)).toBe('emake failed');
  });

  it('is the machine that gave up, whatever was said before', () => {
    const killed = 'g++: fatal error: Killed signal terminated program cc1plus';
    expect(textIn('a.c:1:1: error: x', killed, ...DIED)).toBe(killed);
    const full = "cp: error writing 'x': No space left on device";
    expect(textIn('a.c:1:1: error: x', full, 'b.c:1:1: error: y')).toBe(full);
  });

  it("is what a program says rather than the ebuild's words, and these rather than a guess", () => {
    const cause = 'a.c:1:1: error: x';
    const guess = "sed: can't read y: No such file or directory";
    expect(textIn(guess, ...words('There is no licence.'))).toBe('There is no licence.');
    expect(textIn(guess, cause, ...words('There is no licence.'))).toBe(cause);
    expect(textIn(guess, ...words('econf failed'))).toBe(guess);
    expect(textIn(...words('econf failed'))).toBe('econf failed');
  });

  it('is forgotten when the build goes on to its next phase', () => {
    const log = [
      '>>> Configuring source in /x ...',
      'conftest.c:1:1: error: unknown type name',
      '>>> Source configured.',
      '>>> Compiling source in /x ...',
    ];
    expect(textIn(...log)).toBeUndefined();
    expect(textIn(...log, ...DIED)).toBe('emake failed');
  });

  it('is kept when the note of its phase comes late', () => {
    const error = 'a.c:1:1: error: x';
    const log = ['>>> Compiling source in /x ...', error];
    for (const phase of ['configure', 'compile']) {
      expect(textIn(...log, `>>> ${phaseNote(phase)}`, ...DIED)).toBe(error);
    }
    expect(failureIn(`${error}\n>>> ${phaseNote('instprep')}\n`)?.phase).toBe('instprep');
  });

  it('is not looked for behind the death of an ebuild, where Portage says everything again', () => {
    expect(textIn(...DIED, 'b.c:1:1: error: later', ' * ERROR: x/y-1::z failed:')).toBe(
      'emake failed',
    );
    expect(failureIn(`${DIED.join('\n')}\n>>> Emerging (2 of 2) a/b-1::x\n`)).toBeUndefined();
  });

  it('is cut when it is very long', () => {
    expect(textIn(`error: ${'x'.repeat(100_000)}`)).toHaveLength(500);
  });
});
