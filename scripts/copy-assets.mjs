// Copies what the compiler leaves behind: every file of src that is not TypeScript, to the same place below dist.
import { cp } from 'node:fs/promises';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '..');

await cp(join(root, 'src'), join(root, 'dist'), {
  recursive: true,
  filter: (path) => !path.endsWith('.ts') && basename(path) !== '__pycache__',
});
