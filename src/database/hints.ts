import { Client } from 'pg';
import { type Service } from '../support/lifecycle.ts';
import { connectionOptions } from './postgresql.ts';

/** Channel of LISTEN and NOTIFY. */
export const HINTS = 'rookery_hints';

/** Between two tries to connect, and so the longest that a hint can be missed without a look all the same. */
const EVERY_MS = 1000;

/**
 * Calls `look` when another server says that there is something new, and once a second whatever anybody says: a hint may
 * be lost, with its connection or before it was sent.
 */
export function hintListener(url: string, look: () => void): Service {
  let client: Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isConnecting = false;

  async function connect(): Promise<void> {
    isConnecting = true;
    const fresh = new Client(connectionOptions(url));
    const forget = (): void => {
      if (client === fresh) {
        client = undefined;
      }
    };
    fresh.on('error', forget).on('end', forget).on('notification', look);
    try {
      await fresh.connect();
      await fresh.query(`listen ${HINTS}`);
      client = fresh;
    } catch {
      // The database is away: the next turn tries again, and looking says so.
      await fresh.end().catch(() => undefined);
    } finally {
      isConnecting = false;
    }
  }

  return {
    name: 'hints',
    start: async () => {
      await connect();
      timer = setInterval(() => {
        look();
        if (client === undefined && !isConnecting) {
          void connect();
        }
      }, EVERY_MS);
    },
    stop: async () => {
      clearInterval(timer);
      const last = client;
      client = undefined;
      await last?.end().catch(() => undefined);
    },
  };
}
