/** How far a build is, as its log tells. `done` and `total` count whatever the phase's program counts. */
export interface BuildProgress {
  /** Portage's name of the phase, such as `compile`; `upload` once the package is on its way; null before the first. */
  readonly phase: string | null;
  readonly done: number | null;
  readonly total: number | null;
}

export const NO_PROGRESS: BuildProgress = { phase: null, done: null, total: null };

/** What begins a phase: lines of Portage (`bin/phase-functions.sh`, `_emerge/`), and those of our own agent. */
const BEGINNINGS: readonly (readonly [RegExp, string])[] = [
  [/^>>> Running pre-merge checks for /, 'pretend'],
  [/^>>> Emerging \(\d+ of \d+\) /, 'setup'],
  [/^>>> Unpacking source\.\.\./, 'unpack'],
  [/^>>> Preparing source in /, 'prepare'],
  [/^>>> Configuring source in /, 'configure'],
  [/^>>> (?:Compiling source in |build:$)/, 'compile'],
  [/^>>> Test phase: /, 'test'],
  [/^>>> (?:Install \S+ into |install:$)/, 'install'],
  [/^>>> (?:Completed installing |Creating binpkg)/, 'package'],
  [/^>>> Installing \(\d+ of \d+\) /, 'merge'],
  [/^>>> Uploading the package, /, 'upload'],
];
/** What our agent writes when Portage's own status names a phase. */
const NOTED = /^>>> Portage is in the phase ([a-z]+)\.$/;
/** ninja: `[12/345] CC foo.o`. */
const NINJA = /^\[\s*(\d{1,7})\/(\d{1,7})\] /;
/** The makefiles of CMake: `[ 12%] Building C object ...`. */
const CMAKE = /^\[\s*(\d{1,3})%\] /;

/** The order of the phases of one package. */
const ORDER = [
  'pretend',
  'setup',
  'unpack',
  'prepare',
  'configure',
  'compile',
  'test',
  'install',
  'instprep',
  'package',
  'preinst',
  'postinst',
  'merge',
  'upload',
];

/** The phase that this line begins, if it begins one. The line is plain text. */
export function phaseBegunBy(line: string): string | undefined {
  return line.startsWith('>>> ')
    ? BEGINNINGS.find(([pattern]) => pattern.test(line))?.[1]
    : undefined;
}

/**
 * The phase that our agent has noted from Portage's own status. That comes late, so it is behind `phase` when the log
 * has told of a later one already: undefined then.
 */
export function phaseNotedBy(line: string, phase: string | null): string | undefined {
  const noted = line.startsWith('>>> ') ? NOTED.exec(line)?.[1] : undefined;
  return noted !== undefined && isLaterPhase(noted, phase) ? noted : undefined;
}

/** Whether a package goes through this phase after the other one; null is before all. */
export function isLaterPhase(phase: string, other: string | null): boolean {
  return ORDER.indexOf(phase) > ORDER.indexOf(other ?? '');
}

/** The line of a log that says that Portage has begun a phase. */
export function phaseNote(phase: string): string {
  return `Portage is in the phase ${phase}.`;
}

/** The progress after one more line of the log, which is plain text. */
export function advanceProgress(progress: BuildProgress, line: string): BuildProgress {
  if (line.startsWith('[')) {
    const [, done, total] = NINJA.exec(line) ?? CMAKE.exec(line) ?? [];
    if (done !== undefined) {
      return counted(progress, Number(done), total === undefined ? 100 : Number(total));
    }
    return progress;
  }
  const phase = phaseBegunBy(line) ?? phaseNotedBy(line, progress.phase);
  return phase === undefined || phase === progress.phase
    ? progress
    : { phase, done: null, total: null };
}

function counted(progress: BuildProgress, done: number, total: number): BuildProgress {
  return done > total || total === 0 ? progress : { ...progress, done, total };
}

/** 0 to 1, when the phase counts. */
export function shareDone({ done, total }: BuildProgress): number | undefined {
  return done === null || total === null ? undefined : done / total;
}
