import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

/** Preloaded (`node --import`): writes the URL of each module that the program asks for into `LOADED_MODULES`, a line each. */
const file = process.env['LOADED_MODULES'];

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (file !== undefined) appendFileSync(file, `${found.url}\n`);
    return found;
  },
});
