import {
  LAST_ORDER,
  type PackageRule,
  type ProgramRule,
  USUAL_ORDER,
} from '../../gentoo/impact-policy.ts';

type Row = readonly [match: string, reason: string];

const rows = (effect: PackageRule['effect'], list: readonly Row[]): PackageRule[] =>
  list.map(([match, reason]) => ({ match, effect, reason }));

/** What changing a package does, whatever runs; the first row that matches holds. */
export const PACKAGE_RULES: readonly PackageRule[] = [
  ...rows('none', [
    ['sys-kernel/*-sources', 'it has only the source of a kernel'],
    ['sys-kernel/linux-headers', 'it has only headers'],
    ['virtual/*', 'it has no files'],
  ]),
  ...rows('reboot', [
    ['sys-kernel/*-kernel', 'it is the kernel, which only a boot changes'],
    ['sys-kernel/*-kernel-*', 'it is the kernel, which only a boot changes'],
    ['sys-kernel/*-modules', 'it has modules of the kernel'],
    ['*/*-kmod', 'it has modules of the kernel'],
    ['x11-drivers/nvidia-drivers', 'it has modules of the kernel'],
    ['sys-kernel/linux-firmware', 'devices take their firmware at boot'],
    ['sys-firmware/intel-microcode', 'the processor takes its microcode at boot'],
    ['sys-firmware/*', 'devices take their firmware at boot'],
    ['sys-kernel/dracut', 'it makes the initramfs, which only a boot tries out'],
    ['sys-kernel/genkernel', 'it makes the initramfs, which only a boot tries out'],
    ['sys-kernel/ugrd', 'it makes the initramfs, which only a boot tries out'],
    ['sys-kernel/installkernel', 'it puts kernels where the boot loader finds them'],
    ['sys-boot/*', 'it boots the machine'],
    ['sys-libs/glibc', 'every process has the library of C mapped'],
    ['sys-libs/musl', 'every process has the library of C mapped'],
    ['sys-apps/systemd', 'it is process 1'],
    ['sys-apps/systemd-utils', 'it has udev, which all devices depend on'],
    ['sys-apps/openrc', 'it is the init system'],
    ['sys-apps/sysvinit', 'it is process 1'],
    ['sys-apps/dbus', 'services lose each other when dbus is restarted'],
    ['sys-apps/dbus-broker', 'services lose each other when dbus is restarted'],
    ['sys-fs/udev', 'all devices depend on it'],
    ['sys-fs/eudev', 'all devices depend on it'],
    ['sys-apps/baselayout', 'it has the folders and files that everything begins with'],
  ]),
  ...rows('disruptive', [
    ['www-servers/*', 'it is a web server'],
    ['www-apache/*', 'it has modules of a web server'],
    ['www-nginx/*', 'it has modules of a web server'],
    ['app-eselect/eselect-php', 'it has the configuration with which php-fpm is started'],
    ['dev-lang/php', 'it is PHP'],
    ['dev-php/*', 'it has extensions or files of PHP, which requests load'],
    ['www-apps/*', 'requests load its files'],
    ['net-misc/memcached', 'the sessions of visitors are in memcached'],
    ['dev-libs/libmemcached', 'PHP reaches the sessions of visitors with it'],
    ['dev-libs/libmemcached-awesome', 'PHP reaches the sessions of visitors with it'],
    ['net-proxy/haproxy', 'requests come through it'],
    ['net-proxy/varnish', 'requests come through it'],
    ['sys-libs/pam', 'workers load modules of PAM when they need them'],
    ['sys-auth/*', 'workers load modules of PAM and NSS when they need them'],
    ['sys-libs/nss*', 'workers load modules of NSS when they need them'],
  ]),
];

const web = 'it serves requests';
const first = 'process 1 keeps what it has mapped until the next boot';
const bus = 'services lose each other when dbus is restarted';

/** What it means that a program has a file of a changed package mapped; what is in no row is restarted. */
export const PROGRAM_RULES: readonly ProgramRule[] = [
  ...[
    'nginx',
    'apache2',
    'httpd',
    'php-fpm*',
    'php-cgi*',
    'memcached',
    'haproxy',
    'varnishd',
    'lighttpd',
    'caddy',
    'unitd',
  ].map((match) => ({ match, effect: 'disruptive' as const, order: USUAL_ORDER, reason: web })),
  ...['systemd', 'init', 'openrc-init'].map((match) => ({
    match,
    effect: 'reboot' as const,
    order: USUAL_ORDER,
    reason: first,
  })),
  ...['dbus-daemon', 'dbus-broker*'].map((match) => ({
    match,
    effect: 'reboot' as const,
    order: USUAL_ORDER,
    reason: bus,
  })),
  {
    match: 'sshd-*',
    effect: 'none',
    order: LAST_ORDER,
    reason: 'it is an open session, which ends by itself',
  },
  {
    match: 'sshd',
    effect: 'service-restart',
    order: LAST_ORDER,
    reason: 'the farm reaches the node through it, so it comes last',
  },
];
