import { lstat, mkdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { AppError } from '../../support/errors.ts';
import { exists, syncDirectory, writeFileAtomic } from '../../support/files.ts';

/**
 * Moves a file aside, under a name that nothing has yet, with the reason beside it in `<name>.reason.txt`: the code and
 * its sentence; when it was, where the file lay, its size. The file itself is not touched. Returns its new name.
 */
export async function rejectFile(
  folder: string,
  path: string,
  reason: { readonly error: AppError; readonly file: string; readonly at: number },
): Promise<string> {
  await mkdir(folder, { recursive: true });
  let name = basename(path);
  for (let copy = 1; await exists(join(folder, name)); copy += 1) {
    name = `${basename(path)}.${copy}`;
  }
  const { error, file, at } = reason;
  const { size } = await lstat(path);
  const when = new Date(at).toISOString();
  await writeFileAtomic(
    join(folder, `${name}.reason.txt`),
    `${error.code}: ${error.message}\nRefused at ${when}: ${file}, ${size} bytes.\n`,
  );
  await rename(path, join(folder, name));
  await syncDirectory(folder);
  return name;
}
