import { join } from 'node:path';
import type { Config } from '../config/config.ts';

/** A module of the daemon: a folder of the mirror root. */
interface Module {
  readonly name: string;
  readonly comment: string;
  /** Patterns that are never given out; what is not there for a client cannot be asked for either. */
  readonly exclude: readonly string[];
}

/** How Rookery and its programs name what is not finished: `writeFileAtomic`, and folders that are being received. */
const UNFINISHED = ['.*.tmp-*', '.tmp-*', '.incoming-*', '.leaving-*'] as const;

const MODULES: readonly Module[] = [
  { name: 'binhost', comment: 'binary packages', exclude: UNFINISHED },
  { name: 'php', comment: 'PHP trees', exclude: ['.*'] },
  { name: 'distfiles', comment: 'sources of packages', exclude: ['.*'] },
];

/**
 * An rsyncd.conf that gives out the mirror root: read only, no list of modules, each module a chroot where the daemon runs
 * as root. rsyncd.conf(5) of rsync 3.2 and later.
 */
export function rsyncConfig(
  { rsync, paths }: Pick<Config, 'rsync' | 'paths'>,
  options: { readonly isRoot: boolean; readonly runFolder: string },
): string {
  const { isRoot, runFolder } = options;
  const lines = [
    '# Written by rookery rsync config. Change [rsync] of the configuration of Rookery instead.',
    `port = ${rsync.port}`,
    ...(rsync.address === null ? [] : [`address = ${rsync.address}`]),
    `pid file = ${join(runFolder, 'rookery-rsyncd.pid')}`,
    `lock file = ${join(runFolder, 'rookery-rsyncd.lock')}`,
    'read only = yes',
    'write only = no',
    'list = no',
    `use chroot = ${isRoot ? 'yes' : 'no'}`,
    // Links of channels lead within their module; with this, others are given out as they are and lead nowhere.
    'munge symlinks = no',
    'numeric ids = yes',
    ...(isRoot ? [`uid = ${rsync.user}`, `gid = ${rsync.group}`] : []),
    `max connections = ${rsync.maxConnections}`,
    'timeout = 300',
    'strict modes = yes',
    'reverse lookup = no',
    'forward lookup = no',
    'dont compress = *',
    'transfer logging = no',
    'log format = %h %o %m %f %l',
    ...(rsync.hostsAllow.length === 0
      ? []
      : [`hosts allow = ${rsync.hostsAllow.join(' ')}`, 'hosts deny = *']),
  ];
  const modules = MODULES.map(({ name, comment, exclude }) => [
    '',
    `[${name}]`,
    `    comment = ${comment}`,
    `    path = ${join(paths.mirrorRoot, name)}`,
    `    exclude = ${exclude.join(' ')}`,
  ]);
  return `${[...lines, ...modules.flat()].join('\n')}\n`;
}
