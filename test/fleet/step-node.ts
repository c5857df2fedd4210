import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Member } from '../../src/fleet/inventory/inventory.ts';
import { stepProgram } from '../../src/http/node-programs.ts';
import { type RunResult, run, toolEnvironment } from '../../src/support/processes.ts';

/** A prefix with `rookery-step`, whose web server is a file that is there, and whose boot is a file with its name. */
export interface StepNode {
  readonly prefix: string;
  readonly program: string;
  /** Adds lines to step.conf. */
  set(...lines: readonly string[]): Promise<void>;
  step(
    args: readonly string[],
    options?: { readonly shell?: readonly string[]; readonly env?: Record<string, string> },
  ): Promise<RunResult & { readonly said: string }>;
}

export async function makeStepNode(prefix: string): Promise<StepNode> {
  const program = join(prefix, 'usr/local/sbin/rookery-step');
  const conf = join(prefix, 'etc/rookery/step.conf');
  await mkdir(join(prefix, 'etc/rookery'), { recursive: true });
  await mkdir(join(prefix, 'usr/local/sbin'), { recursive: true });
  await writeFile(program, stepProgram().replace('@PREFIX@', prefix));
  await chmod(program, 0o755);
  await writeFile(join(prefix, 'boot'), 'boot-1\n');
  const lines = [
    `stop-command = rm -f ${prefix}/web`,
    `start-command = touch ${prefix}/web`,
    `running-command = test -f ${prefix}/web`,
    `boot-id-file = ${prefix}/boot`,
    `reboot-command = rm -f ${prefix}/web; date +boot-%s%N > ${prefix}/boot`,
  ];
  const write = async (): Promise<void> => {
    await writeFile(conf, `${lines.join('\n')}\n`);
  };
  await write();
  return {
    prefix,
    program,
    set: async (...more) => {
      lines.push(...more);
      await write();
    },
    step: async (args, { shell = [], env = {} } = {}) => {
      const result = await run([...shell, program, ...args], {
        env: { ...toolEnvironment(), ...env },
        timeoutMs: 280_000,
      });
      return { ...result, said: result.stdout.toString() };
    },
  };
}

export function memberAt(node: string, ssh: Member['ssh']): Member {
  return {
    node,
    farm: 'web7',
    index: 3,
    ssh,
    profile: 'zen3',
    webServer: 'nginx',
    rack: null,
    weight: 1,
    isEager: false,
  };
}
