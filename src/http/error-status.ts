const BAD_REQUEST = 400;
const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const NOT_FOUND = 404;
const CONFLICT = 409;
const TOO_LARGE = 413;
const UNPROCESSABLE = 422;
const INTERNAL = 500;

/** Codes of the rooms that a request reaches, and of this one, by the status they are answered with. */
const CODES_BY_STATUS: readonly (readonly [number, readonly string[]])[] = [
  [
    BAD_REQUEST,
    [
      'body-truncated',
      'invalid-atom',
      'invalid-body',
      'invalid-cpv',
      'invalid-dependency-string',
      'invalid-offset',
      'invalid-path',
      'invalid-place',
      'invalid-query',
      'invalid-version',
      'node-name-invalid',
      'path-outside-root',
      'reason-required',
      'unknown-finding',
      'token-name-invalid',
      'unknown-eapi',
      'upload-empty',
      'upload-truncated',
    ],
  ],
  [UNAUTHORIZED, ['authentication-required', 'token-invalid']],
  [FORBIDDEN, ['node-not-yours', 'role-too-low']],
  [
    NOT_FOUND,
    [
      'failure-unknown',
      'file-not-found',
      'route-not-found',
      'unknown-agent',
      'unknown-attempt',
      'unknown-channel',
      'unknown-job',
      'unknown-node',
      'unknown-package',
      'unknown-profile',
      'unknown-publication',
      'unknown-recipe',
      'unknown-request',
      'unknown-set',
      'unknown-source',
      'unknown-token',
    ],
  ],
  [405, ['method-not-allowed']],
  [408, ['body-timeout']],
  [
    CONFLICT,
    [
      'channel-moved',
      'index-collapsed',
      'nothing-to-rebuild',
      'publication-refused',
      'index-invalid',
      'invalid-index-entry',
      'check-cancelled',
      'check-not-running',
      'check-running',
      'invalid-index-value',
      'invalid-packages-index',
      'job-takes-no-package',
      'job-takes-no-plan',
      'log-gap',
      'not-pinned',
      'nothing-to-promote',
      'nothing-to-roll-back',
      'package-not-restored',
      'package-path-taken',
      'profile-broken',
      'promotion-not-proven',
      'public-url-missing',
      'request-finished',
      'result-missing',
      'source-changed',
      'source-missing',
      'source-unsupported',
      'stale-attempt',
      'token-exists',
    ],
  ],
  [410, ['package-collected', 'publication-collected']],
  [412, ['precondition-failed']],
  [
    TOO_LARGE,
    ['body-too-large', 'log-too-large', 'plan-too-large', 'source-too-large', 'upload-too-large'],
  ],
  [415, ['unsupported-media-type']],
  [416, ['range-not-satisfiable']],
  [
    UNPROCESSABLE,
    [
      'metadata-key-invalid',
      'package-format-unknown',
      'package-invalid-cpv',
      'package-invalid-metadata',
      'package-unexpected',
      'package-unknown-member',
      'package-wrong-chost',
      'package-wrong-instruction-set',
      'plan-cycle',
      'plan-invalid',
      'plan-package-missing',
      'plan-refused',
      'signature-expired-key',
      'signature-invalid',
      'signature-unknown-key',
      'source-truncated',
      'upload-digest-mismatch',
    ],
  ],
  [499, ['request-abandoned']],
  [
    INTERNAL,
    [
      'clear-sign-text-invalid',
      'certificate-unusable',
      'client-setting-invalid',
      'gpg-refused',
      'incoming-not-a-file',
      'incoming-unreadable',
      'incoming-without-profile',
      'invalid-make-conf-value',
      'listen-failed',
      'log-damaged',
      'not-a-file',
      'not-a-folder',
      'port-taken',
      'process-aborted',
      'process-failed',
      'process-output-too-large',
      'process-timeout',
      'program-not-found',
      'public-key-invalid',
      'public-key-missing',
      'publication-note-damaged',
      'signing-key-damaged',
      'signing-key-expired',
      'signing-key-locked',
      'staging-exists',
      'staging-name-invalid',
      'zstd-options',
    ],
  ],
  [503, ['verification-aborted']],
];

/** What is wrong inside an uploaded file: the codes of its formats begin with their names. */
const FORMAT = /^(?:decompression|elf|gpkg|image|tar|xpak|zstd)-/;
const STATUS = new Map(
  CODES_BY_STATUS.flatMap(([status, codes]) => codes.map((code) => [code, status] as const)),
);

/** The status that a code is answered with; undefined for one that nobody has thought of. */
export function statusOf(code: string): number | undefined {
  return STATUS.get(code) ?? (FORMAT.test(code) ? UNPROCESSABLE : undefined);
}
