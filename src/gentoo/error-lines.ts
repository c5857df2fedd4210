/**
 * What a line of a build log is worth as the reason of a failure. `machine`: the machine could not go on, whatever was
 * built. `cause`: a program names its own error. `hint`: it may be one. `summary`: somebody above passes on that
 * something below has failed.
 */
export type ErrorRank = 'machine' | 'cause' | 'hint' | 'summary';

/** No rule is looked at for a line without any of these. */
const WORTH_A_LOOK =
  /error|fail|fatal|\*\*\*|undefined|definition|cannot|can't|could not|unable|killed|memory|space|quota|read-only|handle|no such|not found|denied|relocation|exception|fault|illegal|aborted|panicked|stopped|terminated|no rule|!!!|not ok|\.go:|not recognized|^E |missing/i;

/** Probes, traces of shells and command lines: they have words of errors in them, and are none. */
const NO_ERROR: readonly RegExp[] = [
  /^\s*checking /i,
  /^-- /,
  /^\++ /,
  /^\s*(?:\S*\/)?(?:[\w.]+-)*(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|rustc|libtool|ld|ar|as|javac|gfortran)(?:-[\d.]+)? +\S/,
  /^\s*(?:\S+: )*\d+ (?:errors?|failed)\b/i,
  /\berrors?: 0\b/i,
];
/** Under an error of rustc, what the linker has said. */
const RUSTC_NOTE = /^\s*= note: /;
const WARNING = /\b(?:warning|note|remark)(?:\[[^\]]*\])?: /i;
const ERROR = /\berror(?:\[[^\]]*\])?: /i;

const RULES: readonly (readonly [ErrorRank, RegExp])[] = [
  [
    'machine',
    /No space left on device|Disk quota exceeded|Read-only file system|Input\/output error|Stale file handle/,
  ],
  [
    'machine',
    /Cannot allocate memory|virtual memory exhausted|\bout of memory\b|Killed signal terminated|terminated with signal 9|^(?:g|re)?make(?:\[\d+\])?: \*\*\* .*\] Killed|: line \d+: +\d+ Killed\b/i,
  ],
  ['cause', /^(?:g|re)?make(?:\[\d+\])?: \*\*\* (?!\[)/],
  ['summary', /^(?:g|re)?make(?:\[\d+\])?: (?:\*\*\* \[|Target .* not remade)/],
  ['cause', /^[^\s:]+:\d+: \*\*\* /],
  ['summary', /^ninja: build stopped|^FAILED: (?!\S+::)|^Errors while running CTest/],
  ['summary', /collect2: error: ld returned|error: linker command failed|final link failed/],
  ['summary', /^error: (?:linking with|could not compile|aborting due to|failed to run custom)/],
  ['summary', /^error: (?:command .* failed|[a-z]+(?:-[a-z]+){2,}$)/],
  [
    'summary',
    /all warnings being treated as errors|^compilation terminated|Configuring incomplete/,
  ],
  ['cause', /\bundefined reference to\b|: multiple definition of |: undefined symbol: /],
  ['cause', /relocation \S+ against .* can not be used|recompile with -f(?:PIC|PIE)/],
  [
    'cause',
    /\bld(?:\.\w+)?: cannot find |unable to find library -l|file (?:format )?not recognized/,
  ],
  ['cause', /^thread '.*' .*panicked at |^\s+thread '.*' .*panicked at /],
  ['cause', /^(?:\.{1,2}\/)?[\w@./+-]+\.go:\d+(?::\d+)?: /],
  ['cause', /^go: .*(?:cannot|missing|disabled|not found|no required|error)/],
  ['cause', /^Can't locate \S+ in @INC|^syntax error at \S+ line \d+/],
  ['cause', /^Hunk #\d+ FAILED|^patch: \*\*\*\* /],
  ['cause', /^(?:--- )?FAIL: |^not ok \d+|\*{3}(?:Failed|Exception|Timeout)|^FAILED \S+::/],
  ['cause', /^E {3,}\S/],
  ['cause', /^!!! (?:Fetched file: .* FAILED|Couldn't download|\w+: )|^\s*\*\s+ACCESS DENIED: /],
  ['cause', /^CMake Error\b|^ninja: error: |^fatal: /],
  ['cause', /(?:^|[\s:(])(?:fatal |internal compiler )?error(?:\[[^\]]*\])?: /i],
  ['cause', /\bSegmentation fault|\bIllegal instruction|\bBus error|\bAborted \(core dumped\)/],
  ['hint', /: (?:command )?not found$|: No such file or directory$|: Permission denied$/],
  ['hint', /^\S+: (?:cannot|can't|could not|unable to) /i],
];

/** Python's last line of a traceback: `json.decoder.JSONDecodeError: ...`. */
const EXCEPTION = /^(?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt|NotFound)(?:: |$)/;

/** What this line, plain text, is worth; undefined when it names no error. */
export function rankOf(line: string): ErrorRank | undefined {
  if (!WORTH_A_LOOK.test(line) || NO_ERROR.some((pattern) => pattern.test(line))) {
    return undefined;
  }
  if (isWarning(line)) {
    return undefined;
  }
  return RULES.find(([, pattern]) => pattern.test(line))?.[0];
}

/** A compiler's warning may quote the word error. */
function isWarning(line: string): boolean {
  const warning = line.replace(RUSTC_NOTE, '').search(WARNING);
  const error = line.search(ERROR);
  return warning >= 0 && (error < 0 || warning < error) && !line.includes('relocation');
}

export function isTraceback(line: string): boolean {
  return /^\s*Traceback \(most recent call last\):$/.test(line);
}

export function isException(line: string): boolean {
  return EXCEPTION.test(line.trimStart());
}

/** Messages whose own words come on the next line. */
export function goesOn(line: string): boolean {
  return /^CMake Error at .*:$/.test(line) || /^\s*thread '.*' .*panicked at .*:$/.test(line);
}

/** `make: [Makefile:3: try] Error 1 (ignored)`: what was said before does not matter to make. */
export function isIgnored(line: string): boolean {
  return /^(?:g|re)?make(?:\[\d+\])?: \[.*\] Error \d+ \(ignored\)$/.test(line);
}
