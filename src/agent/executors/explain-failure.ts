import { stripVTControlCharacters } from 'node:util';
import { openByteSource } from '../../binpkg/byte-source.ts';

const TAIL_BYTES = 64 * 1024;
const LINES_SHOWN = 3;

/** What `die` of Portage says when the ebuild gave it nothing to say (`bin/isolated-functions.sh`). */
const NO_WORDS = '(no error message)';

/** What a person would look at first in the log of a failed build: the ebuild's own last words, or the last lines. */
export async function explainFailure(logPath: string): Promise<string> {
  const file = await openByteSource(logPath);
  try {
    const tail = await file.read(Math.max(0, file.size - TAIL_BYTES), TAIL_BYTES);
    const lines = stripVTControlCharacters(tail.toString('utf8'))
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && line !== '*');
    return tellingLines(lines)
      .map((line) => line.replace(/^\*\s*/, ''))
      .join(' | ');
  } finally {
    await file.close();
  }
}

function tellingLines(lines: readonly string[]): string[] {
  const error = lines.findLastIndex((line) => /^\* ERROR: .* failed/.test(line));
  if (error < 0) {
    return lines.slice(-LINES_SHOWN);
  }
  const [failed = '', words = ''] = lines.slice(error, error + 2);
  if (!words.endsWith(NO_WORDS)) {
    return [failed, words];
  }
  return [failed, ...lines.slice(Math.max(0, error - LINES_SHOWN), error)];
}
