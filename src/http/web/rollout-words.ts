import type { RolloutStateView, UnitStateView } from '../../protocol/rollouts.ts';
import { type Html, html } from './html.ts';

const TONES: Readonly<Record<RolloutStateView, 'good' | 'bad' | 'busy' | 'idle' | 'warn'>> = {
  draft: 'idle',
  running: 'busy',
  paused: 'warn',
  aborting: 'warn',
  aborted: 'bad',
  done: 'good',
  'done-with-held': 'warn',
  discarded: 'idle',
};

/** A word for a state in its colour; the word alone says it as well. */
export function rolloutBadge(state: RolloutStateView): Html {
  return html`<span class="pill ${TONES[state]}">${state}</span>`;
}

const SHORT = 12;

/** Enough digits of a plan's id to name it. */
export function shortId(id: string): string {
  return id.slice(0, SHORT);
}

const ORDER: readonly UnitStateView[] = [
  'done',
  'running',
  'undoing',
  'waiting',
  'undone',
  'held',
  'skipped',
];

/** `4 done, 1 running, 7 waiting` */
export function unitWords(units: Readonly<Record<UnitStateView, number>>): string {
  return ORDER.filter((state) => units[state] > 0)
    .map((state) => `${units[state].toLocaleString('en-US')} ${state}`)
    .join(', ');
}
