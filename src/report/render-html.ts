import { escapeHtml } from '../harmless.ts';
import { type Block, outlineOf } from './outline.ts';
import { detab } from './render-text.ts';
import type { Report } from './schema.ts';

/** One file that needs no other and runs no script; its policy says so to the browser. */
export function renderHtml(report: Report): string {
  const { headline, blocks } = outlineOf(report);
  const title = escapeHtml(headline);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<h1>${title}</h1>
${blocks.map(block => htmlOf(block, 2)).join('\n')}
</body>
</html>
`;
}

const style = `
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; background: #fff }
h1 { font-size: 1.25rem } h2 { font-size: 1.05rem; margin-top: 1.6rem } h3 { font-size: 1rem }
pre { background: #f4f4f2; padding: .6rem; overflow-x: auto } mark { background: #ffe08a }
li, p { overflow-wrap: anywhere } summary { cursor: pointer; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #1b1b1b } pre { background: #262626 } mark { background: #6b5300; color: inherit } }
`;

function htmlOf(block: Block, level: number): string {
  switch (block.kind) {
    case 'paragraph':
      return `<p>${escapeHtml(block.text)}</p>`;
    case 'list':
      return `<ul>\n${block.items.map(item => `<li>${escapeHtml(item)}</li>`).join('\n')}\n</ul>`;
    case 'code':
      return `<pre>${block.lines.map(({ text, marked = false }) => codeLine(text, marked)).join('\n')}</pre>`;
    case 'section': {
      const heading = `h${Math.min(level, 6)}`;
      return `<section>\n<${heading}>${escapeHtml(block.title)}</${heading}>\n${inside(block.blocks, level)}\n</section>`;
    }
    case 'folded':
      return `<details>\n<summary>${escapeHtml(block.title)}</summary>\n${inside(block.blocks, level)}\n</details>`;
    default:
      return block satisfies never;
  }
}

function inside(blocks: readonly Block[], level: number): string {
  return blocks.map(block => htmlOf(block, level + 1)).join('\n');
}

function codeLine(text: string, marked: boolean): string {
  const safe = escapeHtml(detab(text));
  return marked ? `<mark>${safe}</mark>` : safe;
}
