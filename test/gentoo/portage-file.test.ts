import { describe, expect, it } from '@jest/globals';
import { faultsInPortageFile } from '../../src/gentoo/portage-file.ts';

const faults = (path: string, text: string): string[] => faultsInPortageFile(path, text, 'F');

describe('faultsInPortageFile', () => {
  it.each([
    [
      'package.use',
      '# all\n\n*/* -X ssl\n  >=a/b-1.2:0 -* +c # why\na/b PYTHON_TARGETS: python3_12 -python3_11',
    ],
    ['package.use/web', 'a/b::gentoo x\r\n'],
    ['package.mask', '>=a/b-2\n-a/b\n*/*::other\n=a/b-1*  # for now'],
    ['package.unmask/deep/er', 'a/b:2\n'],
    ['package.accept_keywords', 'a/b\na/b ~amd64 -* **\n=a/b-9999 **\n*/* ~*'],
    ['package.license', 'a/b MIT @FREE -@EULA *\n*/* GPL-2+'],
    ['package.env', 'a/b no-lto.conf debug/split.conf'],
    ['package.properties', 'a/b -interactive'],
    ['patches/a/b/x.patch', '--- anything'],
    ['env/no-lto.conf', 'CFLAGS="-O2"'],
    ['bashrc', 'echo hi'],
  ])('accepts %s with %j', (path, text) => {
    expect(faults(path, text)).toEqual([]);
  });

  it.each([
    ['package.use', 'a/b x\nnginx ssl', 'F, line 2: "nginx" is not a valid atom.'],
    ['package.use/web', 'a/b ss|', 'F, line 1: "ss|" is not a USE flag.'],
    ['package.use', 'a/b # x', 'F, line 1: behind "a/b" a USE flag is missing.'],
    ['package.use', '!a/b x', 'F, line 1: "!a/b" cannot stand here: no blockers.'],
    ['package.mask', 'a/b c/d', 'F, line 1: "c/d" cannot stand behind "a/b": one atom a line.'],
    [
      'package.mask',
      '\n\na/b-1',
      'F, line 3: "a/b-1" is not a valid atom: a version needs an operator before it.',
    ],
    ['package.unmask', '@world', 'F, line 1: "@world" is not a valid atom.'],
    ['package.accept_keywords', 'a/b ~~amd64', 'F, line 1: "~~amd64" is not a keyword.'],
    ['package.license', 'a/b @', 'F, line 1: "@" is not a licence or a @group.'],
    ['package.license', 'a/b', 'F, line 1: behind "a/b" a licence or a @group is missing.'],
    [
      'package.env',
      'a/b ../../etc/passwd',
      'F, line 1: "../../etc/passwd" is not the name of a file.',
    ],
  ])('refuses %s with %j', (path, text, sentence) => {
    expect(faults(path, text)).toEqual([sentence]);
  });
});
