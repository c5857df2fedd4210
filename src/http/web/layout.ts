import type { Assets } from './assets.ts';
import { type Html, html } from './html.ts';

export type Section =
  | 'overview'
  | 'requests'
  | 'agents'
  | 'history'
  | 'fleet'
  | 'nodes'
  | 'rollouts'
  | 'journal';

export interface Page {
  readonly title: string;
  readonly section: Section | null;
  readonly main: Html;
  /** Without JavaScript, the page is loaded again after so many seconds. */
  readonly refreshSeconds?: number;
}

const SECTIONS: readonly { readonly id: Section; readonly href: string; readonly name: string }[] =
  [
    { id: 'overview', href: '/', name: 'Overview' },
    { id: 'requests', href: '/requests', name: 'Builds' },
    { id: 'agents', href: '/agents', name: 'Agents' },
    { id: 'history', href: '/history', name: 'History' },
    { id: 'fleet', href: '/fleet', name: 'Fleet' },
    { id: 'nodes', href: '/nodes', name: 'Nodes' },
    { id: 'rollouts', href: '/rollouts', name: 'Rollouts' },
    { id: 'journal', href: '/journal', name: 'Journal' },
  ];

/** A whole HTML document. `warnings` are sentences that everybody should see. */
export function renderPage(page: Page, assets: Assets, warnings: readonly string[] = []): string {
  const { title, main, refreshSeconds } = page;
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Rookery</title>
<link rel="icon" type="image/svg+xml" href="${assets.icon}">
<link rel="stylesheet" href="${assets.style}">
<script type="module" src="${assets.script}"></script>
${
  refreshSeconds !== undefined &&
  html`<noscript><meta http-equiv="refresh" content="${refreshSeconds}"></noscript>`
}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<div class="bar">
<a class="brand" href="/"><img src="${assets.icon}" alt="" width="28" height="28">Rookery</a>
<nav aria-label="Main">${SECTIONS.map((section) => navLink(section, page.section))}</nav>
</div>
</header>
<main id="main" tabindex="-1">
${
  warnings.length > 0 &&
  html`<section class="notice" aria-labelledby="warnings"><h2 id="warnings">Needs attention</h2>
<ul>${warnings.map((warning) => html`<li>${warning}</li>`)}</ul></section>`
}
${main}
</main>
<footer class="foot">
<div class="bar">
<span>Rookery, binary packages for your fleet</span>
<span><a href="/signing">Signing keys</a> <a href="/openapi.json">API</a></span>
</div>
</footer>
</body>
</html>
`;
  return document.toString();
}

function navLink(section: (typeof SECTIONS)[number], current: Section | null): Html {
  return section.id === current
    ? html`<a href="${section.href}" aria-current="page">${section.name}</a>`
    : html`<a href="${section.href}">${section.name}</a>`;
}
