import * as z from 'zod';
import type { ScheduleRecord } from '../../builds/schedule/schedules.ts';
import { formatWork } from '../../gentoo/schedule-policy.ts';
import {
  type ScheduleView,
  scheduledRunSchema,
  scheduleListSchema,
  scheduleViewSchema,
} from '../../protocol/schedules.ts';
import { AppError } from '../../support/errors.ts';
import { actorOf } from '../authentication.ts';
import type { HttpContext } from '../context.ts';
import { guardedRoute, NO_BODY, NO_QUERY, openRoute, type Route } from './route.ts';

const MOST_RUNS = 1000;
const NOTHING = z.strictObject({});

/** What the profiles have done by themselves. */
export function scheduleRoutes({ schedules }: HttpContext): readonly Route[] {
  return [
    openRoute({
      method: 'get',
      path: '/api/schedules',
      summary: 'The schedules of all profiles with their next and last runs',
      query: z.object({ runs: z.coerce.number().int().min(0).max(MOST_RUNS).default(5) }),
      body: NO_BODY,
      replies: { 200: scheduleListSchema },
      handle: async ({ query }) => ({
        status: 200,
        json: { schedules: (await schedules.list(query.runs)).map(scheduleView) },
      }),
    }),
    guardedRoute({
      method: 'post',
      path: '/api/schedules/:profile/:schedule/run',
      role: 'admin',
      summary: 'Begin a run at once',
      query: NO_QUERY,
      body: NOTHING,
      replies: { 202: scheduledRunSchema },
      handle: async ({ params, identity }) => {
        const key = { profile: params('profile'), name: params('schedule') };
        return { status: 202, json: await schedules.run(key, actorOf(identity)) };
      },
    }),
    ...(['pause', 'resume'] as const).map((verb) =>
      guardedRoute({
        method: 'post',
        path: `/api/schedules/:profile/:schedule/${verb}`,
        role: 'admin',
        summary:
          verb === 'pause'
            ? 'Let no run begin by itself until it is resumed'
            : 'Let runs begin by themselves again',
        query: NO_QUERY,
        body: NOTHING,
        replies: { 200: scheduleViewSchema },
        handle: async ({ params, identity }) => {
          const key = { profile: params('profile'), name: params('schedule') };
          await schedules[verb](key, actorOf(identity));
          return { status: 200, json: scheduleView(await find(schedules, key)) };
        },
      }),
    ),
  ];
}

async function find(
  schedules: HttpContext['schedules'],
  { profile, name }: { readonly profile: string; readonly name: string },
): Promise<ScheduleRecord> {
  const all = await schedules.list(1);
  const found = all.find((one) => one.profile === profile && one.name === name);
  if (found === undefined) {
    throw new AppError('unknown-schedule', `The profile ${profile} no longer has ${name}.`);
  }
  return found;
}

function scheduleView({ policy, next, runs, ...record }: ScheduleRecord): ScheduleView {
  const { work, ...times } = policy;
  return { ...record, ...times, work: formatWork(work), next: [...next], runs: [...runs] };
}
