import { harmlessJson } from '../../harmless.ts';
import type { Compliance } from '../schema.ts';

export function renderJson(value: Compliance): string {
  return `${harmlessJson(value, 2)}\n`;
}
