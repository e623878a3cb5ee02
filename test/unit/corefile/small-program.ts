import { compileC } from '../../support/cores.ts';

/** Two threads with small stacks, one in pause(2), one in nanosleep(2): a core of a few hundred KiB. */
const source = `
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int marker = 0x5eed;
static void *wait_forever(void *unused) {
  struct timespec long_time = {10000, 0};
  nanosleep(&long_time, 0);
  return unused;
}
int main(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  pthread_create(&thread, &attributes, wait_forever, 0);
  usleep(50000);
  write(1, "ready\\n", 6);
  for (;;) pause();
}
`;

/** Compiles it into `dir`; returns its path. */
export function compileSmallProgram(dir: string, flags: readonly string[] = []): string {
  return compileC(dir, 'small', source, flags);
}
