import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { PhpFarm, PROFILE } from '../php-node/farm.ts';
import { FleetLab } from './fleet-lab.ts';

const TREE = '8.2.30-web-v3-r1';

/** A lab whose nodes are clients of a farm that has a single PHP tree, and of no server. `stop` it. */
export class SmallLab {
  readonly lab: FleetLab;
  readonly #farm: PhpFarm;

  private constructor(lab: FleetLab, farm: PhpFarm) {
    this.lab = lab;
    this.#farm = farm;
  }

  static async open(folder: string, farms: number, members: number): Promise<SmallLab> {
    chmodSync(folder, 0o755);
    const trees = await PhpFarm.open(join(folder, 'farm'));
    try {
      trees.addTree({ id: TREE });
      trees.publish({ stable: TREE });
      const lab = await FleetLab.start({
        folder: join(folder, 'lab'),
        farms,
        members,
        profile: PROFILE,
        setupScript: () => trees.setupScript(),
        trees: [TREE],
      });
      return new SmallLab(lab, trees);
    } catch (error) {
      await trees.close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.lab.stop();
    await this.#farm.close();
  }
}
