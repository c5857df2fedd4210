// Reads an index several times with the built program and prints the seconds of each: parse-index.mjs FILE RUNS
import { readFileSync } from 'node:fs';
import { decodeIndex, scanIndex, stanzaValue } from '../../dist/gentoo/index-scan.js';

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
