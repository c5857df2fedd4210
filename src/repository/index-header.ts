import type { HardwareProfile } from '../gentoo/profile.ts';

const USE_EXPAND_IMPLICIT = ['ARCH', 'ELIBC', 'KERNEL'];

/**
 * Header of an index, without TIMESTAMP and PACKAGES: VERSION, CHOST, and what a client that has no Gentoo profile
 * needs to understand USE in the entries (`portage/dbapi/bintree.py:_merge_pkgindex_header`, read with
 * `--usepkgonly`). What describes the builder is left out: FEATURES, GENTOO_MIRRORS, CONFIG_PROTECT, USE.
 */
export function indexHeader(profile: HardwareProfile): Readonly<Record<string, string>> {
  const elibc = /-musl/.test(profile.chost) ? 'musl' : 'glibc';
  const kernel = 'linux';
  const path = profile.gentooProfile?.replace(/^[^:]*:/, '');
  return {
    VERSION: '0',
    CHOST: profile.chost,
    ARCH: profile.arch,
    ELIBC: elibc,
    KERNEL: kernel,
    IUSE_IMPLICIT: 'prefix prefix-guest prefix-stack',
    USE_EXPAND: [profile.cpuFlagsVariable ?? '', 'ELIBC', 'KERNEL'].join(' ').trim(),
    USE_EXPAND_IMPLICIT: USE_EXPAND_IMPLICIT.join(' '),
    USE_EXPAND_UNPREFIXED: 'ARCH',
    USE_EXPAND_VALUES_ARCH: profile.arch,
    USE_EXPAND_VALUES_ELIBC: elibc,
    USE_EXPAND_VALUES_KERNEL: kernel,
    ...(path === undefined ? {} : { PROFILE: path }),
  };
}
