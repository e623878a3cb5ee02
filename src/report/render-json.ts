import { harmlessJson } from '../harmless.ts';
import type { Report } from './schema.ts';

export function renderJson(report: Report): string {
  return `${harmlessJson(report, 2)}\n`;
}
