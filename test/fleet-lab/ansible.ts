import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ansibleFiles } from '../../src/fleet/export/ansible.ts';
import type { RolloutPlan } from '../../src/fleet/plan/plan.ts';
import { run, toolEnvironment } from '../../src/support/processes.ts';
import { type FleetLab, knownHost } from './fleet-lab.ts';

/** Of PATH, Ansible's and what it speaks to balancers with. */
const PROGRAMS = ['ansible-playbook', 'socat'];

/** Debian's packages. */
export const ANSIBLE_NEEDS = 'ansible-core, socat';

/** Which of them this machine has not; null: it has all. */
export function missingForAnsible(): string | null {
  const folders = (toolEnvironment()['PATH'] ?? '').split(':');
  return PROGRAMS.find((name) => !folders.some((folder) => existsSync(join(folder, name)))) ?? null;
}

/** What a run of a playbook has come to. */
export interface Played {
  readonly exitCode: number;
  readonly output: string;
  /** Of the recap: by node, by word (`ok`, `changed`, `failed`), how many tasks. */
  readonly recap: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** A plan as files for Ansible, and an administrator who runs it against the lab. */
export class Playbook {
  readonly #folder: string;
  readonly #lab: FleetLab;

  constructor(folder: string, plan: RolloutPlan, lab: FleetLab) {
    this.#folder = folder;
    this.#lab = lab;
    mkdirSync(folder);
    for (const [name, text] of Object.entries(ansibleFiles(plan, { sites: [lab.site] }))) {
      writeFileSync(join(folder, name), text);
    }
    const keys = lab.nodes.map((node) => knownHost(node, lab.places));
    writeFileSync(join(folder, 'known-hosts'), keys.join(''));
  }

  async play(...more: readonly string[]): Promise<Played> {
    const command = ['ansible-playbook', '-i', 'inventory.json', 'playbook.yml', ...more];
    const { exitCode, stdout, stderr } = await run(
      [...command, '-e', 'rookery_step=rookery-step'],
      { env: { ...toolEnvironment(), ...this.#settings() }, cwd: this.#folder, timeoutMs: 120_000 },
    );
    const output = `${stdout.toString()}${stderr}`;
    return { exitCode, output, recap: recapOf(output) };
  }

  #settings(): Record<string, string> {
    const options = {
      ControlMaster: 'auto',
      ControlPersist: '5',
      IdentitiesOnly: 'yes',
      UserKnownHostsFile: join(this.#folder, 'known-hosts'),
    };
    const words = Object.entries(options).map(([key, value]) => `-o ${key}=${value}`);
    return {
      HOME: this.#folder,
      ANSIBLE_LOCAL_TEMP: join(this.#folder, 'tmp'),
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_PRIVATE_KEY_FILE: join(this.#lab.folder, 'keys/client'),
      ANSIBLE_SSH_ARGS: ['-F none', ...words].join(' '),
      // Paths of sockets are short.
      ANSIBLE_SSH_CONTROL_PATH_DIR: join(this.#folder, 'cp'),
    };
  }
}

/** `web1-1   : ok=16   changed=5    unreachable=0 ...`, a line for each node. */
function recapOf(output: string): Played['recap'] {
  const lines = output.slice(output.lastIndexOf('PLAY RECAP')).matchAll(/^(\S+) +: (ok=.*)$/gm);
  return Object.fromEntries(
    [...lines].map(([, node = '', counts = '']) => [
      node,
      Object.fromEntries(
        [...counts.matchAll(/(\w+)=(\d+)/g)].map(([, word = '', count]) => [word, Number(count)]),
      ),
    ]),
  );
}
