import { type ImageLevel, ImageLevelScan } from '../binpkg/elf/image-level.ts';
import { type PackageMetadata, readMetadata } from '../binpkg/metadata.ts';
import type { SonameGroup } from '../binpkg/metadata-values.ts';
import { type VerifiedFile, verifyPackageFile } from '../binpkg/package-file.ts';
import type { CommandContext } from './command-context.ts';
import { counted, formatSize, formatTime } from './format.ts';
import { harmless, type Output } from './output.ts';
import { verifierFor, withPackageFile } from './package-reading.ts';

export interface ShowPackagesOptions {
  readonly key?: readonly string[];
  readonly json?: boolean;
}

/** One stored part of a package: a member of a GPKG, image or metadata of an XPAK. */
interface Part {
  readonly name: string;
  readonly size: number;
  readonly compression: string | null;
  readonly sha512: string | null;
  readonly blake2b: string | null;
}

interface Shown {
  readonly file: string;
  readonly size: number;
  readonly verified: VerifiedFile;
  readonly metadata: PackageMetadata;
  readonly level: ImageLevel;
}

const LABEL_COLUMNS = 14;

/** Verifies each file completely and prints what is in it. Throws for the first that is refused. */
export async function showPackages(
  context: CommandContext,
  files: readonly string[],
  options: ShowPackagesOptions,
): Promise<void> {
  const verifier = await verifierFor(context, options.key);
  const views: object[] = [];
  for (const file of files) {
    const shown = await withPackageFile(context, file, async (opened): Promise<Shown> => {
      const scan = new ImageLevelScan();
      const verified = await verifyPackageFile(opened, {
        visit: scan.visit,
        listFiles: true,
        clock: context.clock,
        ...(verifier === undefined ? {} : { verifier }),
      });
      const metadata = readMetadata(verified.metadata);
      return { file, size: opened.source.size, verified, metadata, level: scan.result() };
    });
    if (options.json) {
      views.push(viewOf(shown));
    } else {
      if (file !== files[0]) {
        context.output.line();
      }
      print(context.output, shown);
    }
  }
  if (options.json) {
    context.output.json(views);
  }
}

function viewOf({ file, size, verified, metadata, level }: Shown): object {
  return {
    file,
    format: verified.format,
    size,
    metadata,
    otherKeys: [...verified.metadata.keys()].filter((key) => metadata.text[key] === undefined),
    signature: signatureOf(verified),
    members: partsOf(verified),
    image: verified.image,
    elf: {
      files: level.elfFiles,
      requires: metadata.requires,
      provides: metadata.provides,
      x86Level: level.level ?? null,
      x86LevelFiles: level.files,
    },
  };
}

function signatureOf(verified: VerifiedFile): {
  readonly signed: boolean;
  readonly checked: boolean;
  readonly fingerprint: string | null;
} {
  const signed = verified.format === 'gpkg' && verified.signed;
  const fingerprint = verified.format === 'gpkg' ? (verified.fingerprint ?? null) : null;
  return { signed, checked: fingerprint !== null, fingerprint };
}

function partsOf(verified: VerifiedFile): Part[] {
  if (verified.format === 'gpkg') {
    return verified.members.map(({ name, size, sha512, blake2b }) => {
      const compression = /\.tar\.([a-z0-9]+)$/.exec(name)?.[1] ?? null;
      return { name, size, compression, sha512, blake2b };
    });
  }
  const { storedImage, segment } = verified;
  const { size, compression, sha512, blake2b } = storedImage;
  const metadata = { compression: null, sha512: null, blake2b: null, size: segment.size };
  return [
    {
      name: 'image',
      size,
      compression: compression === 'tar' ? null : compression,
      sha512,
      blake2b,
    },
    { name: 'metadata', ...metadata },
  ];
}

function print(output: Output, shown: Shown): void {
  const { file, size, verified, metadata } = shown;
  output.line(harmless(output.paint('bold', metadata.cpv), 'keep-colors'));
  const rows: (readonly [label: string, text: string])[] = [
    ['file', `${file}, ${verified.format.toUpperCase()}, ${formatSize(size)}`],
    ...identityRows(metadata),
    ...dependencyRows(metadata),
    ['signature', signatureText(verified)],
    ['image', imageText(verified)],
    ...elfRows(shown),
    ['keys', [...verified.metadata.keys()].join(' ')],
  ];
  for (const [label, text] of rows.filter(([, value]) => value !== '')) {
    output.line(harmless(`${label.padEnd(LABEL_COLUMNS)}${text}`, 'drop-colors'));
  }
  output.line();
  output.table(
    [
      { title: 'member' },
      { title: 'bytes', align: 'right' },
      { title: 'compression' },
      { title: 'SHA-512' },
    ],
    partsOf(verified).map((part) => [
      part.name,
      String(part.size),
      part.compression ?? '-',
      part.sha512 ?? '-',
    ]),
  );
}

function identityRows(metadata: PackageMetadata): (readonly [string, string])[] {
  const { buildId, buildTimeSeconds, installedBytes } = metadata;
  return [
    ['description', metadata.description ?? ''],
    ['slot', metadata.slot],
    ['EAPI', metadata.eapi],
    ['build', buildId === undefined ? '' : String(buildId)],
    ['built', buildTimeSeconds === undefined ? '' : formatTime(buildTimeSeconds * 1000)],
    ['CHOST', metadata.chost ?? ''],
    ['repository', metadata.repository ?? ''],
    ['prefix', metadata.eprefix ?? ''],
    ['installed', installedBytes === undefined ? '' : formatSize(installedBytes)],
    ['keywords', metadata.keywords.join(' ')],
    ['license', metadata.license],
    ['restrict', metadata.restrict],
    ['properties', metadata.properties],
    ['phases', metadata.definedPhases.join(' ')],
    ['USE', metadata.use.join(' ')],
    ['IUSE', metadata.iuse.join(' ')],
  ];
}

function dependencyRows({ dependencies }: PackageMetadata): (readonly [string, string])[] {
  return Object.entries(dependencies);
}

function elfRows({ metadata, level }: Shown): (readonly [string, string])[] {
  const { level: number, files } = level;
  const demanded =
    number === undefined
      ? 'no file says which level it needs'
      : `x86-64-v${number}, for ${files.slice(0, 3).join(', ')}${files.length > 3 ? ' ...' : ''}`;
  return [
    ['requires', sonames(metadata.requires)],
    ['provides', sonames(metadata.provides)],
    ['CPU', level.elfFiles === 0 ? '' : demanded],
  ];
}

function sonames(groups: readonly SonameGroup[]): string {
  return groups.map(({ category, sonames: names }) => `${category}: ${names.join(' ')}`).join(' ');
}

function signatureText(verified: VerifiedFile): string {
  const { signed, fingerprint } = signatureOf(verified);
  if (fingerprint !== null) {
    return `good, by ${fingerprint}`;
  }
  if (verified.format === 'xpak') {
    return 'none, an XPAK cannot have one';
  }
  return signed ? 'there, not checked without --key' : 'none';
}

function imageText({ image }: VerifiedFile): string {
  const { entries, regularFiles, installedBytes } = image;
  return `${counted(regularFiles, 'file')} of ${formatSize(installedBytes)}, ${entries} entries in all`;
}
