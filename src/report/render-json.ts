import type { Report } from './schema.ts';

/** JSON whose bytes cannot steer a terminal: DEL and the C1 controls, which JSON allows bare, are escaped too. */
export function renderJson(report: Report): string {
  const text = JSON.stringify(report, null, 2);
  return `${text.replaceAll(/[\u007f-\u009f\u2028\u2029]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
