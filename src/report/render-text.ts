import { neutralise } from '../harmless.ts';
import { type Block, outlineOf } from './outline.ts';
import type { Report } from './schema.ts';

/** One screen: the first line names the cause; lists are cut, whole stacks left to the other formats. */
export function renderText(report: Report): string {
  const { headline, blocks } = outlineOf(report);
  const folded = blocks.some(({ kind }) => kind === 'folded')
    ? ['', 'Stacks of all threads: --format markdown, html or json']
    : [];
  return `${[neutralise(headline), ...blocks.flatMap(block => textOf(block, '')), ...folded].join('\n')}\n`;
}

const longestList = 8;

function textOf(block: Block, indent: string): readonly string[] {
  switch (block.kind) {
    case 'paragraph':
      return [`${indent}${neutralise(block.text)}`];
    case 'list':
      return [
        ...block.items.slice(0, longestList).map(item => `${indent}- ${neutralise(item)}`),
        ...(block.items.length > longestList ? [`${indent}- and ${block.items.length - longestList} more`] : []),
      ];
    case 'code':
      return block.lines.map(({ text, marked = false }) => `${indent}${marked ? '>' : ' '} ${neutralise(detab(text))}`);
    case 'section':
      return [
        '',
        `${indent}${neutralise(block.title)}`,
        ...block.blocks.flatMap(inner => textOf(inner, `${indent}  `)),
      ];
    case 'folded':
      return [];
    default:
      return block satisfies never;
  }
}

/** Source text's own tabs are no danger, and mean eight columns to Python. */
export function detab(text: string): string {
  return text.replaceAll('\t', '        ');
}
