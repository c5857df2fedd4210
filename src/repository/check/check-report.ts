/** What became of a finding: nothing is done about `reported`, nothing can be done about `damaged`. */
export type CheckOutcome = 'restored' | 'repaired' | 'damaged' | 'reported';

export interface CheckFinding {
  /**
   * `file-damaged`, `file-missing`, `file-not-linked`, `file-time`, `file-unknown`, `signature-refused`,
   * `publication-missing`, `publication-damaged`, `channel-misplaced`.
   */
  readonly code: string;
  /** `package:<profile>/<path>`, `pool:<sha512>`, `publication:<profile>/<channel>-<serial>`, `channel:<profile>/<channel>`. */
  readonly subject: string;
  /** A sentence. */
  readonly message: string;
  readonly outcome: CheckOutcome;
}

export interface CheckOptions {
  /** Read the bytes of every file that is due. */
  readonly deep: boolean;
  /** Every file is due, whenever it was read last. */
  readonly all: boolean;
  /** A file is due when it was found good longer ago than this. */
  readonly maxAgeMs: number;
}

/** What a check has looked at and found. */
export interface CheckReport {
  readonly packages: number;
  readonly publications: number;
  /** Files of the pool whose bytes were read, and how many bytes. */
  readonly filesRead: number;
  readonly bytesRead: number;
  /** How many there are by code, also of those that are not listed. */
  readonly counts: Readonly<Record<string, number>>;
  /** The first of them. */
  readonly findings: readonly CheckFinding[];
}

export interface CheckProgress {
  readonly stage: 'packages' | 'publications' | 'unknown-files' | 'bytes';
  /** Packages, publications, folders, or bytes. */
  readonly done: number;
  readonly total: number;
}

const MAX_FINDINGS = 1000;

/** Collects what a check finds. */
export class Findings {
  readonly #listed: CheckFinding[] = [];
  readonly #counts = new Map<string, number>();

  add(finding: CheckFinding): void {
    this.#counts.set(finding.code, (this.#counts.get(finding.code) ?? 0) + 1);
    if (this.#listed.length < MAX_FINDINGS) {
      this.#listed.push(finding);
    }
  }

  get count(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  report(): Pick<CheckReport, 'counts' | 'findings'> {
    return { counts: Object.fromEntries(this.#counts), findings: [...this.#listed] };
  }
}
