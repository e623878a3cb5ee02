import { finding, type Rule } from './rule.ts';

/** Of no thread a single frame is known. */
export const unreadable: Rule = ({ threads }) =>
  [...threads.values()].some(({ python, native }) => python.length > 0 || native.length > 0)
    ? []
    : [
        finding('unreadable', {
          confidence: 'proven',
          summary: 'no stack of any thread could be read',
          roots: [],
          victims: [],
          evidence: [],
          next: 'give the modules that ran: runbook analyze CORE --modules DIR',
        }),
      ];
