import type { StepKinds } from '../runbook/runbook.ts';
import { analyzeStep } from './analyze.ts';
import { captureCoreStep } from './capture-core.ts';
import { collectEvidenceStep } from './collect-evidence.ts';
import { findProcessStep } from './find-process.ts';
import type { Incident } from './incident.ts';
import { pullCaseStep } from './pull-case.ts';
import { recoverServiceStep } from './recover-service.ts';
import { removeRemoteFilesStep } from './remove-remote-files.ts';

const kinds = [
  findProcessStep,
  collectEvidenceStep,
  captureCoreStep,
  recoverServiceStep,
  pullCaseStep,
  analyzeStep,
  removeRemoteFilesStep,
];

/** What a runbook can do: each step kind under the name that `uses` gives it. */
export const stepKinds: StepKinds<Incident> = new Map(kinds.map(kind => [kind.name, kind]));
