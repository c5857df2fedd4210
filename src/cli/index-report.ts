import type { CheckOutcome } from '../binpkg/pkgdir/check-pkgdir.ts';
import type { IndexOutcome } from '../binpkg/pkgdir/index-pkgdir.ts';
import { counted, formatTime } from './format.ts';
import { harmless, type Output } from './output.ts';

/** What `rookery index --json` prints. */
export function indexReport(outcome: IndexOutcome) {
  const { timestampSeconds, written, packages, added, changed, removed } = outcome;
  const { refused, ignored, duplicates, same } = outcome;
  return {
    written,
    timestamp: timestampSeconds,
    packages,
    added,
    changed,
    removed,
    refused: refused.map(({ path, code, message }) => ({ path, code, message })),
    ignored,
    duplicates,
    leftOut: same,
  };
}

/** What `rookery index --check --json` prints. */
export function checkReport(outcome: CheckOutcome) {
  const { packages, findings, ignored } = outcome;
  return { ok: findings.length === 0, packages, findings, ignored };
}

export function printIndex(output: Output, outcome: IndexOutcome, verbose: boolean): void {
  const { written, timestampSeconds, packages, added, changed, removed } = outcome;
  for (const { path, message } of outcome.refused) {
    output.note(harmless(`${path} is left out: ${message}`, 'drop-colors'));
  }
  for (const { cpv, paths } of outcome.same) {
    const last = paths.at(-1) ?? '';
    output.note(harmless(`${cpv} is there more than once; ${last} is indexed`, 'drop-colors'));
  }
  for (const { cpv, paths } of outcome.duplicates) {
    const text = `${cpv} has one BUILD_ID in several files: ${paths.join(', ')}`;
    output.note(harmless(text, 'drop-colors'));
  }
  if (verbose) {
    printPaths(output, { added, changed, removed });
    printIgnored(output, outcome);
  }
  const total = counted(packages, 'package');
  if (!written) {
    output.line(`${total}, nothing to change`);
    return;
  }
  const parts = [
    [added.length, 'added'],
    [changed.length, 'changed'],
    [removed.length, 'removed'],
  ] as const;
  const news = parts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`);
  const details = news.length === 0 ? ['the files renewed'] : news;
  output.line(`${[total, ...details].join(', ')}; index of ${formatTime(timestampSeconds * 1000)}`);
}

export function printCheck(output: Output, outcome: CheckOutcome, verbose: boolean): void {
  for (const { kind, path, message } of outcome.findings) {
    const where = path === null ? '' : `${path}: `;
    output.line(harmless(`${kind.padEnd(16)} ${where}${message}`, 'drop-colors'));
  }
  if (verbose) {
    printIgnored(output, outcome);
  }
  if (outcome.findings.length === 0) {
    output.line(`${counted(outcome.packages, 'package')}, the index is right`);
  }
}

function printPaths(output: Output, changes: Readonly<Record<string, readonly string[]>>): void {
  for (const [word, paths] of Object.entries(changes)) {
    for (const path of paths) {
      output.note(harmless(`${word} ${path}`, 'drop-colors'));
    }
  }
}

function printIgnored(output: Output, { ignored }: Pick<IndexOutcome, 'ignored'>): void {
  for (const { path, reason } of ignored) {
    output.note(harmless(`passed over ${path}: ${reason}`, 'drop-colors'));
  }
}
