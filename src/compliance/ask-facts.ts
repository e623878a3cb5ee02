import { HangarError } from '../errors.ts';
import type { Host } from '../fleet/host.ts';
import type { FactsRequest, HostFacts } from '../host/facts.ts';
import { readHostError } from '../host/host-error.ts';
import { programPath, programSha256, programText } from '../host/program.ts';
import { readFacts } from '../host/read-facts.ts';
import { quote } from '../quote.ts';
import type { RemoteCommand, RemoteResult, RunOptions, SshSession } from '../ssh/session.ts';

/**
 * Asks a host, in one round trip, how ready it is: as root where it lets us, else as far as anybody may see. Changes
 * nothing there.
 * @throws HangarError `HOST_PROGRAM_FAILED`, or as `SshSession.run`
 */
export async function askFacts(
  session: Pick<SshSession, 'run'> & { readonly host: Host },
  request: FactsRequest,
  options: Pick<RunOptions, 'signal' | 'timeoutSeconds'> = {},
): Promise<HostFacts> {
  const { host } = session;
  const result = await session.run(factsCommand(host, request), options);
  const facts = result.exitCode === 0 ? readFacts(result.stdout.toString('utf8')) : undefined;
  if (facts === undefined) throw failure(host, result);
  return facts;
}

/** The one command; its text comes along, whether or not the host has the program. */
export function factsCommand({ become, user }: Host, request: FactsRequest): RemoteCommand {
  const words = wordsOf(request).map(quote).join(' ');
  const stdin = programText();
  if (become === 'none' || user === 'root') return { line: `sh -s -- facts ${words}`, stdin };
  return { line: `sh -c ${quote(asking)} sh ${programPath} ${programSha256()} ${words}`, stdin };
}

/**
 * Three ways, the first that sudo does not refuse: the installed program if it is this very one, the text as root, the
 * text as we are. Stdin can be read once: sudo with -n leaves it alone when it refuses, which it tells by 1 (sudo(8));
 * the program itself ends with 0, or 2 and above.
 */
const asking = `
program=$1 sum=$2
shift 2
exec 3>&1
judge() {
  case $1 in
    0) exit 0 ;;
    1 | 126 | 127) ;;
    *)
      printf "%s\\n" "$said" >&2
      exit "$1"
      ;;
  esac
}
case $(sha256sum "$program" 2>/dev/null) in
  "$sum "*)
    said=$(sudo -n -- "$program" facts "$@" 2>&1 >&3 </dev/null)
    judge "$?"
    ;;
esac
said=$(sudo -n -- sh -s -- facts "$@" 2>&1 >&3)
judge "$?"
exec sh -s -- facts "$@" "refusal=$(printf "%s" "$said" | tr "\\n\\r" "  ")" 3>&-
`.trim();

function wordsOf(request: FactsRequest): readonly string[] {
  const { packages, wanted, files, sysctls, coreDirectory, services, repositories } = request;
  return [
    ...packages.map(name => `package=${name}`),
    ...wanted.map(name => `want=${name}`),
    ...files.map(path => `file=${path}`),
    ...sysctls.map(name => `sysctl=${name}`),
    `cores=${coreDirectory}`,
    ...services.map(({ name, match = '' }) => `service=${name}|${match}`),
    ...repositories.map(
      ({ distribution = '', url, suite, keyring }) => `repository=${distribution}|${url}|${suite}|${keyring}`,
    ),
  ];
}

function failure(host: Host, { exitCode, stderr }: RemoteResult): HangarError {
  const said = readHostError(stderr)?.text ?? JSON.stringify(stderr.trimEnd().split('\n').at(-1) ?? '');
  return new HangarError({
    code: 'HOST_PROGRAM_FAILED',
    message:
      exitCode === 0
        ? `"${host.name}": the reply to "facts" breaks off`
        : `"${host.name}": the host program's "facts" ended with ${exitCode}: ${said}`,
    fix: 'run the command again with --verbose',
    failure: 'step',
  });
}
