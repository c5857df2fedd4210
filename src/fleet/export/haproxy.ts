import { AppError } from '../../support/errors.ts';
import { describeConfiguration } from '../drivers/haproxy-description.ts';
import type { Farm, HaproxyBalancer, Member, Site } from '../inventory/inventory.ts';
import { backendRules, backendSections } from './haproxy-backends.ts';
import { farmListener, type HaproxyOptions, type HaproxySite } from './haproxy-site.ts';

/** Tier 1 asks this of tier 2: answered by HAProxy itself. */
const FARM_CHECK = '/rookery-farm-check';
const NAME = /^[A-Za-z0-9._-]+$/;

/**
 * A whole configuration of HAProxy 2.4 or newer for a site. Two tiers: for visitors each farm is one server, which its cookie
 * names; behind it are the farm's members. What the engine says through the runtime socket has the same form in both.
 *
 * Throws `haproxy-not-possible` when the site has no such balancer, or a name or a value does not fit into the file.
 */
export function haproxyConfiguration(site: Site, options: HaproxyOptions): string {
  const balancer = pick(site, options.balancer);
  const [blue, green] = balancer.farmBackends;
  const [live, next] = options.live === 'blue' ? [blue, green] : [green, blue];
  const whole: HaproxySite = { site, balancer, options, live, next };
  refuseWhatDoesNotFit(whole);
  const sections = [
    globalSection(whole),
    defaultsSection(),
    visitorsSection(whole),
    ...backendSections(whole, FARM_CHECK),
    ...site.farms.flatMap((farm) => farmSections(whole, farm)),
  ];
  return `${sections.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

function pick(site: Site, name: string | null): HaproxyBalancer {
  const ofHaproxy = site.balancers.filter((one) => one.driver === 'haproxy');
  const found = name === null ? ofHaproxy[0] : ofHaproxy.find((one) => one.name === name);
  if (found === undefined) {
    throw notPossible(
      name === null
        ? `Site "${site.name}" has no balancer with the driver haproxy.`
        : `Site "${site.name}" has no balancer "${name}" with the driver haproxy.`,
    );
  }
  return found;
}

function refuseWhatDoesNotFit({ site, balancer, options }: HaproxySite): void {
  const names = [
    site.name,
    options.generation,
    ...balancer.farmBackends,
    ...site.farms.flatMap(({ name, members }) => [name, ...members.map(({ node }) => node)]),
  ];
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong !== undefined) {
    throw notPossible(`"${wrong}" cannot be a name in a configuration of HAProxy.`);
  }
  const texts = [options.bind, options.checkPath, options.stateFile, socketPath(balancer, options)];
  const broken = texts.find((text) => /[\r\n#"'\\]/.test(text));
  if (broken !== undefined) {
    throw notPossible(`"${broken}" cannot stand in a configuration of HAProxy.`);
  }
  const backends = site.farms.map((farm) => membersBackend(balancer, farm));
  const all = [...backends, ...balancer.farmBackends];
  const twice = all.find((name, place) => all.indexOf(name) !== place);
  if (twice !== undefined) {
    throw notPossible(`Two backends of balancer "${balancer.name}" have the name "${twice}".`);
  }
}

function notPossible(sentence: string): AppError {
  return new AppError('haproxy-not-possible', sentence);
}

/** The path of `ssh://lb1/run/haproxy.sock`; HAProxy binds to `tcp://HOST:PORT` as it stands. */
function socketPath(balancer: HaproxyBalancer, { socket }: HaproxyOptions): string {
  if (socket !== null) {
    return socket;
  }
  const [, path] = /^ssh:\/\/[^/]+(\/.+)$/.exec(balancer.socket) ?? [];
  return path ?? balancer.socket.replace(/^tcp:\/\//, 'ipv4@');
}

/** Of a farm's members. */
export function membersBackend({ memberBackend }: HaproxyBalancer, { name }: Farm): string {
  return memberBackend.replaceAll('{farm}', name);
}

function globalSection({ site, balancer, options }: HaproxySite): string[] {
  const socket = socketPath(balancer, options);
  return [
    `# Site ${site.name}, balancer ${balancer.name}: written by "rookery fleet haproxy ${site.name}". Change the inventory and`,
    '# write it anew. A reload keeps what the engine has said only when it was saved before:',
    `#   echo "show servers state" | socat stdio ${socket} > ${options.stateFile}`,
    `# Before the first start: echo 1 > ${options.stateFile}`,
    'global',
    ...(options.pattern === 'generation-cookie'
      ? [`    description ${describeConfiguration(options)}`]
      : []),
    `    maxconn ${options.maxConnections}`,
    `    stats socket ${socket}${socket.startsWith('/') ? ' mode 660' : ''} level admin expose-fd listeners`,
    `    server-state-file ${options.stateFile}`,
  ];
}

function defaultsSection(): string[] {
  return [
    'defaults',
    '    mode http',
    '    load-server-state-from-file global',
    '    # A reload ends connections that visitors keep open only after an answer, never under a request.',
    '    option idle-close-on-response',
    '    option http-keep-alive',
    '    # A member that takes no connection has not got the request: another one gets it.',
    '    retries 3',
    '    option redispatch 1',
    '    retry-on conn-failure',
    '    timeout connect 2s',
    '    # Of the health checks; without it, the interval of the checks is their time limit too.',
    '    timeout check 3s',
    '    timeout queue 15s',
    '    timeout http-request 15s',
    '    timeout http-keep-alive 30s',
    '    timeout client 60s',
    '    timeout server 60s',
  ];
}

function visitorsSection(whole: HaproxySite): string[] {
  return [
    'frontend visitors',
    `    bind ${whole.options.bind}`,
    '    option forwardfor',
    '    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]',
    ...backendRules(whole),
  ];
}

function farmSections(whole: HaproxySite, farm: Farm): string[][] {
  const { balancer, options } = whole;
  // A rollout has so many out: the farm has to stay in for that.
  const enough = Math.max(1, Math.min(farm.minServing, farm.members.length - farm.maxOut));
  const backend = membersBackend(balancer, farm);
  const listener = [
    `# Farm ${farm.name}: well while at least ${enough} of its ${farm.members.length} members serve.`,
    `frontend farm_${farm.name}`,
    `    bind ${farmListener(whole, farm)} accept-proxy`,
    `    monitor-uri ${FARM_CHECK}`,
    `    monitor fail if { nbsrv(${backend}) lt ${enough} }`,
    `    default_backend ${backend}`,
  ];
  const members = [
    `backend ${backend}`,
    '    balance leastconn',
    '    # A member may close a kept-alive connection under a request. What only reads is sent again; the rest is not, it',
    '    # may have been done.',
    '    retry-on conn-failure empty-response',
    '    http-request disable-l7-retry unless METH_GET',
    '    option httpchk',
    `    http-check send meth GET uri ${options.checkPath} ver HTTP/1.1 hdr Host rookery`,
    '    http-check expect status 200',
    '    default-server check inter 1s fastinter 300ms fall 3 rise 1 on-marked-down shutdown-sessions',
    ...farm.members.map((member) => memberLine(member, options)),
  ];
  return [listener, members];
}

function memberLine(member: Member, { memberPort }: HaproxyOptions): string {
  const { host } = member.ssh;
  const address = host.includes(':') ? `[${host}]` : host;
  // HAProxy takes 1 to 256.
  const weight = Math.min(256, Math.max(1, Math.round(member.weight * 100)));
  return `    server ${member.node} ${address}:${memberPort} weight ${weight}`;
}
