function path(...names: readonly string[]): string {
  return `/${names.map(encodeURIComponent).join('/')}`;
}

export const profileHref = (profile: string): string => path('profiles', profile);
export const channelHref = (profile: string, channel: string): string =>
  path('profiles', profile, channel);
export const packageHref = (id: string): string => path('packages', id);
export const requestHref = (id: string): string => path('requests', id);
export const timelineHref = (id: string): string => path('requests', id, 'timeline');
export const jobHref = (id: string): string => path('jobs', id);
export const rolloutHref = (id: string): string => path('rollouts', id);
export const nodeHref = (name: string): string => path('nodes', name);
/** One attempt at a job, with its log. */
export const attemptHref = (id: string, attempt: number): string =>
  `${jobHref(id)}?attempt=${attempt}`;

/** The journal from one event on, back in time, about one thing. */
export const eventHref = (seq: number, subject: string): string =>
  `/journal?${new URLSearchParams({ subject, before: String(seq + 1) }).toString()}`;

/** The binhost that always shows one publication. */
export const publicationHref = (made: {
  readonly profile: string;
  readonly channel: string;
  readonly serial: number;
}): string => path('binhost', made.profile, '.publications', `${made.channel}-${made.serial}`);

/** What is different between two publications, each `<channel>` or `<channel>@<serial>`. */
export function differenceHref(profile: string, from: string, to: string): string {
  return `${path('diff', profile)}?${new URLSearchParams({ from, to }).toString()}`;
}

export const phpHref = (profile: string): string => path('php', profile);

/** What is different between two PHP trees. */
export function phpDifferenceHref(profile: string, from: string, to: string): string {
  return `${path('php', profile, 'diff')}?${new URLSearchParams({ from, to }).toString()}`;
}

/** The file of a package on the binhost of its profile; the path keeps its slashes. */
export function packageFileHref(profile: string, packagePath: string): string {
  return path('binhost', profile, 'packages', ...packagePath.split('/'));
}
