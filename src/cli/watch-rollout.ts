import type { EventView } from '../protocol/journal.ts';
import type { RolloutDetail, RolloutProgress } from '../protocol/rollouts.ts';
import { AppError, messageOf } from '../support/errors.ts';
import type { CommandContext } from './command-context.ts';
import { followRollout } from './follow-rollout.ts';
import { formatTime } from './format.ts';
import { harmless, type Output } from './output.ts';
import { shortId, stateWords, unitWords, waitLine } from './rollout-report.ts';
import { RolloutScreen } from './rollout-screen.ts';
import type { ServerClient } from './server-client.ts';
import { createBlock } from './terminal-block.ts';

/** Events that have happened before, to begin with. */
const EARLIER = 8;

/** Where a rollout that goes on is shown. */
interface View {
  readonly progress: (progress: RolloutProgress) => void;
  readonly log: (event: EventView) => void;
  readonly note: (text: string) => void;
  readonly end: () => void;
}

/**
 * Shows a rollout until its end: on a terminal the farms with what happens to their members, drawn again in place; elsewhere a
 * line for each thing that happens, and with `isJson` an object. Throws `rollout-not-done` when it ended otherwise than `done`.
 */
export async function watchRollout(
  client: ServerClient,
  id: string,
  context: CommandContext,
  { isJson }: { readonly isJson: boolean },
): Promise<void> {
  const { output, clock } = context;
  const rollout = await client.rollout(id);
  const earlier = (
    await client.journal({ subject: `rollout:${rollout.id}`, limit: EARLIER })
  ).toReversed();
  const view = viewOf(rollout, output, isJson);
  earlier.forEach(view.log);
  let ended: RolloutDetail;
  try {
    ended = await followRollout(client, rollout.id, {
      clock,
      signal: new AbortController().signal,
      after: earlier.at(-1)?.seq ?? 0,
      onProgress: view.progress,
      onLog: view.log,
      onLost: (error) => {
        view.note(`--- ${messageOf(error)} Trying again.`);
      },
      onBack: () => {
        view.note('--- The server is there again.');
      },
    });
  } finally {
    view.end();
  }
  if (!isJson) {
    output.line(`${shortId(ended.id)} ${stateWords(ended, output)}: ${unitWords(ended.units)}`);
  }
  if (ended.state !== 'done') {
    throw new AppError(
      'rollout-not-done',
      `The rollout ${shortId(ended.id)} ended as ${ended.state}: ${unitWords(ended.units)}.`,
      { details: { state: ended.state } },
    );
  }
}

function viewOf(rollout: RolloutDetail, output: Output, isJson: boolean): View {
  if (isJson) {
    return jsonView(output);
  }
  return output.terminal === undefined || !output.isWatched
    ? lineView(rollout, output)
    : screenView(rollout, output, output.terminal);
}

function jsonView(output: Output): View {
  const tell = (event: string, data: object): void => {
    output.line(JSON.stringify({ event, data }));
  };
  return {
    progress: (progress) => {
      tell('progress', progress);
    },
    log: (event) => {
      tell('log', event);
    },
    note: output.note,
    end: () => undefined,
  };
}

/** What happened, and why it waits, each once; the units when a stage begins. */
function lineView(rollout: RolloutDetail, output: Output): View {
  const said = { head: '', why: '' };
  return {
    progress: (progress) => {
      const { stage, why } = progress;
      const head = `${stateWords(progress, output)}${stage === null ? '' : `, ${stage}`}`;
      if (head !== said.head) {
        said.head = head;
        output.line(`${shortId(rollout.id)} ${head}: ${unitWords(progress.units)}`);
      }
      for (const unit of progress.isWhole ? [] : progress.changed) {
        const because = unit.because === null ? '' : `: ${unit.because}`;
        output.line(
          harmless(
            `  ${unit.unit} ${unit.state} ${unit.step ?? ''}${because}`.trimEnd(),
            'drop-colors',
          ),
        );
      }
      const waits = why.map(waitLine).join('; ');
      if (waits !== '' && waits !== said.why) {
        output.line(harmless(`  waits: ${waits}`, 'drop-colors'));
      }
      said.why = waits;
    },
    log: (event) => {
      output.line(logLine(event));
    },
    note: output.note,
    end: () => undefined,
  };
}

function screenView(
  rollout: RolloutDetail,
  output: Output,
  terminal: NonNullable<Output['terminal']>,
): View {
  const block = createBlock(terminal);
  const screen = new RolloutScreen(rollout, output);
  const draw = (): void => {
    block.draw(screen.lines(terminal.rows() - 1, terminal.columns() - 1));
  };
  return {
    progress: (progress) => {
      screen.update(progress);
      draw();
    },
    log: (event) => {
      screen.log(logLine(event));
      draw();
    },
    note: (text) => {
      screen.log(text);
      draw();
    },
    end: () => {
      block.end(screen.lines(terminal.rows() - 1, terminal.columns() - 1));
    },
  };
}

/** `2026-11-22 21:40:03 UTC  token:ops  rollout-started  (stage wave-1)` */
function logLine({ at, actor, kind, data }: EventView): string {
  const facts = Object.entries(data)
    .filter(([key, value]) => key !== 'rollout' && value !== null && value !== '')
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const words = [
    formatTime(at),
    actor,
    kind,
    ...(facts.length === 0 ? [] : [`(${facts.join(', ')})`]),
  ];
  return harmless(words.join('  '), 'drop-colors').replaceAll('\n', ' ');
}
