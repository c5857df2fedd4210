import { messageOf } from '../../support/errors.ts';
import type { Log } from '../../support/log.ts';
import type { Notice, Notifier } from './ports.ts';

/** One way to tell people. Throws when it could not. */
export interface NoticeWay {
  readonly name: string;
  send(notice: Notice): Promise<void>;
}

/** Tells a notice in every way there is; what could not be told stands in the log. */
export class NotifierOfAll implements Notifier {
  readonly #ways: readonly NoticeWay[];
  readonly #log: Log;

  constructor(ways: readonly NoticeWay[], log: Log) {
    this.#ways = ways;
    this.#log = log;
  }

  async tell(notice: Notice): Promise<void> {
    await Promise.all(
      this.#ways.map(async (way) => {
        try {
          await way.send(notice);
        } catch (error) {
          const { rollout, subject } = notice;
          this.#log.error(
            { way: way.name, rollout, subject, reason: messageOf(error) },
            'a notice was not told',
          );
        }
      }),
    );
  }
}
