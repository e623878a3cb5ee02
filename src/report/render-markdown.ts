import { escapeMarkdown, neutralise } from '../harmless.ts';
import { type Block, outlineOf } from './outline.ts';
import { detab } from './render-text.ts';
import type { Report } from './schema.ts';

/** GitHub's Markdown, all stacks included; data is escaped so that it stays text. */
export function renderMarkdown(report: Report): string {
  const { headline, blocks } = outlineOf(report);
  return `${[`# ${escapeMarkdown(headline)}`, ...blocks.flatMap(block => markdownOf(block, 2))].join('\n\n')}\n`;
}

function markdownOf(block: Block, level: number): readonly string[] {
  switch (block.kind) {
    case 'paragraph':
      return [escapeMarkdown(block.text)];
    case 'list':
      return [block.items.map(item => `- ${escapeMarkdown(item)}`).join('\n')];
    case 'code':
      return [
        fenced(block.lines.map(({ text, marked = false }) => `${marked ? '>' : ' '} ${neutralise(detab(text))}`)),
      ];
    case 'section':
    case 'folded':
      return [
        `${'#'.repeat(Math.min(level, 6))} ${escapeMarkdown(block.title)}`,
        ...block.blocks.flatMap(inner => markdownOf(inner, level + 1)),
      ];
    default:
      return block satisfies never;
  }
}

/** A fence longer than any run of backticks within. */
function fenced(lines: readonly string[]): string {
  const longest = Math.max(2, ...lines.flatMap(line => [...line.matchAll(/`+/g)].map(([run]) => run.length)));
  const fence = '`'.repeat(longest + 1);
  return [`${fence}text`, ...lines, fence].join('\n');
}
