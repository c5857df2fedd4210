import { type FileFacts, readPackageContents } from '../binpkg/diff-contents.ts';
import {
  diffPackages,
  type FileAspect,
  type FileChange,
  isDifferent,
  type KeyChange,
  type PackageDiff,
} from '../binpkg/diff-packages.ts';
import { AppError } from '../support/errors.ts';
import type { CommandContext } from './command-context.ts';
import { harmless, type Output } from './output.ts';
import { withPackageFile } from './package-reading.ts';

export interface DiffPackageOptions {
  readonly all?: boolean;
  readonly json?: boolean;
}

const SIGNS = { added: '+', removed: '-', changed: '~' } as const;
const COLORS = { added: 'green', removed: 'red', changed: 'yellow' } as const;

/** Verifies both files and prints what differs. Throws `packages-differ` when anything does. */
export async function diffPackageFiles(
  context: CommandContext,
  files: { readonly before: string; readonly after: string },
  options: DiffPackageOptions,
): Promise<void> {
  const read = async (file: string): ReturnType<typeof readPackageContents> =>
    await withPackageFile(context, file, async (opened) =>
      readPackageContents(opened, { clock: context.clock }),
    );
  const diff = diffPackages(await read(files.before), await read(files.after));
  const noise = options.all ? 'counts' : 'is-ignored';
  const different = isDifferent(diff, noise);
  if (options.json) {
    context.output.json({ ...files, different, ...diff });
  } else {
    print(context.output, diff, { different, showsNoise: options.all === true });
  }
  if (different) {
    throw new AppError('packages-differ', `${files.before} and ${files.after} differ.`);
  }
}

function print(
  output: Output,
  { files, keys }: PackageDiff,
  how: { readonly different: boolean; readonly showsNoise: boolean },
): void {
  const shown = keys.filter(({ isNoise }) => how.showsNoise || !isNoise);
  const noise = keys.filter(({ isNoise }) => !how.showsNoise && isNoise);
  const section = (title: string, lines: readonly string[]): void => {
    for (const line of lines.length === 0 ? [] : [output.paint('bold', title), ...lines]) {
      output.line(harmless(line, 'keep-colors'));
    }
  };
  section(
    'Files',
    files.map((change) => marked(output, change.kind, `${change.path}  ${fileText(change)}`)),
  );
  section(
    'Metadata',
    shown.map((change) => marked(output, change.kind, `${change.key}  ${keyText(change)}`)),
  );
  if (!how.different) {
    output.line('No differences.');
  }
  if (noise.length > 0) {
    const names = noise.map(({ key }) => key).join(' ');
    const text = `Different in every build, shown by --all: ${names}`;
    output.line(harmless(output.paint('dim', text), 'keep-colors'));
  }
}

function marked(output: Output, kind: keyof typeof SIGNS, text: string): string {
  const plain = harmless(text, 'drop-colors').replaceAll('\n', ' ');
  return `  ${output.paint(COLORS[kind], SIGNS[kind])} ${plain}`;
}

function fileText(change: FileChange): string {
  if (change.kind === 'added') {
    return factsText(change.after);
  }
  if (change.kind === 'removed') {
    return factsText(change.before);
  }
  const { before, after, aspects } = change;
  return aspects.map((aspect) => ASPECT_TEXTS[aspect](before, after)).join(', ');
}

function factsText({ type, mode, size, linkTarget }: FileFacts): string {
  if (type === 'symlink') {
    return `link to ${linkTarget}`;
  }
  return type === 'file' ? `file ${octal(mode)}, ${size} bytes` : `folder ${octal(mode)}`;
}

const ASPECT_TEXTS: Readonly<Record<FileAspect, (before: FileFacts, after: FileFacts) => string>> =
  {
    content: () => 'content',
    type: (before, after) => `${factsText(before)} -> ${factsText(after)}`,
    size: (before, after) => `size ${before.size} -> ${after.size}`,
    mode: (before, after) => `mode ${octal(before.mode)} -> ${octal(after.mode)}`,
    owner: (before, after) => `owner ${before.owner} -> ${after.owner}`,
    'link-target': (before, after) => `link to ${before.linkTarget} -> ${after.linkTarget}`,
  };

function keyText({ kind, before = '', after = '', words }: KeyChange): string {
  if (kind !== 'changed') {
    return kind === 'added' ? after : before;
  }
  if (words === undefined) {
    return `${before} -> ${after}`;
  }
  const { added, removed } = words;
  const changed = [
    ...(removed.length === 0 ? [] : [`removed: ${removed.join(' ')}`]),
    ...(added.length === 0 ? [] : [`added: ${added.join(' ')}`]),
  ];
  return changed.length === 0 ? 'in another order' : changed.join('; ');
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
