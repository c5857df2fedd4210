import { FARM_COOKIE, farmListener, GENERATION_COOKIE, type HaproxySite } from './haproxy-site.ts';

/** Which backend of farms a request goes to: the rules of the frontend for visitors. */
export function backendRules(whole: HaproxySite): string[] {
  return whole.options.pattern === 'drain-the-old'
    ? [`    default_backend ${whole.live}`]
    : generationRules(whole);
}

/** The backends whose servers are farms. */
export function backendSections(whole: HaproxySite, checkPath: string): string[][] {
  return whole.options.pattern === 'drain-the-old'
    ? [drainedSection(whole, checkPath)]
    : [liveSection(whole, checkPath), nextSection(whole, checkPath)];
}

/** The value that tells who has seen the next release. */
function generation({ next, options }: HaproxySite): string {
  return `${next}.${options.generation}`;
}

/**
 * Whoever has the cookie of the generation goes to the next backend and nowhere else, dead or alive. Others stay with their
 * farm while it is in the live one. Everybody else is new, or has lost his farm.
 */
function generationRules(whole: HaproxySite): string[] {
  const { site, live, next, options } = whole;
  const isFloor = options.newSessions === 'any-with-floor';
  const atHome = site.farms.map(
    ({ name }) =>
      `    http-request set-var(txn.is_at_home) bool(true) if { req.cook(${FARM_COOKIE}) -m str ${name} } { srv_is_up(${live}/${name}) }`,
  );
  return [
    `    http-request set-var(txn.has_seen_next) bool(true) if { req.cook(${GENERATION_COOKIE}) -m str ${generation(whole)} }`,
    ...atHome,
    ...(isFloor ? dieRules(whole) : []),
    '    # Who has seen the next release never gets the one before again: no farm is better than an older one.',
    `    use_backend ${next} if { var(txn.has_seen_next) -m bool }`,
    `    use_backend ${live} if { var(txn.is_at_home) -m bool }`,
    ...(isFloor
      ? [`    use_backend ${next} if { var(txn.die),sub(txn.next_farms) lt 0 }`]
      : [
          '    # New sessions, and those whose farm is gone, only to farms with the next release, once there is one.',
          `    use_backend ${next} if { nbsrv(${next}) gt 0 }`,
        ]),
    `    default_backend ${live}`,
  ];
}

/** New sessions are spread over all farms: a die with as many sides as there are farms that serve. */
function dieRules({ live, next }: HaproxySite): string[] {
  return [
    '    # New sessions, and those whose farm is gone, go to any farm, each of which gets the same part of them.',
    `    http-request set-var(txn.next_farms) nbsrv(${next})`,
    `    http-request set-var(txn.farms) nbsrv(${live}),add(txn.next_farms)`,
    '    http-request set-var(txn.die) rand(10000),mul(txn.farms),div(10000)',
  ];
}

function head(name: string, checkPath: string): string[] {
  return [
    `backend ${name}`,
    '    balance leastconn',
    `    cookie ${FARM_COOKIE} insert indirect nocache httponly attr SameSite=Lax`,
    '    option httpchk',
    `    http-check send meth GET uri ${checkPath}`,
    '    http-check expect status 200',
    '    default-server check inter 500ms fastinter 200ms fall 2 rise 1 send-proxy-v2 check-send-proxy',
  ];
}

/** In maintenance until the engine says otherwise, when `isDisabled`. */
function farmLines(whole: HaproxySite, isDisabled: boolean): string[] {
  return whole.site.farms.map(
    (farm) =>
      `    server ${farm.name} ${farmListener(whole, farm)} cookie ${farm.name}${isDisabled ? ' disabled' : ''}`,
  );
}

function liveSection(whole: HaproxySite, checkPath: string): string[] {
  return ['# The release that serves.', ...head(whole.live, checkPath), ...farmLines(whole, false)];
}

function nextSection(whole: HaproxySite, checkPath: string): string[] {
  const { next } = whole;
  return [
    '# The next release: a farm is here, and not in the other one, once it has it.',
    ...head(next, checkPath),
    `    http-response add-header Set-Cookie "${GENERATION_COOKIE}=${generation(whole)}; path=/; HttpOnly; SameSite=Lax" unless { var(txn.has_seen_next) -m bool }`,
    ...farmLines(whole, true),
  ];
}

function drainedSection(whole: HaproxySite, checkPath: string): string[] {
  const { live, site } = whole;
  const farms = site.farms.map(({ name }) => name);
  const drained = farms.slice(1).map((name) => `set server ${live}/${name} state drain`);
  return [
    '# One backend for both releases. When the first farm has the next one, all others are drained in the same line:',
    `#   ${[`set server ${live}/${farms[0]} state ready`, ...drained].join('; ')}`,
    '# From then on visitors of an old farm stay there, and nobody else comes to it. A farm that gets the next release is put',
    '# into "maint" for it, and "ready" afterwards. Without any farm that is ready, new visitors get 503.',
    ...head(live, checkPath),
    ...farmLines(whole, false),
  ];
}
