import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../support/processes.ts';
import { filesBelow } from '../image-files.ts';
import { findProgram } from '../programs.ts';

const UNNEEDED = [
  '--strip-unneeded',
  '-N',
  '__gentoo_check_ldflags__',
  '-R',
  '.comment',
  '-R',
  '.GCC.command.line',
  '-R',
  '.note.gnu.gold-version',
];
const DEBUG_ONLY = ['--strip-debug', '--enable-deterministic-archives'];
const HEAD_BYTES = 18;
const ELF_RELOCATABLE = 1;
const ELF_PROGRAM = 2;
const ELF_SHARED = 3;

/**
 * Removes what programs and libraries of an image do not need to run, as Portage does by default (`bin/estrip`).
 * Returns the paths below the image that were stripped; nothing is done where strip is not installed. A file that
 * strip does not understand stays as it is.
 */
export async function stripImage(
  image: string,
  strip: string,
  environment: Readonly<Record<string, string>>,
): Promise<string[]> {
  const [program = ''] = strip.split(' ');
  if ((await findProgram(program, environment)) === undefined) {
    return [];
  }
  const stripped: string[] = [];
  const inodes = new Set<number>();
  for (const path of await filesBelow(image)) {
    const file = join(image, path);
    const { ino } = await lstat(file);
    if (!inodes.has(ino)) {
      inodes.add(ino);
      const options = await optionsFor(file);
      if (options !== undefined) {
        const command = [...strip.split(' '), ...options, '--', file];
        const { exitCode } = await run(command, { env: environment });
        stripped.push(...(exitCode === 0 ? [path] : []));
      }
    }
  }
  return stripped;
}

/** By what the file is: ELF programs and libraries, object files and static archives. */
async function optionsFor(path: string): Promise<readonly string[] | undefined> {
  const head = Buffer.alloc(HEAD_BYTES);
  const handle = await open(path, 'r');
  try {
    await handle.read(head, 0, HEAD_BYTES, 0);
  } finally {
    await handle.close();
  }
  if (head.toString('latin1', 0, 8) === '!<arch>\n') {
    return DEBUG_ONLY;
  }
  if (head.toString('latin1', 0, 4) !== '\u007fELF') {
    return undefined;
  }
  const type = head[5] === 2 ? head.readUInt16BE(16) : head.readUInt16LE(16);
  if (type === ELF_PROGRAM || type === ELF_SHARED) {
    return UNNEEDED;
  }
  return type === ELF_RELOCATABLE ? DEBUG_ONLY : undefined;
}
