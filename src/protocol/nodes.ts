import * as z from 'zod';
import { isCpv } from '../gentoo/cpv.ts';
import { CHECK_NAME, promotionPolicySchema } from '../gentoo/promotion-policy.ts';
import { nameSchema } from './common.ts';

/**
 *     POST /api/nodes/:node/report                             nodeReportSchema -> reportReplySchema   (node, admin)
 *     GET  /api/nodes                                          -> nodeListSchema
 *     GET  /api/nodes/:node                                    -> nodeDetailSchema
 *     DELETE /api/nodes/:node                                  forgetBodySchema -> 204              (admin)
 *     GET  /api/profiles/:profile/channels/:channel/proof      -> proofViewSchema
 */
const MAX_PACKAGES = 20_000;
const MAX_CHECKS = 100;
const line = (length: number) =>
  z
    .string()
    .max(length)
    .regex(/^\P{Cc}*$/u, 'has to be one line without control characters');

const MAX_TREES = 200;
const MAX_RELEASES = 200;
const MAX_KERNELS = 100;
const MAX_SERVICES = 500;
const MAX_FILES = 5000;

/** The system of a node besides its packages, as its own program sees it. */
export const reportedSystemSchema = z.strictObject({
  /** The release of the web application that it serves; null when it serves none. */
  release: line(200).nullable(),
  /** Releases that lie on it, with what identifies their content. */
  releases: z.array(z.strictObject({ release: line(200), digest: line(200) })).max(MAX_RELEASES),
  kernel: z.strictObject({
    /** `uname -r`. */
    running: line(200),
    installed: z.array(line(200)).max(MAX_KERNELS),
  }),
  /** /proc/sys/kernel/random/boot_id. */
  bootId: line(100),
  /** The line `flags` or `Features` of the first processor in /proc/cpuinfo. */
  cpuinfo: line(20_000),
  /** All processes of a program that runs as a service, and the files that they execute. */
  services: z
    .array(
      z.strictObject({
        name: line(100).min(1),
        /** Of a php-fpm from a PHP tree: its id. */
        tree: nameSchema.nullable(),
        files: z
          .array(
            z.strictObject({
              path: line(4096).startsWith('/'),
              /** `category/package-version` that owns it. */
              cpv: line(300).refine(isCpv, 'has to be category/package-version').nullable(),
              /** Replaced or removed since. */
              isDeleted: z.boolean(),
            }),
          )
          .max(MAX_FILES),
      }),
    )
    .max(MAX_SERVICES),
  /** It could not look into all of its processes: there may be more services and files. */
  isPartial: z.boolean(),
});

/** A PHP tree as `rookery-php status --json` tells of it. */
export const reportedTreeSchema = z.strictObject({
  id: nameSchema,
  profile: nameSchema,
  /** SHA-256 of the MANIFEST that was believed when it came, lowercase hex. */
  manifest: z.string().regex(/^[0-9a-f]{64}$/, 'has to be a SHA-256'),
  /** `active` answers requests, of `standby` a php-fpm runs, `resident` only lies there. */
  state: z.enum(['active', 'standby', 'resident']),
  /** When all of it was last found as its MANIFEST says, seconds; null when it was not. */
  verifiedAt: z.number().int().min(0).nullable(),
  /** As in REQUIRES: what it needs of the system. */
  requires: line(20_000),
});
export type ReportedTree = z.infer<typeof reportedTreeSchema>;

export const nodeReportSchema = z.strictObject({
  profile: nameSchema,
  channel: nameSchema,
  /** TIMESTAMP of the index that Portage has of the channel, seconds; null when it has none. */
  timestamp: z.number().int().min(0).nullable(),
  /** All packages of the system, from /var/db/pkg. */
  installed: z
    .array(
      z.strictObject({
        cpv: line(300).refine(isCpv, 'has to be category/package-version'),
        slot: line(200),
        buildId: z.number().int().min(0).nullable(),
        /** BUILD_TIME, seconds. */
        buildTime: z.number().int().min(0).nullable(),
        repository: line(200),
        use: line(20_000),
        /** IUSE; `report` of an older Rookery does not send it. */
        iuse: line(20_000).optional(),
        provides: line(200_000),
        /** REQUIRES; `report` of an older Rookery does not send it. */
        requires: line(200_000).optional(),
      }),
    )
    .max(MAX_PACKAGES),
  checks: z
    .array(
      z.strictObject({
        name: z.string().regex(CHECK_NAME),
        passed: z.boolean(),
        /** How it begins; lines are kept. */
        output: z
          .string()
          .max(8000)
          .regex(/^(?:\P{Cc}|[\t\n])*$/u, 'has to be without control characters'),
      }),
    )
    .max(MAX_CHECKS)
    .refine(
      (checks) => new Set(checks.map(({ name }) => name)).size === checks.length,
      'names a check twice',
    ),
  /** What `rookery-php status --json` printed; absent on a node without it. */
  php: z.strictObject({ trees: z.array(reportedTreeSchema).max(MAX_TREES) }).optional(),
  /** `report` of an older Rookery does not send it. */
  system: reportedSystemSchema.optional(),
});
export type NodeReportMessage = z.infer<typeof nodeReportSchema>;

export const forgetBodySchema = z.strictObject({ reason: z.string().max(2000).default('') });

export const reportReplySchema = z.object({
  /** Whether it is proof for a promotion. */
  counts: z.boolean(),
  /** The number of the publication that the node has; null when it is none. */
  serial: z.number().nullable(),
  /** Installed packages that are not those of the publication. */
  differs: z.number(),
  /** All of it in a sentence, for whoever runs the command on the node. */
  answer: z.string(),
});

const checkViewSchema = z.object({ name: z.string(), passed: z.boolean(), output: z.string() });

/** The newest report of a node about one profile. */
export const nodeViewSchema = z.object({
  node: z.string(),
  profile: z.string(),
  channel: z.string(),
  timestamp: z.number().nullable(),
  serial: z.number().nullable(),
  reportedAt: z.number(),
  installedCount: z.number(),
  checks: z.array(checkViewSchema),
  differs: z.number(),
  /** The first of what differs, a sentence each. */
  differences: z.array(z.string()),
  /** Its PHP trees; null when it has not said it. */
  php: z.array(reportedTreeSchema).nullable(),
  /** Null when it has not said it. */
  system: z
    .object({
      release: z.string().nullable(),
      releases: z.array(z.object({ release: z.string(), digest: z.string() })),
      kernel: z.object({ running: z.string(), installed: z.array(z.string()) }),
      bootId: z.string(),
      cpuFlags: z.array(z.string()),
      isPartial: z.boolean(),
    })
    .nullable(),
});
export type NodeView = z.infer<typeof nodeViewSchema>;

export const nodeListSchema = z.object({ nodes: z.array(nodeViewSchema) });
export const nodeDetailSchema = z.object({
  node: z.string(),
  /** One for each profile that it reported about. */
  reports: z.array(nodeViewSchema).min(1),
});
export type NodeDetail = z.infer<typeof nodeDetailSchema>;

export const proofViewSchema = z.object({
  profile: z.string(),
  channel: z.string(),
  from: z.string().nullable(),
  /** The publication that a promotion would take. */
  serial: z.number().nullable(),
  policy: promotionPolicySchema,
  isProven: z.boolean(),
  /** Sentences. */
  missing: z.array(z.string()),
  nodes: z.array(
    z.object({
      node: z.string(),
      state: z.enum(['passed', 'failed', 'old', 'elsewhere']),
      passedSince: z.number().nullable(),
      lastReportedAt: z.number(),
      sentence: z.string(),
    }),
  ),
  /** From when on it is proven if nothing else happens; null while nodes are missing. */
  provenAt: z.number().nullable(),
});
export type ProofView = z.infer<typeof proofViewSchema>;
