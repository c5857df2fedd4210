import { expect, it } from '@jest/globals';
import { LogOutput } from '../../src/support/log-output.ts';

/** A file on a disk with so much room. */
function smallFile(room: number) {
  const file = { text: '', room, code: 'ENOSPC' };
  const write = (bytes: Uint8Array): number => {
    const taken = Math.min(bytes.length, file.room - file.text.length);
    if (taken === 0) {
      throw Object.assign(new Error('no'), { code: file.code });
    }
    file.text += Buffer.from(bytes.subarray(0, taken)).toString();
    return taken;
  };
  return { file, output: new LogOutput(write) };
}

it('loses lines on a full disk, never the program, and says how many', () => {
  const { file, output } = smallFile(10);
  for (const line of ['first\n', 'second\n', 'third\n']) {
    output.write(line);
  }
  expect(file.text).toBe('first\nseco');
  file.room = 1000;
  output.write('fourth\n');
  output.write('fifth\n');
  const lines = file.text.split('\n');
  expect(lines).toEqual(['first', 'seco', expect.any(String), 'fourth', 'fifth', '']);
  expect(JSON.parse(lines[2] ?? '')).toMatchObject({ level: 40, lost: 2 });
});

it('waits for a slow reader', () => {
  const { file, output } = smallFile(3);
  file.code = 'EAGAIN';
  let looks = 0;
  Object.defineProperty(file, 'room', { get: () => ((looks += 1) < 3 ? 3 : 100) });
  output.write('a line\n');
  expect(file.text).toBe('a line\n');
});
