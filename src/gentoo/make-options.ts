import { suggestion } from './nearest-word.ts';

const NUMBER = /^[1-9][0-9]*$/;
const LOAD = /^[0-9]+(?:\.[0-9]+)?$/;
/** Short options of GNU make without a value that do no harm to a build. */
const FLAGS = /^-[BbeikmnqrRsStw]+$/;
const OUTPUT_SYNC = /^(?:-O|--output-sync(?:=|$))(?:target|line|recurse|none)?$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*\+?=/;
/** Long options of GNU make (manual, "Summary of Options") that stand alone. */
const LONG = [
  '--always-make',
  '--environment-overrides',
  '--ignore-errors',
  '--jobs',
  '--keep-going',
  '--load-average',
  '--max-load',
  '--no-builtin-rules',
  '--no-builtin-variables',
  '--no-keep-going',
  '--no-print-directory',
  '--no-silent',
  '--output-sync',
  '--print-directory',
  '--quiet',
  '--shuffle',
  '--silent',
  '--stop',
  '--trace',
  '--warn-undefined-variables',
];

/** What is wrong with MAKEOPTS, a sentence for each option; it is text for make, so nothing in it is expanded. */
export function faultsInMakeOptions(text: string): string[] {
  const words = text.split(' ').filter((word) => word !== '');
  return words.flatMap((word, index) => {
    const isValue = /^(?:-[jl]|--(?:jobs|load-average|max-load))$/.test(words[index - 1] ?? '');
    if (isValue && LOAD.test(word)) {
      return faultInNumber(words[index - 1] ?? '', word) ?? [];
    }
    return faultInOption(word) ?? [];
  });
}

function faultInOption(word: string): string | undefined {
  const [, short, number, long, argument] =
    /^(?:(-[jl])(.+)?|(--[a-z-]+)(?:=(.+))?)$/.exec(word) ?? [];
  const option = short ?? long ?? '';
  const value = number ?? argument;
  if (/^(?:-[jl]|--(?:jobs|load-average|max-load))$/.test(option)) {
    return value === undefined ? undefined : faultInNumber(option, value);
  }
  if (
    FLAGS.test(word) ||
    OUTPUT_SYNC.test(word) ||
    VARIABLE.test(word) ||
    LONG.includes(word) ||
    word.startsWith('--shuffle=')
  ) {
    return undefined;
  }
  return `"${word}" is not an option for make such as "-j8".${suggestion(word, LONG)}`;
}

function faultInNumber(option: string, value: string): string | undefined {
  if (option === '-j' || option === '--jobs') {
    return NUMBER.test(value)
      ? undefined
      : `"${value}" cannot be the number of jobs behind ${option}: it has to be a whole number from 1.`;
  }
  return LOAD.test(value)
    ? undefined
    : `"${value}" cannot be the load behind ${option}: it has to be a number.`;
}

/** The same MAKEOPTS with another number of jobs: other options stay as they are. */
export function withJobs(text: string, jobs: number): string {
  const words = text.split(' ').filter((word) => word !== '');
  const kept = words.filter((word, index) => {
    const isValue = /^(?:-j|--jobs)$/.test(words[index - 1] ?? '') && NUMBER.test(word);
    return !isValue && !/^(?:-j[0-9]*|--jobs(?:=[0-9]+)?)$/.test(word);
  });
  return [`-j${jobs}`, ...kept].join(' ');
}
