import type { Host } from '../fleet/host.ts';
import { quote } from '../quote.ts';
import type { OwnCheck, OwnQuestion } from './own-check.ts';

/** Bytes of a command's output, and of a file's text, that are looked at. */
export const outputBytes = 4096;
export const contentBytes = 65_536;
/** How long a question that runs no command of the user's may take. */
export const ownSeconds = 10;

/**
 * The script (POSIX sh) that asks a host all of them. It prints for each `check N`, lines `KEY VALUE`, and `end`; texts
 * are base64.
 */
export function ownChecksScript(checks: readonly OwnCheck[], { become }: Pick<Host, 'become'>): string {
  const calls = checks.map(({ asks }, index) => `echo ${quote(`check ${index}`)}\n${callOf(asks)}\necho end`);
  return `${become === 'sudo' ? 'sudo=yes' : 'sudo=no'}\n${functions}\nmain() {\n${calls.join('\n')}\n}\nmain </dev/null\n`;
}

function callOf(asks: OwnQuestion): string {
  switch (asks.kind) {
    case 'command':
      return call(
        'ask_command',
        asks.become ? 'root' : 'user',
        asks.timeoutSeconds,
        asks.stdout ? 'out' : 'all',
        asks.run,
        asks.timeoutSeconds + 1,
      );
    case 'file':
      return call('ask_file', asks.path, asks.sha256 ? 'yes' : 'no', asks.contains ? 'yes' : 'no');
    case 'package':
      return call('ask_package', asks.name);
    case 'service':
      return call('ask_service', asks.name);
    case 'sysctl':
      return call('ask_sysctl', `/proc/sys/${sysctlPath(asks.name)}`);
    case 'port':
      return call('ask_port', asks.port.toString(16).toUpperCase().padStart(4, '0'));
    default:
      return asks satisfies never;
  }
}

function call(name: string, ...values: readonly (string | number)[]): string {
  return [name, ...values.map(value => quote(String(value)))].join(' ');
}

/** sysctl(8): where `/` comes first, it separates, and `.` is part of a name. */
function sysctlPath(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === '/' ? name : name.replaceAll(/[./]/g, each => (each === '.' ? '/' : '.'));
}

const functions = `
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
root=

# Whether we can become root; asked once, where it is needed.
may_root() {
  if [ -z "$root" ]; then
    if [ "$(id -u)" = 0 ]; then root=self
    elif [ $sudo = yes ] && sudo -n -- sh -c : </dev/null >/dev/null 2>&1; then root=sudo
    else root=no
    fi
  fi
  [ $root != no ]
}

as() {
  who=$1
  shift
  if [ "$who" = root ] && [ $root = sudo ]; then sudo -n -- "$@"; else "$@"; fi
}

unseen() { printf 'unseen %s %s\\n' "$1" "$(printf %s "$2" | head -c 300 | base64 | tr -d '\\n')"; }

# WHO SECONDS all|out TEXT READER-SECONDS. A process that it leaves behind must not hold the pipe for ever: the reader has a limit too.
ask_command() {
  if [ "$1" = root ] && ! may_root; then unseen root 'sudo refuses'; return; fi
  if ! command -v timeout base64 >/dev/null 2>&1; then unseen no 'the host has no timeout or base64'; return; fi
  exec 4>&1
  code=$({ {
    if [ "$3" = all ]; then as "$1" timeout -k 2 "$2" sh -c "$4" </dev/null 2>&1 3>&- 4>&-
    else as "$1" timeout -k 2 "$2" sh -c "$4" </dev/null 2>/dev/null 3>&- 4>&-
    fi
    echo "$?" >&3
  } | timeout "$5" cat | {
    printf 'text '
    head -c ${outputBytes + 1} | base64 | tr -d '\\n'
    echo
    cat >/dev/null
  } >&4 2>/dev/null; } 3>&1)
  exec 4>&-
  echo "exit $code"
}

# PATH HASH CONTENT
ask_file() {
  who=user
  if ! meta=$(stat -L -c '%a %U %G %F' -- "$1" 2>&1); then
    case $meta in *'No such file'* | *'Not a directory'*) echo absent; return ;; esac
    if ! may_root; then unseen root "$meta"; return; fi
    if ! meta=$(as root stat -L -c '%a %U %G %F' -- "$1" 2>&1); then
      case $meta in *'No such file'* | *'Not a directory'*) echo absent ;; *) unseen no "$meta" ;; esac
      return
    fi
    who=root
  fi
  [ "$2$3" = nono ] && { echo "file $meta"; return; }
  case $meta in *' regular '*) ;; *) unseen no "not a regular file"; return ;; esac
  if [ $who = user ] && [ ! -r "$1" ]; then
    if ! may_root; then unseen root 'permission denied'; return; fi
    who=root
  fi
  [ "$2" = yes ] && printf 'hash %s\\n' "$(as $who timeout ${ownSeconds} sh -c 'sha256sum <"$1"' sh "$1" 2>/dev/null | head -c 64)"
  [ "$3" = yes ] && printf 'text %s\\n' "$(as $who timeout ${ownSeconds} head -c ${contentBytes + 1} -- "$1" 2>/dev/null | base64 | tr -d '\\n')"
  echo "file $meta"
}

ask_package() {
  if ! command -v dpkg-query >/dev/null 2>&1; then unseen no 'the host has no dpkg-query'; return; fi
  timeout ${ownSeconds} dpkg-query -W -f '\${db:Status-Abbrev}|\${Version}\\n' -- "$1" 2>/dev/null | while read -r line; do echo "package $line"; done
  echo asked
}

ask_service() {
  if [ -d /run/systemd/system ]; then
    timeout ${ownSeconds} systemctl is-active --quiet -- "$1" 2>/dev/null && echo running
    timeout ${ownSeconds} systemctl is-enabled --quiet -- "$1" 2>/dev/null && echo enabled
  else
    if ! command -v service >/dev/null 2>&1; then unseen no 'the host has neither systemd nor service'; return; fi
    timeout ${ownSeconds} service "$1" status >/dev/null 2>&1 && echo running
    for link in /etc/rc[2345].d/S[0-9][0-9]"$1"; do
      [ -e "$link" ] && { echo enabled; break; }
    done
  fi
  echo asked
}

ask_sysctl() {
  if [ ! -e "$1" ]; then echo asked; return; fi
  if value=$(cat -- "$1" 2>/dev/null) || { may_root && value=$(as root cat -- "$1" 2>/dev/null); }; then
    printf 'text %s\\n' "$(printf %s "$value" | head -c ${outputBytes} | base64 | tr -d '\\n')"
    echo asked
  else unseen root 'it cannot be read'
  fi
}

ask_port() {
  for table in tcp tcp6; do
    [ -r /proc/net/$table ] || continue
    while read -r at local peer state more; do
      case $local:$state in *:$1:0A) echo "net $table $at $local $peer $state $more" ;; esac
    done </proc/net/$table
  done
  echo asked
}
`;
