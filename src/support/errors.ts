/**
 * The one error class of Rookery.
 *
 * `code` is kebab-case, stable and public: it is what scripts match on and what docs/errors.md lists.
 * `message` is a full sentence that names the offending value. `details` are the same facts as data.
 */
export class AppError extends Error {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: string,
    message: string,
    options: { readonly details?: Record<string, unknown>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Whether a caught value is an AppError, with this code if one is given. */
export function isAppError(error: unknown, code?: string): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** What passes by itself: the database is away, or a lock went with its connection. It says nothing about the deed. */
const PASSING = ['database-unreachable', 'database-unusable', 'lock-lost'];

/** Whether a caught value says that the same may work a little later. */
export function isPassing(error: unknown): boolean {
  return PASSING.some((code) => isAppError(error, code));
}

/**
 * Whether a caught value is a system error with this code (`ENOENT`, `EEXIST` ...). Node's own errors are not
 * `instanceof Error` in every realm (Jest), so the code is what is looked at.
 */
export function isErrno(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}

/** The sentence to show for anything that was caught. */
export function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) {
    return String(error.message);
  }
  return String(error);
}
