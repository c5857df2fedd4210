import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { farmGrid } from '../../src/http/web/farm-grid.ts';
import { MEMBER_STATES } from '../../src/protocol/member-states.ts';

const FARMS = [
  {
    site: 'berlin',
    name: 'web7',
    members: [
      { node: 'web7-01', index: 1 },
      { node: 'web7-03', index: 3 },
    ],
  },
  { site: 'paris', name: 'web9', members: [{ node: 'web9-02', index: 2 }] },
];

function rowsOf(text: string): string[] {
  return [...text.matchAll(/<tr[^>]*>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    row
      .replaceAll(/<span class="hidden">.*?<\/span>/g, '')
      .replaceAll(/<\/t[hd]>/g, '|')
      .replaceAll(/<[^>]*>/g, ''),
  );
}

describe('the grid of farms', () => {
  it('has a row for each farm and a column for each index, with a gap where there is no member', () => {
    const grid = farmGrid(
      'Farms',
      FARMS,
      new Map([
        ['web7-01', { state: 'as-published' }],
        ['web7-03', { state: 'upgrading', note: 'merges since 2 min' }],
        ['web9-02', { state: 'held' }],
      ]),
    ).toString();

    expect(rowsOf(grid)).toEqual(['Farm|1|2|3|', 'berlin|', 'web7|.||U|', 'paris|', 'web9||H||']);
    expect(grid).toContain('href="/nodes/web7-03" title="web7-03: merges since 2 min"');
  });

  it('does not link to the page of a node that has never reported, for there is none', () => {
    const grid = farmGrid(
      'Farms',
      FARMS,
      new Map([
        ['web7-01', { state: 'unreported' }],
        ['web9-02', { state: 'stale' }],
      ]),
    ).toString();

    expect(grid).toContain('<span class="cell unreported" title="web7-01: ');
    expect(grid).not.toContain('href="/nodes/web7-01"');
    expect(grid).toContain('href="/nodes/web9-02"');
  });

  it('explains the letters that occur, and counts them', () => {
    const cells = new Map([
      ['web7-01', { state: 'held' }],
      ['web9-02', { state: 'held' }],
    ] as const);
    const [, legend = ''] = farmGrid('Farms', FARMS, cells).toString().split('</table>');

    expect([...legend.matchAll(/<li>(.*?)<\/li>/g)].map(([, text]) => text)).toEqual([
      `<span class="cell held" aria-hidden="true">H</span> ${MEMBER_STATES.held.word}: <span>2</span>`,
    ]);
  });

  it('escapes what nodes and notes are called', () => {
    const farms = [{ site: 's', name: 'f', members: [{ node: '<b>', index: 1 }] }];
    const grid = farmGrid('x', farms, new Map([['<b>', { state: 'out', note: '"&' }]]));

    expect(grid.toString()).not.toContain('<b>');
    expect(grid.toString()).toContain('title="&lt;b&gt;: &quot;&amp;"');
  });

  it('has a letter of its own for each state', () => {
    const letters = Object.values(MEMBER_STATES).map(({ letter }) => letter);
    expect(new Set(letters).size).toBe(letters.length);
  });

  it('has no colour on which its letters cannot be read', () => {
    const style = readFileSync(
      join(import.meta.dirname, '../../src/http/web/assets/style.css'),
      'utf8',
    );
    const pairs = [...style.matchAll(/--fill: (#\w{6});\s*--ink: (#\w{6});/g)];
    expect(pairs.length).toBeGreaterThan(5);
    for (const [, fill = '', ink = ''] of pairs) {
      // 4.5 is what WCAG 2.2, 1.4.3, asks of text.
      expect([fill, contrast(fill, ink) >= 4.5]).toEqual([fill, true]);
    }
  });
});

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** Relative luminance after WCAG 2.2. */
function luminance(color: string): number {
  const parts = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255);
  const [red = 0, green = 0, blue = 0] = parts.map((part) =>
    part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
