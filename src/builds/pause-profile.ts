import { AppError } from '../support/errors.ts';
import { type BuildsContext, transact } from './builds-context.ts';
import { findPause, putPause, removePause } from './pause-store.ts';
import type { ProfilePause } from './profile-pause.ts';

/** Pausing it again changes the reason. Jobs under way go on. Throws `unknown-profile`. */
export async function pauseProfile(
  context: BuildsContext,
  profile: string,
  pause: { readonly actor: string; readonly reason: string },
): Promise<ProfilePause> {
  const isBroken = Object.hasOwn(context.profiles.broken(), profile);
  const { name } = isBroken ? { name: profile } : context.profiles.get(profile);
  return await transact(context, pause.actor, async (deed) => {
    const made = { profile: name, by: pause.actor, reason: pause.reason, pausedAt: deed.now };
    await putPause(deed.queries, made);
    await deed.tell({
      actor: deed.actor,
      kind: 'profile-paused',
      subject: `profile:${name}`,
      data: { profile: name, reason: pause.reason },
    });
    return made;
  });
}

/** Throws `profile-not-paused`. */
export async function resumeProfile(
  context: BuildsContext,
  profile: string,
  actor: string,
): Promise<void> {
  await transact(context, actor, async (deed) => {
    if ((await findPause(deed.queries, profile)) === undefined) {
      throw new AppError('profile-not-paused', `The profile ${profile} is not paused.`, {
        details: { profile },
      });
    }
    await removePause(deed.queries, profile);
    await deed.tell({
      actor,
      kind: 'profile-resumed',
      subject: `profile:${profile}`,
      data: { profile },
    });
  });
}
