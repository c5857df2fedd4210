// Reads an index several times and prints the seconds of each: parse-index.ts FILE RUNS
import { readFileSync } from 'node:fs';
import { decodeIndex, scanIndex, stanzaValue } from '../../src/gentoo/index-scan.ts';

const KEYS = ['CPV', 'PATH', 'SIZE', 'MTIME', 'BUILD_ID', 'SLOT'];
const [file = '', runs = '1'] = process.argv.slice(2);
for (let run = 0; run < Number(runs); run += 1) {
  const start = performance.now();
  let characters = 0;
  for (const stanza of scanIndex(decodeIndex(readFileSync(file))).stanzas) {
    for (const key of KEYS) {
      characters += stanzaValue(stanza, key)?.length ?? 0;
    }
  }
  const seconds = (performance.now() - start) / 1000;
  process.stdout.write(`SECONDS ${seconds} ${characters}\n`);
}
