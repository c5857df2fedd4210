import { describe, expect, it } from '@jest/globals';
import {
  counted,
  formatAge,
  formatDuration,
  formatSize,
  formatStopwatch,
  formatTime,
} from '../../src/cli/format.ts';
import { cut, harmless, widthOf } from '../../src/cli/output.ts';
import { recordedOutput } from './recorded-output.ts';

const ESC = '\u001b';

describe('sizes and times for people', () => {
  it('have a unit that fits', () => {
    const sizes = [0, 999, 1023, 1024, 4300, 10 * 1024, 1_048_000, 32_505_856, 3 * 1024 ** 4];
    expect(sizes.map(formatSize)).toEqual([
      '0 B',
      '999 B',
      '1023 B',
      '1.0 KiB',
      '4.2 KiB',
      '10 KiB',
      '1023 KiB',
      '31 MiB',
      '3.0 TiB',
    ]);
  });

  it('name durations, stopwatches and ages', () => {
    const minute = 60_000;
    expect([0, 449, 9949, 9950, 59_400, 185_000, 130 * minute].map(formatDuration)).toEqual([
      '0.0 s',
      '0.4 s',
      '9.9 s',
      '10 s',
      '59 s',
      '3 min 05 s',
      '2 h 10 min',
    ]);
    expect([0, 12_900, 3_599_000, 3_600_000].map(formatStopwatch)).toEqual([
      '0:00',
      '0:12',
      '59:59',
      '1:00:00',
    ]);
    const ages = [0, 5 * minute, 3 * 60 * minute, 30 * 60 * minute, 60 * 60 * minute];
    expect(ages.map((ms) => formatAge(1e12 - ms, 1e12))).toEqual([
      'just now',
      '5 min ago',
      '3 h ago',
      '1 day ago',
      '2 days ago',
    ]);
    expect(formatTime(Date.UTC(2026, 10, 22, 21, 40, 3))).toBe('2026-11-22 21:40:03 UTC');
    expect([counted(1, 'package'), counted(2, 'package')]).toEqual(['1 package', '2 packages']);
  });
});

describe('a table', () => {
  const columns = [{ title: 'NAME' }, { title: 'SIZE', align: 'right' }, { title: 'WHY' }] as const;
  const rows = [
    ['hello', '4.2 KiB', ''],
    ['a-longer-name', '31 MiB', 'it waits for\nlibrookery'],
  ];

  it('has its columns aligned and no blanks at line ends', () => {
    const { output, stdout } = recordedOutput();
    output.table(columns, rows);
    expect(stdout()).toBe(
      [
        'NAME              SIZE  WHY',
        'hello          4.2 KiB',
        'a-longer-name   31 MiB  it waits for librookery',
        '',
      ].join('\n'),
    );
  });

  it('is cut to the width of a terminal, and only there', () => {
    const { output, stdout } = recordedOutput({
      terminal: { columns: 30, rows: 24 },
      env: { NO_COLOR: '1' },
    });
    output.table(columns, rows);
    expect(stdout().split('\n')).toEqual([
      'NAME              SIZE  WHY',
      'hello          4.2 KiB',
      'a-longer-name   31 MiB  it wa…',
      '',
    ]);
  });

  it('stays aligned when a cell is coloured, and takes out what would steer the terminal', () => {
    const { output, stdout } = recordedOutput({ terminal: { columns: 80, rows: 24 } });
    output.table(
      [{ title: 'A' }, { title: 'B' }],
      [
        [output.paint('green', 'live'), `x${ESC}[2Jy`],
        ['away!', 'z'],
      ],
    );
    expect(stdout().split('\n').slice(1, 3)).toEqual([`${ESC}[32mlive${ESC}[0m   xy`, 'away!  z']);
  });
});

describe('colours', () => {
  it('are shown on a terminal', () => {
    const { output } = recordedOutput({ terminal: { columns: 80, rows: 24 } });
    expect(output.paint('red', 'no')).toBe(`${ESC}[31mno${ESC}[0m`);
  });

  it('are not shown without a terminal, with NO_COLOR, or on a dumb terminal', () => {
    const terminal = { columns: 80, rows: 24 };
    const outputs = [
      recordedOutput(),
      recordedOutput({ terminal, env: { NO_COLOR: '1' } }),
      recordedOutput({ terminal, env: { TERM: 'dumb' } }),
    ];
    expect(outputs.map(({ output }) => output.paint('red', 'no'))).toEqual(['no', 'no', 'no']);
  });
});

describe('what goes where', () => {
  it('puts results on stdout, notes and problems on stderr, each problem on one line, with a list below if it has one', () => {
    const { output, stdout, stderr } = recordedOutput();
    output.line('result');
    output.json({ a: 1 });
    output.note('going on');
    output.problem(`The "x"\nis${ESC}[31m wrong.`, 'x-wrong');
    output.problem('Several things:\n  one is\nbad.\n  two\n', 'many');
    expect(stdout()).toBe('result\n{\n  "a": 1\n}\n');
    expect(stderr()).toBe(
      'going on\nrookery: The "x" is wrong. [x-wrong]\nrookery: Several things: [many]\n  one is bad.\n  two\n',
    );
  });
});

describe('text from elsewhere', () => {
  const text = `${ESC}[32mok${ESC}[0m${ESC}[2J${ESC}]0;title\u0007 10%\r20%\r\nend\tx${ESC}`;

  it('keeps its colours where they are wanted, and nothing else that moves the cursor', () => {
    expect(harmless(text, 'keep-colors')).toBe(`${ESC}[32mok${ESC}[0m 10%\n20%\nend\tx`);
    expect(harmless(text, 'drop-colors')).toBe('ok 10%\n20%\nend\tx');
  });

  it('is measured and cut in characters, not in bytes', () => {
    expect(widthOf(`${ESC}[32m😀ü${ESC}[0m`)).toBe(2);
    expect([cut('abcdef', 6), cut('abcdef', 4), cut('😀😀😀', 2)]).toEqual([
      'abcdef',
      'abc…',
      '😀…',
    ]);
  });
});
