export const reportFormats = ['text', 'json', 'markdown', 'html'] as const;

export type ReportFormat = (typeof reportFormats)[number];
