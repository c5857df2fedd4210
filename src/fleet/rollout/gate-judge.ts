import type { GateVerdict } from '../drivers/ports.ts';
import type { Site } from '../inventory/inventory.ts';

/** What a gate is asked about: members of one site that were changed, or are about to be. */
export interface GateQuestion {
  readonly rollout: string;
  readonly site: Site;
  /** Names, all of this site. */
  readonly nodes: readonly string[];
  /** Since when to look, epoch milliseconds: when the unit or the stage began. */
  readonly since: number;
}

/** Judges one gate. What it cannot find out is `inconclusive`, never an error. */
export interface GateJudge {
  judge(question: GateQuestion): Promise<GateVerdict>;
}
