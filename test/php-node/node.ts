import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeReportSchema } from '../../src/protocol/nodes.ts';
import {
  type RunResult,
  run,
  runChecked,
  spawnGroup,
  toolEnvironment,
} from '../../src/support/processes.ts';
import { PhpFarm, PROFILE, sha256 } from './farm.ts';

/** What `rookery-php status --json` prints is what a node reports. */
export const statusSchema = nodeReportSchema.shape.php.unwrap();

export interface Said extends RunResult {
  /** Standard output. */
  readonly said: string;
}

/** The root folder of a node with the setup script of a farm applied to it, and the program it brought. */
export class PhpNode {
  readonly root: string;
  /** What runs the program; empty: its first line says. */
  shell: readonly string[] = [];
  env: Readonly<Record<string, string>> = {};

  private constructor(root: string) {
    this.root = root;
  }

  static async open(root: string, farm: Pick<PhpFarm, 'setupScript'>): Promise<PhpNode> {
    const node = new PhpNode(root);
    mkdirSync(join(root, 'etc/portage'), { recursive: true });
    chmodSync(root, 0o755);
    node.put('setup.sh', farm.setupScript());
    await runChecked(['sh', join(root, 'setup.sh'), '--root', root], { env: toolEnvironment() });
    return node;
  }

  /** One that somebody has made. */
  static at(root: string): PhpNode {
    return new PhpNode(root);
  }

  /** Another node, with the same past. */
  async copy(root: string): Promise<PhpNode> {
    await runChecked(['cp', '-a', this.root, root], { env: toolEnvironment() });
    return new PhpNode(root);
  }

  path(name: string): string {
    return join(this.root, name);
  }

  tree(id: string): string {
    return this.path(`opt/php/${id}`);
  }

  put(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  get program(): string {
    return this.path('usr/local/sbin/rookery-php');
  }

  get #env(): Record<string, string> {
    return { ...toolEnvironment(), ROOKERY_ROOT: this.root, ...this.env };
  }

  async php(...args: readonly string[]): Promise<Said> {
    const result = await run([...this.shell, this.program, ...args], {
      env: this.#env,
      timeoutMs: 60_000,
    });
    return { ...result, said: result.stdout.toString() };
  }

  /** Started, to be killed. */
  begin(...args: readonly string[]): ReturnType<typeof spawnGroup> {
    return spawnGroup([...this.shell, this.program, ...args], { env: this.#env }, 'ignore');
  }

  /** Fails with what it said when it does not end with this. */
  async must(exitCode: number, ...args: readonly string[]): Promise<Said> {
    const result = await this.php(...args);
    if (result.exitCode !== exitCode) {
      throw new Error(
        `rookery-php ${args.join(' ')} ended with ${result.exitCode}, not ${exitCode}:\n${result.said}${result.stderr}`,
      );
    }
    return result;
  }

  /** Has `rookery-step` do something. Returns what it said; fails when it does not end with this. */
  async step(exitCode: number, ...words: readonly string[]): Promise<string> {
    const program = this.path('usr/local/sbin/rookery-step');
    const result = await run([...this.shell, program, 'do', ...words], {
      env: this.#env,
      timeoutMs: 60_000,
    });
    const said = `${result.stdout.toString()}${result.stderr}`;
    if (result.exitCode !== exitCode) {
      throw new Error(
        `rookery-step do ${words.join(' ')} ended with ${result.exitCode}, not ${exitCode}:\n${said}`,
      );
    }
    return said;
  }

  /** Of a tree that is here, the digest of what it has to be like. */
  manifestOf(id: string): string {
    return sha256(readFileSync(join(this.tree(id), 'MANIFEST')));
  }

  /** What `status --json` says of a tree. */
  async standing(id: string, profile = PROFILE): Promise<string | undefined> {
    const { said } = await this.must(0, 'status', '--json', '--profile', profile);
    return statusSchema.parse(JSON.parse(said)).trees.find((tree) => tree.id === id)?.state;
  }
}

/** A farm that shows a tree on stable and one with another php.ini on testing, and a node of it. */
export async function openTwoTrees(
  folder: string,
  [stable, testing]: readonly [string, string],
): Promise<{ readonly farm: PhpFarm; readonly node: PhpNode }> {
  chmodSync(folder, 0o755);
  const farm = await PhpFarm.open(join(folder, 'farm'));
  farm.addTree({ id: stable });
  farm.addTree({ id: testing, files: { 'etc/php.ini': 'memory_limit = 96M\n' } });
  const node = await PhpNode.open(join(folder, 'node'), farm);
  farm.publish({ stable, testing });
  return { farm, node };
}
