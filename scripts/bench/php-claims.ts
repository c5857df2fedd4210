import { chmodSync, copyFileSync, existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isPhpInstalled, PhpFarm } from '../../test/php-node/farm.ts';
import { PhpNode } from '../../test/php-node/node.ts';
import type { Bench } from './claims.ts';
import { command, measure, median, shown } from './measure.ts';

const [A, B] = ['8.2.30-web-v3-r1', '8.2.30-web-v3-r2'] as const;
const RUNS = 15;

/** PHP trees on a node: what a revision of the configuration costs, and reading a tree again. */
export async function phpOnNodes(bench: Bench): Promise<void> {
  if (!isPhpInstalled()) {
    bench.print('PHP trees on a node: skipped (no php8.2-fpm)');
    return;
  }
  const folder = join(bench.folder, 'php');
  const farm = await PhpFarm.open(folder);
  chmodSync(folder, 0o755);
  try {
    farm.addTree({ id: A, edit: addLargest });
    farm.addTree({ id: B, edit: addLargest, files: { 'etc/php.ini': 'memory_limit = 96M\n' } });
    farm.publish({ stable: A, testing: B });
    const node = await PhpNode.open(join(folder, 'node'), farm);
    await compareRevision(bench, node);
    await compareVerification(bench, node);
  } finally {
    await farm.close();
    await rm(folder, { recursive: true });
  }
}

/** With the extension and the module that tests leave out, a tree has the size of a usual one. */
function addLargest(tree: string): void {
  for (const file of [
    '/usr/lib/php/20220829/fileinfo.so',
    '/usr/lib/apache2/modules/libphp8.2.so',
  ]) {
    if (existsSync(file)) {
      copyFileSync(file, join(tree, 'lib', basename(file)));
      chmodSync(join(tree, 'lib', basename(file)), 0o755);
    }
  }
}

function percent(part: number, whole: number): string {
  return ((part / whole) * 100).toFixed(2);
}

async function compareRevision(bench: Bench, node: PhpNode): Promise<void> {
  const received = async (channel: string): Promise<number> => {
    const { said } = await node.must(0, 'pull', channel);
    return Number(/received ([\d,]+) bytes/.exec(said)?.[1]?.replaceAll(',', ''));
  };
  // Hard links are counted once: the second line of du is what the second tree takes beside the first.
  const full = await received('stable');
  const revision = await received('testing');
  const sizes = await command(['du', '-sk', node.tree(A), node.tree(B)]);
  const [first = 0, second = 0] = sizes.split('\n').map((line) => Number(line.split('\t')[0]));
  bench.print(
    `a PHP tree that differs in its configuration: ${revision} of ${full} bytes fetched (${percent(revision, full)} %), ${second} of ${first} KiB on disk (${percent(second, first)} %) (target: below 1 %)`,
  );
}

async function compareVerification(bench: Bench, node: PhpNode): Promise<void> {
  const list = 'cd "$1" && find . -type f ! -name "MANIFEST*" -exec sha256sum {} +';
  const peer = await measure(RUNS, async () => {
    await command(['sh', '-c', list, 'sh', node.tree(A)]);
  });
  const ours = await measure(RUNS, async () => await node.must(0, 'verify', A));
  const ratio = (median(ours) / median(peer)).toFixed(2);
  bench.print(
    `verification of a PHP tree: rookery-php ${shown(ours)}, sha256sum ${shown(peer)}: ${ratio} times (target: below 1.3)`,
  );
}
