import { openByteSource } from '../../binpkg/byte-source.ts';
import { type BuildFailure, FailureFinder } from '../../gentoo/build-failure.ts';
import { LineSplitter, type NumberedLine } from '../../support/line-splitter.ts';
import { plainLine } from '../../support/terminal-text.ts';

/** A first error lies before all that followed from it, but hardly further from the end than this. */
const TAIL_BYTES = 16 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;
const LINES_SHOWN = 3;

/** What `die` of Portage says when the ebuild gave it nothing to say (`bin/isolated-functions.sh`). */
const NO_WORDS = '(no error message)';
const DIED = /^\s*\* ERROR: .* failed/;

/**
 * What a person would look at first in the log of a failed build: its first real error, with Portage's name of the
 * phase; else the lines before the ebuild died, or the last ones.
 */
export async function explainFailure(logPath: string): Promise<string> {
  const { failure, last } = await readTail(logPath);
  if (failure === undefined || failure.text === NO_WORDS) {
    const phase = phaseText(failure?.phase ?? null);
    return `${last.map((line) => line.replace(/^\*\s*/, '')).join(' | ')}${phase}`;
  }
  return `${failure.text}${phaseText(failure.phase)}`;
}

function phaseText(phase: string | null): string {
  return phase === null ? '' : ` (in the phase ${phase})`;
}

/** The first error, and the last lines that are not empty and not Portage's own about a death. */
async function readTail(logPath: string): Promise<{
  readonly failure: BuildFailure | undefined;
  readonly last: readonly string[];
}> {
  const finder = new FailureFinder();
  let last: string[] = [];
  let isDead = false;
  for await (const line of tailLines(logPath)) {
    const text = plainLine(line.text);
    finder.take(text, line);
    isDead ||= DIED.test(text);
    if (!isDead && text.trim() !== '' && text.trim() !== '*') {
      last = [...last, text.trim()].slice(-LINES_SHOWN);
    }
  }
  return { failure: finder.failure, last };
}

async function* tailLines(logPath: string): AsyncGenerator<NumberedLine> {
  const splitter = new LineSplitter();
  const file = await openByteSource(logPath);
  try {
    const begin = Math.max(0, file.size - TAIL_BYTES);
    for (let offset = begin; offset < file.size; offset += PIECE_BYTES) {
      yield* splitter.take(await file.read(offset, Math.min(PIECE_BYTES, file.size - offset)));
    }
    yield* splitter.end();
  } finally {
    await file.close();
  }
}
