/**
 * How a member of a farm can stand, as grids show it: one letter, one word or two, and the class of its colour. Letters differ
 * where colours may look alike.
 */
export const MEMBER_STATES = {
  /** What it has said of itself. When several hold, the last of these is shown. */
  'as-published': { letter: '.', word: 'as published' },
  differs: { letter: 'N', word: 'not as published' },
  'old-kernel': { letter: 'K', word: 'runs an older kernel than is installed' },
  'deleted-files': { letter: 'F', word: 'services use files that were replaced' },
  stale: { letter: 'S', word: 'has not reported lately' },
  'other-profile': { letter: 'P', word: 'reports another profile' },
  'weak-processor': { letter: 'X', word: 'its processor lacks instructions' },
  unreported: { letter: '?', word: 'has never reported' },
  /** What a rollout does with it. */
  waiting: { letter: 'w', word: 'waits for its turn' },
  draining: { letter: 'D', word: 'takes no new visitors' },
  out: { letter: 'O', word: 'out of the balancers' },
  upgrading: { letter: 'U', word: 'is upgraded' },
  checking: { letter: 'C', word: 'is checked' },
  undoing: { letter: 'B', word: 'goes back' },
  done: { letter: '+', word: 'done' },
  skipped: { letter: '-', word: 'left out' },
  held: { letter: 'H', word: 'held: somebody has to look at it' },
} as const satisfies Readonly<Record<string, { readonly letter: string; readonly word: string }>>;

export type MemberState = keyof typeof MEMBER_STATES;
