import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Everything below a folder: relative path -> type, mode and bytes (or target of a link). */
export function folderTree(root: string): Record<string, string> {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted();
  return Object.fromEntries(paths.map((path) => [path, describe(join(root, path))]));
}

function describe(path: string): string {
  const status = lstatSync(path);
  const mode = (status.mode & 0o7777).toString(8);
  if (status.isSymbolicLink()) {
    return `link ${readlinkSync(path)}`;
  }
  if (status.isDirectory()) {
    return `folder ${mode}`;
  }
  return status.isFile() ? `file ${mode} ${readFileSync(path, 'latin1')}` : `other ${mode}`;
}
