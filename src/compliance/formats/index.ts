import type { Compliance } from '../schema.ts';
import { renderHtml } from './html.ts';
import { renderJson } from './json.ts';
import { renderJunit } from './junit.ts';
import { renderMarkdown } from './markdown.ts';
import { renderPrometheus } from './prometheus.ts';
import { renderTap } from './tap.ts';
import { renderText } from './text.ts';

export const complianceFormats = ['text', 'json', 'junit', 'tap', 'prometheus', 'html', 'markdown'] as const;

export type ComplianceFormat = (typeof complianceFormats)[number];

/** One document that ends with a newline. Never throws on a value that `complianceSchema` accepts. */
export function renderCompliance(value: Compliance, format: ComplianceFormat): string {
  switch (format) {
    case 'text':
      return renderText(value);
    case 'json':
      return renderJson(value);
    case 'junit':
      return renderJunit(value);
    case 'tap':
      return renderTap(value);
    case 'prometheus':
      return renderPrometheus(value);
    case 'html':
      return renderHtml(value);
    case 'markdown':
      return renderMarkdown(value);
    default:
      return format satisfies never;
  }
}
