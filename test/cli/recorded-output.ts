import { createOutput, type Output } from '../../src/cli/output.ts';

export interface RecordedOutput {
  readonly output: Output;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

/** An output whose text can be read afterwards. With `terminal` both streams claim to be one of that size. */
export function recordedOutput(
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly terminal?: { readonly columns: number; readonly rows: number };
  } = {},
): RecordedOutput {
  const texts = { stdout: '', stderr: '' };
  const streamOf = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      texts[name] += text;
    },
    ...(options.terminal === undefined ? {} : { isTTY: true, ...options.terminal }),
  });
  return {
    output: createOutput({
      stdout: streamOf('stdout'),
      stderr: streamOf('stderr'),
      env: options.env ?? {},
    }),
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
  };
}
