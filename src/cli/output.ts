import { isErrno } from '../support/errors.ts';

/** Where lines go: a stream of the process, or a collector in a test. */
export interface OutputStream {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

export type Color = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Everything the commands say goes through here. Results go to stdout, progress and errors to stderr. */
export interface Output {
  /** One line of a result. */
  readonly line: (text?: string) => void;
  /** Bytes of a result as they are, such as a build log. */
  readonly raw: (text: string) => void;
  /** A result for programs: indented JSON. */
  readonly json: (value: unknown) => void;
  /** Rows under a header line, columns aligned. On a terminal the last column is cut to its width. */
  readonly table: (columns: readonly Column[], rows: readonly (readonly string[])[]) => void;
  /** One line about what is going on. */
  readonly note: (text: string) => void;
  /** `rookery: <sentence> [code]`. */
  readonly problem: (sentence: string, code: string) => void;
  /** Text in a colour where the stream shows colours. */
  readonly paint: (color: Color, text: string) => string;
  /** Control of the terminal that progress is drawn on; undefined when it is not a terminal. */
  readonly terminal: Terminal | undefined;
  /** Whether somebody looks at the results as they come, and no program reads them. */
  readonly isWatched: boolean;
}

export interface Terminal {
  readonly write: (text: string) => void;
  readonly columns: () => number;
  readonly rows: () => number;
}

const CODES: Readonly<Record<Color, number>> = {
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36,
  dim: 2,
  bold: 1,
};
/** The end of a line, unless an item of an indented list follows. */
const NO_LIST_ITEM = /\s*\n(?! {2}\S)\s*/g;
const ESCAPE = '\u001b[';
// oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;
/** Strings for the terminal itself, such as its title (ECMA-48, 5.6). */
// oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
const STRINGS = /\u001b[\]PX^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?/g;
// oxlint-disable-next-line no-control-regex -- control characters are what is taken out
const CONTROLS = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f]/g;
// oxlint-disable-next-line no-control-regex -- an escape character that begins no colour
const STRAY_ESCAPES = /\u001b(?!\[[0-9;]*m)/g;
const COLOR = /^\[[0-9;]*m$/;

export function createOutput(options: {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Output {
  const { stdout, stderr, env } = options;
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
  const isColored = !plain && stdout.isTTY === true && stderr.isTTY === true;
  const line = (text = ''): void => {
    stdout.write(`${text}\n`);
  };
  return {
    line,
    raw: (text) => {
      stdout.write(text);
    },
    json: (value) => {
      line(JSON.stringify(value, null, 2));
    },
    table: (columns, rows) => {
      const width = stdout.isTTY === true ? (stdout.columns ?? 80) : undefined;
      tableLines(columns, rows, width).forEach((text, index) => {
        line(index === 0 && isColored ? painted('bold', text) : text);
      });
    },
    note: (text) => {
      stderr.write(`${text}\n`);
    },
    problem: (sentence, code) => {
      const [oneLine, ...list] = harmless(sentence, 'drop-colors')
        .trim()
        .replaceAll(NO_LIST_ITEM, ' ')
        .split('\n');
      const prefix = isColored ? painted('red', 'rookery:') : 'rookery:';
      stderr.write(`${[`${prefix} ${oneLine} [${code}]`, ...list].join('\n')}\n`);
    },
    paint: (color, text) => (isColored ? painted(color, text) : text),
    terminal: terminalOf(stderr, env),
    isWatched: stdout.isTTY === true,
  };
}

/** The output of this process. Ends it quietly when the reader of a pipe is gone. */
export function processOutput(): Output {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.listenerCount('error') === 0) {
      stream.on('error', endOnBrokenPipe);
    }
  }
  return createOutput({ stdout: process.stdout, stderr: process.stderr, env: process.env });
}

/**
 * Text from elsewhere, with what could steer a terminal taken out; line ends and tabs stay, and colours too where
 * they are wanted. Lone carriage returns become line ends.
 */
export function harmless(text: string, colors: 'keep-colors' | 'drop-colors'): string {
  return text
    .replaceAll(STRINGS, '')
    .replaceAll(ESCAPES, (escape) =>
      colors === 'keep-colors' && COLOR.test(escape.slice(1)) ? escape : '',
    )
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(CONTROLS, '')
    .replaceAll(STRAY_ESCAPES, '');
}

/** How many columns a text takes on a terminal. */
export function widthOf(text: string): number {
  return Array.from(text.replaceAll(ESCAPES, '')).length;
}

/** At most `width` columns, the end replaced by `…` when there is more. Escapes are dropped when it is cut. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) {
    return text;
  }
  const characters = Array.from(text.replaceAll(ESCAPES, ''));
  return `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
): string[] {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) =>
    row.map((cell) => harmless(cell, 'keep-colors').replaceAll(/\s+/g, ' ')),
  );
  const widths = columns.map((_, index) =>
    Math.max(...cells.map((row) => widthOf(row[index] ?? ''))),
  );
  return cells.map((row) => {
    const text = columns
      .map(({ align }, index) => pad(row[index] ?? '', widths[index] ?? 0, align ?? 'left'))
      .join('  ')
      .trimEnd();
    return width === undefined ? text : cut(text, width);
  });
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + space : space + text;
}

function painted(color: Color, text: string): string {
  return `${ESCAPE}${CODES[color]}m${text}${ESCAPE}0m`;
}

function terminalOf(
  stream: OutputStream,
  env: Readonly<Record<string, string | undefined>>,
): Terminal | undefined {
  if (stream.isTTY !== true || env['TERM'] === 'dumb') {
    return undefined;
  }
  return {
    write: (text) => {
      stream.write(text);
    },
    columns: () => stream.columns ?? 80,
    rows: () => stream.rows ?? 24,
  };
}

function endOnBrokenPipe(error: unknown): void {
  if (!isErrno(error, 'EPIPE')) {
    throw error;
  }
  process.exit(0);
}
