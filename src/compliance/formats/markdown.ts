import { escapeMarkdown } from '../../harmless.ts';
import type { CheckResult, Compliance } from '../schema.ts';
import { detailsOf } from './details.ts';
import { type HostOutline, outlineOf } from './outline.ts';

/** GitHub's Markdown: a table a host of what is not pass; data is escaped so that it stays text. */
export function renderMarkdown(value: Compliance): string {
  const { headline, about, hosts, lists } = outlineOf(value);
  const blocks = [
    `# ${escapeMarkdown(headline)}`,
    escapeMarkdown(about),
    ...hosts.flatMap(hostBlocks),
    ...lists.flatMap(({ title, items }) => [
      `## ${escapeMarkdown(title)}`,
      items.map(item => `- ${escapeMarkdown(item)}`).join('\n'),
    ]),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function hostBlocks({ title, about, error, open, settledCount }: HostOutline): readonly string[] {
  return [
    `## ${escapeMarkdown(title)}`,
    escapeMarkdown(about),
    ...(error === undefined
      ? []
      : [escapeMarkdown(`${error.code}: ${error.message}`), escapeMarkdown(`fix: ${error.fix}`)]),
    ...(open.length === 0 ? [] : [tableOf(open)]),
    ...(settledCount === '' ? [] : [escapeMarkdown(settledCount)]),
  ];
}

function tableOf(checks: readonly CheckResult[]): string {
  const rows = checks.map(check => [check.state, check.id, detailsOf(check)] as const);
  return [
    '| state | check | what is known |',
    '| --- | --- | --- |',
    ...rows.map(([state, id, details]) => {
      const known = details.map(([name, text]) => `**${name}** ${escapeMarkdown(text)}`).join('<br>');
      return `| ${escapeMarkdown(state)} | ${escapeMarkdown(id)} | ${known} |`;
    }),
  ].join('\n');
}
