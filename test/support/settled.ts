import { setImmediate } from 'node:timers/promises';
import { Client } from 'pg';
import { IS_POSTGRESQL } from './test-database.ts';

/** Turns of the loop without a statement under way, after which nothing will come any more. */
const QUIET_TURNS = 3;
let underWay = 0;

if (IS_POSTGRESQL) {
  for (const name of ['connect', 'query']) {
    Reflect.set(Client.prototype, name, counted(Reflect.get(Client.prototype, name)));
  }
}

/** The same method, which is under way until its promise or its callback says that it is over. */
function counted(method: unknown) {
  if (typeof method !== 'function') {
    throw new TypeError('pg has no such method any more');
  }
  return function counting(this: unknown, ...words: unknown[]): unknown {
    underWay += 1;
    let isOver = false;
    const over = (): void => {
      underWay -= isOver ? 0 : 1;
      isOver = true;
    };
    const called = words.map((word) =>
      typeof word === 'function'
        ? (...said: unknown[]): unknown => {
            over();
            return Reflect.apply(word, undefined, said);
          }
        : word,
    );
    const result: unknown = Reflect.apply(method, this, called);
    if (result instanceof Promise) {
      result.then(over, over);
    }
    return result;
  };
}

/**
 * Resolves when all that has begun has come as far as it can without time passing: with PostgreSQL, also what waits for
 * an answer of it.
 */
export async function settled(): Promise<void> {
  await setImmediate();
  let left = IS_POSTGRESQL ? QUIET_TURNS : 0;
  while (left > 0) {
    await setImmediate();
    left = underWay > 0 ? QUIET_TURNS : left - 1;
  }
}
