const MINUTE_MS = 60_000;

/**
 * Packages that are known to be giants everywhere, in minutes on a builder of about 16 cores. What matters is the
 * order of magnitude: from the first measured run on, that counts.
 */
const WELL_KNOWN: Readonly<Record<string, number>> = {
  'app-office/libreoffice': 90,
  'app-text/pandoc': 30,
  'dev-db/mongodb': 60,
  'dev-lang/ghc': 60,
  'dev-lang/rust': 75,
  'dev-lang/spidermonkey': 20,
  'dev-qt/qtwebengine': 150,
  'dev-java/openjdk': 40,
  'dev-libs/boost': 10,
  'dev-util/cmake': 6,
  'dev-build/cmake': 6,
  'llvm-core/clang': 35,
  'llvm-core/llvm': 35,
  'mail-client/thunderbird': 60,
  'net-libs/nodejs': 30,
  'net-libs/webkit-gtk': 120,
  'sci-libs/tensorflow': 180,
  'sci-ml/pytorch': 120,
  'sys-devel/clang': 35,
  'sys-devel/gcc': 60,
  'sys-devel/llvm': 35,
  'sys-libs/glibc': 12,
  'sys-kernel/gentoo-kernel': 30,
  'www-client/chromium': 240,
  'www-client/firefox': 60,
};

/** Categories whose packages compile nothing. */
const NOTHING_TO_COMPILE: readonly string[] = ['acct-group', 'acct-user', 'virtual'];
const NOTHING_MS = 5000;
/** Rather too long: see `cautious`. */
const ORDINARY_MS = 3 * MINUTE_MS;

/** How long a package takes of which nothing has been measured. `name` is category/name. */
export function guessedTime(name: string): { readonly ms: number; readonly isWellKnown: boolean } {
  const minutes = WELL_KNOWN[name];
  if (minutes !== undefined) {
    return { ms: minutes * MINUTE_MS, isWellKnown: true };
  }
  return NOTHING_TO_COMPILE.includes(name.split('/')[0] ?? '')
    ? { ms: NOTHING_MS, isWellKnown: true }
    : { ms: ORDINARY_MS, isWellKnown: false };
}
