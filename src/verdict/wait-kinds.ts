import { lockKinds } from '../python/process.ts';
import type { WaitKind } from './thread.ts';

const locks: ReadonlySet<WaitKind> = new Set<WaitKind>([...lockKinds, 'pthread-mutex']);

const notifications: ReadonlySet<WaitKind> = new Set<WaitKind>(['condition', 'event', 'semaphore', 'queue', 'join']);

/** Whether a wait ends when somebody gives back what he holds; the GIL, which is asked for again and again, is no lock here. */
export function isLock(kind: WaitKind): boolean {
  return locks.has(kind);
}

/** Whether a wait ends when another thread does its work, without having to give back something that it holds. */
export function isNotification(kind: WaitKind): boolean {
  return notifications.has(kind);
}

/** Whether a thread that acts for such a wait to end gives back what it holds: a lock, or a permit. */
export function isHeld(kind: WaitKind): boolean {
  return kind === 'semaphore' || !isNotification(kind);
}
