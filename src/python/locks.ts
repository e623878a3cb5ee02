import type { CoreFile, CoreThread } from '../corefile/core.ts';
import type { FrameReader, LiveFrame } from './frames.ts';
import type { Heap } from './heap.ts';
import type { PythonThread } from './process.ts';
export class LockReader {
  constructor(_heap: Heap, _frames: FrameReader, _core: Pick<CoreFile, 'machine'>) {}
  read(
    _threadId: bigint,
    _core: CoreThread | undefined,
    _frames: readonly LiveFrame[],
  ): Pick<PythonThread, 'waits' | 'holds'> {
    return { holds: [] };
  }
}
