import { gzipSync } from 'node:zlib';
import { add, type HostileCase, manifest, replaced, without } from './hostile-case.ts';
import { bareTar, type Forged, forge, PretendKey } from './made-package.ts';

const key = new PretendKey('ours');
const WHOLE = await forge();

/** `victim` is a file outside, which must stay as it is. */
export const containerCases = (victim: string): readonly HostileCase[] => [
  { what: 'no bytes', code: 'gpkg-not-a-package', bytes: Buffer.alloc(0) },
  { what: 'something else', code: 'gpkg-not-a-package', bytes: Buffer.alloc(2000, 'x') },
  { what: 'a gzipped container', code: 'gpkg-not-a-package', bytes: gzipSync(WHOLE) },
  { what: 'an XPAK', code: 'gpkg-not-a-package', bytes: Buffer.alloc(4096, 'XPAKPACK') },
  {
    what: 'a member cut off',
    code: 'gpkg-container-damaged',
    bytes: WHOLE.subarray(0, 1600),
  },
  {
    what: 'a wrong checksum in a header',
    code: 'gpkg-container-damaged',
    bytes: Buffer.concat([bareTar([{ name: 'b/gpkg-1' }]), Buffer.alloc(512, 'x')]),
  },
  { what: 'too many members', code: 'gpkg-too-many-members', options: { limits: { members: 3 } } },
  { what: 'no marker', code: 'gpkg-marker-missing', forged: without('gpkg-1') },
  { what: 'a member without a folder', code: 'gpkg-member-path', forged: add({ name: '/x' }) },
  { what: 'a member too deep', code: 'gpkg-member-path', forged: add({ name: 'a/b/c' }) },
  {
    what: 'a folder entry',
    code: 'gpkg-member-path',
    forged: add({ name: 'hello-1.0-r1-3/', typeflag: '5' }),
  },
  { what: 'members above their folder', code: 'gpkg-member-path', forged: { base: '..' } },
  {
    what: 'members without a folder of their own',
    code: 'gpkg-member-path',
    forged: { base: '.' },
  },
  { what: 'two folders', code: 'gpkg-base-mismatch', forged: add({ name: 'other/x' }) },
  {
    what: 'a member twice',
    code: 'gpkg-member-duplicate',
    forged: { order: (entries) => [...entries, ...entries.slice(2, 3)] },
  },
  {
    what: 'a member that is a link to a file outside',
    code: 'gpkg-member-not-file',
    forged: add({ name: 'x', typeflag: '2', linkname: victim }),
  },
  {
    what: 'two images',
    code: 'gpkg-member-ambiguous',
    forged: add({ name: 'image.tar.xz', content: 'x' }),
  },
  {
    what: 'two metadata archives',
    code: 'gpkg-member-ambiguous',
    forged: add({ name: 'metadata.tar', content: 'x' }),
  },
  {
    what: 'a plain image',
    code: 'gpkg-member-uncompressed',
    forged: replaced('image.tar.gz', { name: 'image.tar' }),
  },
  { what: 'no metadata', code: 'gpkg-metadata-missing', forged: without('metadata') },
  {
    what: 'an image with a suffix that Portage does not know',
    code: 'gpkg-image-missing',
    forged: replaced('image.tar.gz', { name: 'image.tar.br' }),
  },
];

export const MANIFEST: readonly HostileCase[] = [
  {
    what: 'no Manifest',
    code: 'gpkg-manifest-missing',
    forged: { order: (entries) => entries.slice(0, -1) },
  },
  {
    what: 'an endless Manifest',
    code: 'gpkg-manifest-too-large',
    options: { limits: { manifestBytes: 100 } },
  },
  ...[
    ['a comment', '# text\n'],
    ['a timestamp', 'TIMESTAMP 2026-01-01T00:00:00Z\n'],
    ['a line of blanks', '  \n'],
    ['a line that is too short', 'DATA x\n'],
    ['a size that is no number', 'DATA x 1e3 SHA512 0\n'],
    ['a negative size', 'DATA x -1 SHA512 0\n'],
    ['a hash without a value', 'DATA x 1 BLAKE2B\n'],
    ['a hash twice', 'DATA x 1 SHA512 0 SHA512 1\n'],
    ['a control character', 'DATA x\u000b 1 SHA512 0 BLAKE2B 0\n'],
    ['a byte order mark', `\ufeffDATA x 1 SHA512 ${'0'.repeat(128)} BLAKE2B ${'0'.repeat(128)}\n`],
    [
      'a member with the name of a hash, which Portage takes for its place',
      `DATA SHA512 0 BLAKE2B ${'0'.repeat(128)} SHA512 ${'0'.repeat(128)}\n`,
    ],
    ['a hash that is not hex', `DATA x 1 SHA512 ${'g'.repeat(128)} BLAKE2B ${'0'.repeat(128)}\n`],
  ].map(([what = '', line = '']) => ({
    what,
    code: 'gpkg-manifest-invalid' as const,
    forged: manifest((text) => text + line),
  })),
  {
    what: 'a Manifest that is not UTF-8',
    code: 'gpkg-manifest-invalid',
    forged: {
      order: (entries) =>
        entries.map((one) =>
          one.name.endsWith('Manifest') ? { ...one, content: Buffer.from([0xff, 0xfe]) } : one,
        ),
    },
  },
  {
    what: 'text around the signed Manifest',
    code: 'gpkg-manifest-invalid',
    forged: {
      signer: key,
      order: (entries) =>
        entries.map((one) =>
          one.name.endsWith('Manifest')
            ? { ...one, content: `before\n${String(one.content)}` }
            : one,
        ),
    },
  },
  {
    what: 'a member listed twice',
    code: 'gpkg-manifest-duplicate',
    forged: manifest((text) => text + text),
  },
  {
    what: 'no SHA512',
    code: 'gpkg-hash-missing',
    forged: manifest((text) => text.replaceAll('SHA512', 'SHA256')),
  },
  {
    what: 'no BLAKE2B',
    code: 'gpkg-hash-missing',
    forged: manifest((text) => text.replaceAll('BLAKE2B', 'BLAKE2S')),
  },
  {
    what: 'a member that is not listed',
    code: 'gpkg-member-unlisted',
    forged: add({ name: 'more', content: 'x', unlisted: true }),
  },
  {
    what: 'names with the folder before them',
    code: 'gpkg-member-unlisted',
    forged: manifest((text) => text.replaceAll('DATA ', 'DATA hello-1.0-r1-3/')),
  },
  {
    what: 'a listed member that is not there',
    code: 'gpkg-member-missing',
    forged: manifest((text) => text + text.replace('gpkg-1', 'gone').split('\n')[0]),
  },
  {
    what: 'a wrong size',
    code: 'gpkg-size-mismatch',
    forged: manifest((text) => text.replace('gpkg-1 0 ', 'gpkg-1 1 ')),
  },
  {
    what: 'a wrong SHA512',
    code: 'gpkg-digest-mismatch',
    forged: manifest((text) => text.replace(/SHA512 [0-9a-f]/, 'SHA512 9')),
  },
  {
    what: 'a wrong BLAKE2B',
    code: 'gpkg-digest-mismatch',
    forged: manifest((text) => text.replace(/BLAKE2B [0-9a-f]/, 'BLAKE2B 9')),
  },
];

export const SIGNATURES: readonly HostileCase[] = [
  {
    what: 'no signature where one is required',
    code: 'gpkg-unsigned',
    options: { verifier: key, signatures: 'required' },
  },
  {
    what: 'a member without a signature in a signed package',
    code: 'gpkg-signature-missing',
    forged: { signer: key, ...without('image.tar.gz.sig') },
  },
  {
    what: 'a Manifest without a signature beside signed members',
    code: 'gpkg-signature-missing',
    forged: add({ name: 'image.tar.gz.sig', content: 'x' }),
  },
  {
    what: 'a signature before what it signs',
    code: 'gpkg-signature-order',
    forged: { signer: key, order: (entries) => entries.toReversed() },
  },
  {
    what: 'an endless signature',
    code: 'gpkg-signature-too-large',
    forged: { signer: key },
    options: { limits: { signatureBytes: 10 } },
  },
  {
    what: 'a member signed for another file',
    code: 'gpkg-signature-invalid',
    forged: { signer: key, ...replacedSignature() },
    options: { verifier: key },
  },
  {
    what: 'an unknown key',
    code: 'gpkg-signature-unknown-key',
    forged: { signer: new PretendKey('stranger') },
    options: { verifier: key },
  },
  {
    what: 'an expired key',
    code: 'gpkg-signature-expired-key',
    forged: { signer: new PretendKey('expired') },
    options: { verifier: key },
  },
];

function replacedSignature(): Forged {
  return {
    members: (usual) =>
      usual.map((one) =>
        one.name === 'image.tar.gz.sig'
          ? {
              ...one,
              content: usual.find(({ name }) => name === 'metadata.tar.gz.sig')?.content ?? '',
            }
          : one,
      ),
  };
}
