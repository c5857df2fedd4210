/** Makes a folder of packages: `node --import tsx scripts/bench/make-pkgdir.ts FOLDER NUMBER [signed]`. */
import { join } from 'node:path';
import { openSigner } from '../../src/signing/signing-key.ts';
import { systemClock } from '../../src/support/clock.ts';
import { makePackages } from './made-packages.ts';

const [folder, number = '2000', signed] = process.argv.slice(2);
if (folder === undefined || !/^[0-9]+$/.test(number)) {
  process.stderr.write('usage: make-pkgdir.ts FOLDER NUMBER [signed]\n');
  process.exit(2);
}
const signer =
  signed === undefined
    ? undefined
    : await openSigner({
        folder: join(folder, '.signing'),
        name: 'Measurement',
        email: 'bench@example.org',
        validDays: 30,
        clock: systemClock,
      });
await makePackages(folder, { from: 0, to: Number(number) }, signer);
