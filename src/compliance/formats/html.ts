import { escapeHtml } from '../../harmless.ts';
import type { CheckResult, Compliance } from '../schema.ts';
import { detailsOf } from './details.ts';
import { type HostOutline, type Outline, outlineOf } from './outline.ts';

/** One file that needs no other and runs no script; its policy says so to the browser. */
export function renderHtml(value: Compliance): string {
  const { headline, about, hosts, lists } = outlineOf(value);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(headline)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(headline)}</h1>
<p>${escapeHtml(about)}</p>
${[...hosts.map(hostSection), ...lists.map(listSection)].join('\n')}
</body>
</html>
`;
}

const style = `
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.25rem } h2 { font-size: 1.05rem; margin-top: 1.6rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-top: 1px solid #8886 }
td, p, li { overflow-wrap: anywhere } dl { display: grid; grid-template-columns: 6rem 1fr; margin: 0 } dt { opacity: .7 } dd { margin: 0 }
.fail, .error { color: #b00020 } .unknown { color: #8a3ffc } .warn, .waived { color: #8a5a00 } .pass { color: #0a6b2d }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #1b1b1b } .fail, .error { color: #ff8a8a } .unknown { color: #c4a1ff } .warn, .waived { color: #ffcc66 } .pass { color: #7fd6a0 } }
`;

function hostSection({ title, about, error, open, settled, settledCount }: HostOutline): string {
  return [
    '<section>',
    `<h2>${escapeHtml(title)}</h2>`,
    `<p>${escapeHtml(about)}</p>`,
    ...(error === undefined
      ? []
      : [`<p>${escapeHtml(`${error.code}: ${error.message}`)}<br>${escapeHtml(`fix: ${error.fix}`)}</p>`]),
    ...(open.length === 0 ? [] : [tableOf(open)]),
    ...(settled.length === 0
      ? []
      : ['<details>', `<summary>${escapeHtml(settledCount)}</summary>`, tableOf(settled), '</details>']),
    '</section>',
  ].join('\n');
}

function tableOf(checks: readonly CheckResult[]): string {
  return [
    '<table>',
    '<thead><tr><th scope="col">state</th><th scope="col">check</th><th scope="col">what is known</th></tr></thead>',
    '<tbody>',
    ...checks.map(check => {
      const known = detailsOf(check).map(([name, text]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(text)}</dd>`);
      const state = escapeHtml(check.state);
      return `<tr><td class="${state}">${state}</td><td>${escapeHtml(check.id)}</td><td><dl>${known.join('')}</dl></td></tr>`;
    }),
    '</tbody>',
    '</table>',
  ].join('\n');
}

function listSection({ title, items }: Outline['lists'][number]): string {
  const list = items.map(item => `<li>${escapeHtml(item)}</li>`);
  return ['<section>', `<h2>${escapeHtml(title)}</h2>`, '<ul>', ...list, '</ul>', '</section>'].join('\n');
}
