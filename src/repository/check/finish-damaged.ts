import { exists } from '../../support/files.ts';
import type { RepositoryContext } from '../repository-context.ts';
import { packagesOfFile } from './check-store.ts';
import { examineFile } from './examine-file.ts';
import { damagedDigests } from './file-check-store.ts';

/**
 * Looks at names that damaged files still have: a process was killed before it had moved them away, or somebody has put
 * the file back. Only these are read.
 */
export async function finishDamaged(context: RepositoryContext): Promise<void> {
  const { database, layout, pool } = context;
  for (const sha512 of await damagedDigests(database)) {
    const packages = await packagesOfFile(database, sha512);
    const names = [
      pool.pathOf(sha512),
      ...packages.map(({ profile, path }) => layout.packageFile(profile, path)),
    ];
    const found = await Promise.all(names.map(exists));
    if (found.includes(true)) {
      await examineFile(
        { context, actor: 'server', onFinding: () => undefined, onBytes: () => undefined },
        sha512,
      );
    }
  }
}
