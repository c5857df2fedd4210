import { AppError, messageOf } from '../support/errors.ts';

/**
 * Codes of the connection, not of the statement: of Node, and of PostgreSQL (appendix A of its manual), where 08 are
 * connections, 57P01 to 57P03 a server that stops or starts, and 53300 one that has too many.
 */
const UNREACHABLE =
  /^(08...|57P0[123]|53300|25P03|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/;
/** What the client library says without a code. */
const SAYS_UNREACHABLE =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|timeout expired)/;
/** A database or a role that is not there, or that lets nobody in. */
const REFUSED = /^(28...|3D000|42501)$/;

/**
 * What a caller is told: `database-unreachable` when there is no answer, and the fate of a commit under way is unknown;
 * `database-unusable` when it lets nobody in; all else as it is.
 */
export function translated(error: unknown, place: string): unknown {
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const message = messageOf(error) || code;
  if (UNREACHABLE.test(code) || SAYS_UNREACHABLE.test(message)) {
    return new AppError(
      'database-unreachable',
      `The database ${place} does not answer: ${message}.`,
      {
        cause: error,
      },
    );
  }
  if (REFUSED.test(code)) {
    return new AppError('database-unusable', `The database ${place} cannot be used: ${message}.`, {
      cause: error,
    });
  }
  return error;
}
