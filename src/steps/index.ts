import type { StepKinds } from '../runbook/runbook.ts';
import { analyzeStep } from './analyze.ts';
import { approveStep } from './approve.ts';
import { assertStep } from './assert.ts';
import { captureCoreStep } from './capture-core.ts';
import { checkComplianceStep } from './check-compliance.ts';
import { collectEvidenceStep } from './collect-evidence.ts';
import { copyStep } from './copy.ts';
import { fetchStep } from './fetch.ts';
import { findProcessStep } from './find-process.ts';
import type { Incident } from './incident.ts';
import { notifyStep } from './notify.ts';
import { prepareHostStep } from './prepare-host.ts';
import { pullCaseStep } from './pull-case.ts';
import { recoverServiceStep } from './recover-service.ts';
import { removeRemoteFilesStep } from './remove-remote-files.ts';
import { scriptStep } from './script.ts';
import { shellStep } from './shell.ts';
import { waitForStep } from './wait-for.ts';

const kinds = [
  findProcessStep,
  collectEvidenceStep,
  captureCoreStep,
  recoverServiceStep,
  pullCaseStep,
  analyzeStep,
  removeRemoteFilesStep,
  checkComplianceStep,
  prepareHostStep,
  shellStep,
  scriptStep,
  copyStep,
  fetchStep,
  waitForStep,
  assertStep,
  approveStep,
  notifyStep,
];

/** What a runbook can do: each step kind under the name that `uses` gives it. */
export const stepKinds: StepKinds<Incident> = new Map(kinds.map(kind => [kind.name, kind]));
