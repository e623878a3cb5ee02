import type { FrameOrigin, JudgedFrame } from './thread.ts';

/**
 * Whose code a file is, by its path: the standard library, an installed package, a launcher script, or the service's own.
 * Layouts: lib/pythonX.Y (site module, sysconfig), dist-packages (Debian), pythonXY.zip, `<frozen …>` (3.x).
 */
export function originOf(file: string): FrameOrigin {
  if (/\/(?:site|dist)-packages\//.test(file)) return 'site';
  if (
    /\/lib(?:64)?\/python\d\.\d+t?\//.test(file) ||
    /\/python\d+t?\.zip\//.test(file) ||
    file.startsWith('<frozen ')
  ) {
    return 'stdlib';
  }
  // /usr/bin/gunicorn, venv/bin/celery: generated, runs the package's main function.
  if (/\/s?bin\/[^/]+$/.test(file)) return 'launcher';
  return 'application';
}

/** What follows the folder of installed packages, or of the standard library; undefined for other files. */
export function packagePath(file: string): string | undefined {
  return /.*\/(?:(?:site|dist)-packages|lib(?:64)?\/python\d\.\d+t?)\/(.+)$/.exec(file)?.[1];
}

/** Innermost frame of the service's own code; else of an installed package; else the innermost. */
export function applicationFrame<F extends Pick<JudgedFrame, 'origin'>>(frames: readonly F[]): F | undefined {
  return (
    frames.find(({ origin }) => origin === 'application') ??
    frames.find(({ origin }) => origin !== 'stdlib') ??
    frames[0]
  );
}

/**
 * Where code stands: its frame in the service's own code, by the name of a function. Up to 3.11 a comprehension is a
 * function of its own (PEP 709), called by the one that it is written in.
 */
export function standingPlace<F extends Pick<JudgedFrame, 'origin' | 'function' | 'file' | 'line'>>(
  frames: readonly F[],
): Pick<F, 'function' | 'file' | 'line'> | undefined {
  const frame = applicationFrame(frames);
  if (frame === undefined) return undefined;
  const around = frames.slice(frames.indexOf(frame)).find(({ function: name }) => !comprehension.test(name));
  const { file, line } = frame;
  return { function: (around?.file === file ? around : frame).function, file, line };
}

const comprehension = /(?:^|\.)<(?:list|set|dict)comp>$/;

export { baseName, libraryName, shortName } from '../python/frames/names.ts';
