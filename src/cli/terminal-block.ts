import { cut, type Terminal } from './output.ts';

const CLEAR_BELOW = '\u001b[J';

/** Lines at the bottom of the terminal that are drawn again and again in place. */
export interface TerminalBlock {
  readonly draw: (lines: readonly string[]) => void;
  /** Leaves the last lines standing. */
  readonly end: (lines: readonly string[]) => void;
}

export function createBlock(terminal: Terminal): TerminalBlock {
  let height = 0;
  const draw = (lines: readonly string[]): void => {
    const up = height > 0 ? `\u001b[${height}A` : '';
    const text = lines.map((line) => `${cut(line, terminal.columns() - 1)}\n`).join('');
    terminal.write(`\r${up}${CLEAR_BELOW}${text}`);
    height = lines.length;
  };
  return {
    draw,
    end: (lines) => {
      draw(lines);
      height = 0;
    },
  };
}
