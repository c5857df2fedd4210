/**
 * A program, started and killed by interrupted.test.ts: recovers the repository in the folder of its first argument,
 * says `ready`, then imports, publishes, promotes and rolls back without end. After each deed, once it was
 * acknowledged, it says so on a line of its own.
 */
import { mkdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { systemClock } from '../../src/support/clock.ts';
import { newId } from '../../src/support/ids.ts';
import { makePackage } from './make-package.ts';
import { DEED, openInstallation, push } from './open-installation.ts';

const folder = argv[2] ?? '';
const made = join(folder, 'made');
mkdirSync(made, { recursive: true });
const { repository } = await openInstallation(folder, systemClock);
await repository.recover();

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Versions go on where the process before was killed, so that every publication shows something new. */
const { total } = await repository.searchPackages({ profile: 'web', limit: 1, offset: 0 });

say('ready');
for (let round = total; round < total + 1000; round += 1) {
  const files = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => await makePackage(made, `app-misc/${name}-${round}`)),
  );
  await Promise.all(
    files.map(async (file) => {
      const { package: record } = await push(repository, file);
      say(`package ${record.id}`);
    }),
  );
  for (const deed of ['publish', 'promote', 'rollback'] as const) {
    const channel = deed === 'publish' ? 'testing' : 'stable';
    const request = { ...DEED, profile: 'web', channel, force: true };
    const publication =
      deed === 'rollback'
        ? await repository.rollback({ ...request, serial: 1 })
        : await repository[deed](request);
    say(`publication ${channel} ${publication.serial}`);
  }
  await repository.stage(newId('req'), 'web', []);
}
