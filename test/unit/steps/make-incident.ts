import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HangarError } from '../../../src/errors.ts';
import { Incident } from '../../../src/steps/incident.ts';
import { type Sshd, startSshd } from '../../support/sshd.ts';

export interface TestIncident {
  readonly server: Sshd;
  readonly incident: Incident;
  /** For the test's own files. */
  readonly folder: string;
  /** Another incident of the same run, as after a crash of the controller. */
  again(): Incident;
  end(): Promise<void>;
}

/** An incident of a host behind a real sshd on loopback. */
export async function makeIncident(): Promise<TestIncident> {
  const server = await startSshd('web3');
  const folder = mkdtempSync(join(tmpdir(), 'hangar-steps-'));
  const options = { host: server.host, state: join(folder, 'state'), run: `test-${randomBytes(4).toString('hex')}` };
  const incidents = [new Incident(options)];
  const [incident = new Incident(options)] = incidents;
  return {
    server,
    incident,
    folder,
    again() {
      const next = new Incident(options);
      incidents.push(next);
      return next;
    },
    async end() {
      for (const each of incidents) await each.close();
      await server.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What the promise was rejected with. */
export async function errorOf(act: Promise<unknown>): Promise<HangarError> {
  const thrown: unknown = await act.then(
    () => new Error('nothing was thrown'),
    error => error,
  );
  if (thrown instanceof HangarError) return thrown;
  throw new Error('expected a HangarError', { cause: thrown });
}
