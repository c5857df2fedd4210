import { compressBzip2 } from '../../binpkg/bzip2.ts';
import type { ImageElfMetadata } from '../../binpkg/elf/scan-image.ts';
import type { Cpv } from '../../gentoo/cpv.ts';
import type { HardwareProfile } from '../../gentoo/profile.ts';
import type { Recipe } from '../../gentoo/recipe.ts';
import { savedEnvironment } from './saved-environment.ts';

/** The ebuild repository that packages of this executor say they are from. */
const REPOSITORY = 'rookery';
const EAPI = '8';

export interface PackageFacts {
  readonly cpv: Cpv;
  readonly recipe: Recipe;
  readonly profile: HardwareProfile;
  /** Of the profile, with references resolved. */
  readonly flags: Readonly<Record<string, string>>;
  /** Dependencies with `:=` bound to what was there at build time. */
  readonly depend: readonly string[];
  readonly rdepend: readonly string[];
  readonly elf: ImageElfMetadata;
  /** Of all regular files of the image together. */
  readonly installedBytes: number;
  readonly buildTimeSeconds: number;
  readonly eprefix: string;
}

/**
 * The files of `metadata/` in a package, as Portage writes them for an ebuild without phases
 * (`bin/phase-functions.sh:__dyn_install`, `portage/package/ebuild/doebuild.py:_post_src_install_write_metadata`).
 * A key without a value is left out, except for IUSE and USE.
 */
export function packageFiles(facts: PackageFacts): Map<string, Buffer | string> {
  const { cpv, recipe, profile, elf } = facts;
  const files = new Map<string, Buffer | string>();
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') {
      files.set(key, `${value}\n`);
    }
  };
  set('BUILD_TIME', String(facts.buildTimeSeconds));
  set('CATEGORY', cpv.category);
  set('CBUILD', profile.chost);
  for (const [name, value] of Object.entries(facts.flags)) {
    set(name, value);
  }
  set('CHOST', profile.chost);
  set('DEFINED_PHASES', '-');
  set('DEPEND', facts.depend.join(' '));
  set('DESCRIPTION', recipe.description);
  set('EAPI', EAPI);
  set('EPREFIX', facts.eprefix);
  set('HOMEPAGE', recipe.homepage);
  files.set('IUSE', '\n');
  set('KEYWORDS', keywordsOf(facts));
  set('LICENSE', recipe.license);
  for (const [key, value] of Object.entries(elf)) {
    if (typeof value === 'string') {
      files.set(key, value);
    }
  }
  set('PF', cpv.pf);
  set('RDEPEND', facts.rdepend.join(' '));
  files.set('SIZE', `${facts.installedBytes}\n`);
  set('SLOT', recipe.slot);
  set('USE', profile.arch);
  set('repository', REPOSITORY);
  files.set('environment.bz2', compressBzip2(Buffer.from(environmentText(facts))));
  files.set(`${cpv.pf}.ebuild`, ebuildText(facts));
  return files;
}

function keywordsOf({ recipe, profile }: PackageFacts): string {
  return recipe.keywords ?? profile.arch;
}

function environmentText(facts: PackageFacts): string {
  const { cpv, recipe, profile } = facts;
  return savedEnvironment({
    exported: {
      A: '',
      ARCH: profile.arch,
      CATEGORY: cpv.category,
      CBUILD: profile.chost,
      CHOST: profile.chost,
      ...facts.flags,
      DEFINED_PHASES: '-',
      EAPI,
      KEYWORDS: keywordsOf(facts),
      LICENSE: recipe.license,
      P: cpv.p,
      PF: cpv.pf,
      PN: cpv.pn,
      PR: cpv.pr,
      PV: cpv.pv,
      PVR: cpv.version,
      SLOT: recipe.slot,
      USE: profile.arch,
    },
    plain: {
      BDEPEND: '',
      DEPEND: facts.depend.join(' '),
      DESCRIPTION: recipe.description,
      HOMEPAGE: recipe.homepage,
      IDEPEND: '',
      IUSE: '',
      PDEPEND: '',
      PROPERTIES: '',
      RDEPEND: facts.rdepend.join(' '),
      REQUIRED_USE: '',
      RESTRICT: '',
    },
  });
}

/** The recipe in the words of an ebuild: what Portage keeps beside an installed package, and never runs again. */
function ebuildText(facts: PackageFacts): string {
  const { recipe } = facts;
  const values = {
    DESCRIPTION: recipe.description,
    HOMEPAGE: recipe.homepage,
    LICENSE: recipe.license,
    SLOT: recipe.slot,
    KEYWORDS: keywordsOf(facts),
    DEPEND: recipe.depend.join(' '),
    RDEPEND: recipe.rdepend.join(' '),
  };
  const lines = Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}="${value.replaceAll(/["\\$`]/g, '\\$&')}"`);
  return ['# Made from a recipe by Rookery.', '', `EAPI=${EAPI}`, '', ...lines, ''].join('\n');
}
