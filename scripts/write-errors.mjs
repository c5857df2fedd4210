#!/usr/bin/env node
// Writes docs/errors.md from the sources: every error code, the room that throws it, and its sentence.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

const PROJECT = resolve(import.meta.dirname, '..');
const SRC = join(PROJECT, 'src');
const THROWN =
  /new AppError\(\s*'(?<code>[a-z0-9-]+)',\s*(?<sentence>`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")?/g;
const REFUSAL = /^ {2}'(?<code>(?:gpkg|xpak)-[a-z0-9-]+)':\s+'(?<meaning>[^']+)',$/gm;

const errors = new Map();

function note(code, room, sentence) {
  const known = errors.get(code) ?? { rooms: new Set(), sentence };
  known.rooms.add(room);
  known.sentence = known.sentence || sentence;
  errors.set(code, known);
}

/** A template's text with an ellipsis for every value that is put in. */
function readable(literal) {
  let text = '';
  let depth = 0;
  for (let place = 1; place < literal.length - 1; place += 1) {
    if (literal.startsWith('${', place)) {
      depth += 1;
      text += depth === 1 ? '…' : '';
      place += 1;
    } else if (depth > 0 && literal[place] === '{') {
      depth += 1;
    } else if (depth > 0 && literal[place] === '}') {
      depth -= 1;
    } else if (depth === 0) {
      text += literal[place];
    }
  }
  return text.replaceAll('\\', '').replaceAll('|', '\\|').replaceAll(/\s+/g, ' ');
}

const files = readdirSync(SRC, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => join(entry.parentPath, entry.name))
  .toSorted();
for (const file of files) {
  const room = relative(SRC, file).split('/')[0].replace(/\.ts$/, '');
  const text = readFileSync(file, 'utf8');
  for (const { groups } of text.matchAll(THROWN)) {
    note(groups.code, room, groups.sentence === undefined ? '' : readable(groups.sentence));
  }
  for (const { groups } of text.matchAll(REFUSAL)) {
    note(groups.code, room, `Refused package: ${groups.meaning}.`);
  }
}

const rows = [...errors]
  .toSorted(([a], [b]) => (a < b ? -1 : 1))
  .map(([code, { rooms, sentence }]) => `| \`${code}\` | ${[...rooms].join(', ')} | ${sentence} |`);
writeFileSync(
  join(PROJECT, 'docs/errors.md'),
  [
    '# Error codes',
    '',
    'Codes are stable: match on them, not on the sentences. Over HTTP they stand in `code` of the problem body',
    '(`application/problem+json`), on the command line in brackets behind the sentence. `…` stands for the values that',
    'a sentence names. Written by `npm run docs:errors` from the sources.',
    '',
    '| code | room | sentence |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n'),
);
