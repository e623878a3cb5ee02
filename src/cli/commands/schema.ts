import { checksJsonSchema } from '../../compliance/checks-schema.ts';
import { complianceJsonSchema, hostComplianceSchema } from '../../compliance/schema.ts';
import { HangarError } from '../../errors.ts';
import { fleetJsonSchema } from '../../fleet/fleet.ts';
import { reportJsonSchema, reportSchema } from '../../report/schema.ts';
import { eventJsonSchema, runJsonSchema } from '../../run/run.ts';
import { runbookJsonSchema } from '../../runbook/schema.ts';
import { printJson } from '../output.ts';
import type { CommandSpec } from '../program.ts';

const schemas: ReadonlyMap<string, () => unknown> = new Map([
  ['runbook', runbookJsonSchema],
  ['fleet', fleetJsonSchema],
  ['run', () => runJsonSchema(reportSchema, hostComplianceSchema)],
  ['report', reportJsonSchema],
  ['compliance', complianceJsonSchema],
  ['checks', checksJsonSchema],
  ['event', eventJsonSchema],
]);

export const schemaCommand: CommandSpec = {
  declare: command => command.argument('<what>', [...schemas.keys()].join(', ')),
  async run(command, options, io) {
    const what = String(command.processedArgs[0]);
    const schema = schemas.get(what);
    if (!schema)
      throw new HangarError({
        code: 'NO_SUCH_SCHEMA',
        message: `there is no schema "${what}"`,
        fix: `name one of ${[...schemas.keys()].join(', ')}`,
        failure: 'usage',
      });
    printJson(schema(), options, io);
    return 0;
  },
};
