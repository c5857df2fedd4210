import { type Logger, pino } from 'pino';
import { LogOutput } from './log-output.ts';

export type Log = Logger;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on stdout, one object a line, time as ISO 8601. */
export function createLog(level: LogLevel): Log {
  return pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` },
    new LogOutput(),
  );
}

/** A log that says nothing, for tests and for commands that print for people. */
export function silentLog(): Log {
  return pino({ level: 'silent' });
}
