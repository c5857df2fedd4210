import { createReadStream, statSync } from 'node:fs';
import type { BuildRecords, Excerpt } from '../../src/builds/build-records.ts';
import type { AttemptRecord, HistoryGroup } from '../../src/builds/history.ts';
import type { JobsLook } from '../../src/builds/look-at-request.ts';
import type { BuildRequest, ExplainedJob } from '../../src/builds/request.ts';
import type { LogQuery, SearchStep } from '../../src/builds/search-logs.ts';
import type { Timeline } from '../../src/builds/timeline.ts';
import type { BuildFailure } from '../../src/gentoo/build-failure.ts';
import type { BuildProgress } from '../../src/gentoo/build-phase.ts';

/** What logs and history tell, as a test lays it down. */
export class FakeRecords implements BuildRecords {
  readonly failed = new Map<string, BuildFailure & { readonly attempt: number }>();
  readonly running = new Map<string, BuildProgress>();
  readonly excerpts = new Map<string, Excerpt>();
  readonly timelines = new Map<string, Timeline>();
  readonly attempts: AttemptRecord[] = [];
  readonly groups: HistoryGroup[] = [];
  readonly steps: SearchStep[] = [];
  /** `<job>/<attempt>` -> a packed log. */
  readonly packed = new Map<string, string>();
  /** What was asked last. */
  lastSearch: LogQuery | undefined;
  lastHistory: unknown;

  async look(request: BuildRequest, jobs: readonly ExplainedJob[]): Promise<JobsLook> {
    return {
      failures: new Map([...this.failed].filter(([id]) => jobs.some((job) => job.id === id))),
      progress: await this.progress(jobs.map(({ id }) => ({ jobId: id }))),
      timeline: request.finishedAt === null ? await this.timeline(request.id) : undefined,
    };
  }

  async progress(attempts: readonly { readonly jobId: string }[]) {
    const ids = attempts.map(({ jobId }) => jobId);
    return new Map([...this.running].filter(([id]) => ids.includes(id)));
  }

  async excerpt({ jobId, attempt }: { readonly jobId: string; readonly attempt: number }) {
    return this.excerpts.get(`${jobId}/${attempt}`);
  }

  async openPackedLog({ jobId, attempt }: { readonly jobId: string; readonly attempt: number }) {
    const path = this.packed.get(`${jobId}/${attempt}`);
    return path === undefined
      ? undefined
      : { stream: createReadStream(path), size: statSync(path).size };
  }

  async history(query: Parameters<BuildRecords['history']>[0]) {
    this.lastHistory = query;
    return this.attempts.slice(0, query.limit);
  }

  async historyBy(grouping: string, query: Parameters<BuildRecords['history']>[0]) {
    this.lastHistory = { grouping, ...query };
    return this.groups.slice(0, query.limit);
  }

  async forgetHistory() {
    return 0;
  }

  async timeline(requestId: string) {
    return this.timelines.get(requestId);
  }

  async *searchLogs(query: LogQuery): AsyncGenerator<SearchStep> {
    this.lastSearch = query;
    yield* this.steps;
  }
}
