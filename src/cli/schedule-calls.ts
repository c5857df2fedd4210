import {
  scheduledRunSchema,
  scheduleListSchema,
  scheduleViewSchema,
} from '../protocol/schedules.ts';
import type { Calls } from './server-client.ts';

/** Calls about what profiles have done by themselves. */
export function scheduleCalls({ get, post }: Pick<Calls, 'get' | 'post'>) {
  return {
    schedules: async (runs: number) =>
      (await get('/api/schedules', scheduleListSchema, { runs })).schedules,
    runSchedule: async (profile: string, name: string) =>
      await post(path(profile, name, 'run'), {}, scheduledRunSchema),
    pauseSchedule: async (profile: string, name: string) =>
      await post(path(profile, name, 'pause'), {}, scheduleViewSchema),
    resumeSchedule: async (profile: string, name: string) =>
      await post(path(profile, name, 'resume'), {}, scheduleViewSchema),
  };
}

function path(profile: string, name: string, verb: string): string {
  return `/api/schedules/${encodeURIComponent(profile)}/${encodeURIComponent(name)}/${verb}`;
}
