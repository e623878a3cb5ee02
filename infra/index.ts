import { program } from './program.ts';

export const { hosts, fleet } = await program();
