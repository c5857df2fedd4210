import type { Deed } from '../repository.ts';
import { forgetNode } from './forget-node.ts';
import type { NodeRecord, NodeReport, ReportedService } from './node-report.ts';
import { listReports, reportsOf } from './node-store.ts';
import type { ProofContext } from './proof-context.ts';
import { type PromotionProof, readProof } from './read-proof.ts';
import { type ReportOutcome, reportNode } from './report-node.ts';
import { servicesOfNode } from './system-store.ts';

/** What the other rooms may ask about nodes, and about what they prove. */
export interface Proofs {
  /** See `reportNode`. */
  report(report: NodeReport, actor: string): Promise<ReportOutcome>;
  /** The newest reports, by node and profile. */
  nodes(): Promise<NodeRecord[]>;
  /** The newest report of a node about each of its profiles; empty when it has never reported. */
  node(name: string): Promise<NodeRecord[]>;
  /** What a node runs, by profile; see `servicesOfNode`. */
  services(name: string): Promise<ReadonlyMap<string, readonly ReportedService[]>>;
  /** See `forgetNode`. */
  forget(name: string, deed: Deed): Promise<void>;
  /** See `readProof`. */
  proof(profile: string, channel: string): Promise<PromotionProof>;
}

export function createProofs(context: ProofContext): Proofs {
  return {
    report: async (report, actor) => await reportNode(context, report, actor),
    nodes: async () => await listReports(context.database),
    node: async (name) => await reportsOf(context.database, name),
    services: async (name) => await servicesOfNode(context.database, name),
    forget: async (name, deed) => {
      await forgetNode(context, name, deed);
    },
    proof: async (profile, channel) => await readProof(context, { profile, channel }),
  };
}
