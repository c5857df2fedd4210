import { describe, expect, it } from '@jest/globals';
import { parseSetFile } from '../../src/gentoo/set-file.ts';

describe('parseSetFile', () => {
  it('reads one atom or set a line, each once, comments and empty lines aside', () => {
    const text =
      '# web\n\n  www-servers/nginx\n@base\t# more\ndev-lang/php:8.3::gentoo[fpm]\nwww-servers/nginx\r\n';

    expect(parseSetFile(text, 'p/sets/web')).toEqual({
      atoms: ['www-servers/nginx', '@base', 'dev-lang/php:8.3::gentoo[fpm]'],
      faults: [],
    });
  });

  it('names file, line and word of everything that is wrong, and keeps the rest', () => {
    const { atoms, faults } = parseSetFile('nginx\na/b\n@\n!a/c\n*/*\na/d a/e\n', 'p/sets/web');

    expect(atoms).toEqual(['a/b']);
    expect(faults).toEqual([
      'p/sets/web, line 1: "nginx" is not a valid atom.',
      'p/sets/web, line 3: "@" is not the name of a set.',
      'p/sets/web, line 4: "!a/c" cannot stand in a set: no blockers, no wildcards.',
      'p/sets/web, line 5: "*/*" cannot stand in a set: no blockers, no wildcards.',
      'p/sets/web, line 6: "a/e" cannot stand behind "a/d": one atom a line.',
    ]);
  });
});
