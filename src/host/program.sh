#!/bin/sh
# The host program: everything that is done as root on a host, as fixed verbs.
#
#   host VERB [name=value]…          installed at /usr/local/lib/hangar/host
#   sh -s -- VERB [name=value]…      this text on stdin
#
#   find        [service=] [pid=] [match=] [check=] [limit=5] [samples=4] [seconds=1]   processes that run Python, watched
#   evidence    pid= [start=] [samples=3] [seconds=1]     what /proc says of a process, without stopping it
#   core        pid= start= name= [dir=] [limit=240] [reserve=]    a core by gdb, in the private directory DIR/NAME;
#                                                         called again with that name: the core that is there already
#   core-frame  core= index= bytes=                       one piece of a core, compressed, on stdout
#   modules     pid= [start=]                             mapped ELF files and their build-ids
#   module      pid= [start=] range=…                     bytes of mapped files, framed and compressed, on stdout
#   read        [pid=] [start=] [max=] [total=] path=…    files as a process sees them, framed and compressed, on stdout;
#                                                         at most max= bytes of one, total= of all that are sent
#   recover     service= mode= [pid=] [start=] [restart=] [check=] [limit=90] [checklimit=3] [key=]
#                                                         brings a service back; once only for each key
#   outcome     name= [dir=] | key=                       what became of a capture or a recovery; changes nothing
#   stop        directory=                                ends a capture that is still running there
#   facts       [package=PATTERN…] [want=NAME…] [file=PATH…] [sysctl=NAME…] [service=NAME|MATCH…] [cores=DIR]
#               [repository=DISTRIBUTION|URL|SUITE|KEYRING…] [refusal=]     how ready the host is; changes nothing
#   clean       directory= | key= [deferred=]             removes what a capture, or a recovery, left; deferred=yes: of
#                                                         a recovery that runs as soon as that ends
#
# Results are lines on stdout. A failure is one line on stderr, `error CODE text`, and one of these exit codes:
#   2 USAGE   10 PROCESS_GONE   11 GDB_MISSING   12 DISK_TOO_SMALL   13 GCORE_FAILED   14 GCORE_TIMEOUT
#   15 CORE_INCOMPLETE   16 SERVICE_NOT_RUNNING   17 NO_PYTHON_PROCESS   18 NOT_OURS   19 FILE_UNREADABLE
#   20 RECOVER_FAILED   21 RECOVER_NO_ANSWER   22 TOOL_MISSING   23 TARGET_STOPPED   24 CANCELLED   25 STILL_RUNNING
#   26 NOT_PERMITTED   27 TARGET_UNINTERRUPTIBLE
#
# NAME and KEY are lowercase hex. Who called may be gone in the middle, and call again: what was done is kept with the
# files of a capture, or in the private directory KEY.recover of a recovery, before it is printed, until `clean`.
#
# Written for dash and busybox sh with coreutils or busybox, grep, sed, awk. No Python, no binutils.
set -u
umask 077
LC_ALL=C
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin
# Who calls the installed program through sudo has no say in which programs root runs.
case $0 in /usr/local/lib/hangar/host) PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ;; esac
export LC_ALL PATH
unset http_proxy HTTP_PROXY ALL_PROXY all_proxy DEBUGINFOD_URLS

# Beside the installed program: the SHA-256 of each command that it may run for somebody whom sudo lets call it.
permitted=/usr/local/lib/hangar/commands

main() {
  verb=${1:-}
  [ "$#" -gt 0 ] && shift
  case $verb in
    find | evidence | core | modules | module | read | recover | outcome | stop | clean | facts) run_verb "$verb" "$@" ;;
    core-frame) run_verb core_frame "$@" ;;
    *) fail USAGE 2 "no verb '$verb': expected find, evidence, core, core-frame, modules, module, read, recover, outcome, stop, clean or facts" ;;
  esac
}

run_verb() {
  function=verb_$1
  shift
  service='' pid='' match='' check='' limit='' samples='' seconds='' start='' name='' dir='' reserve='' core='' index=''
  bytes='' max='' total='' mode='' restart='' checklimit='' directory='' key='' deferred='' cores='' refusal=''
  for argument in "$@"; do
    case $argument in
      service=*) service=${argument#*=} ;;
      pid=*) pid=${argument#*=} ;;
      match=*) match=${argument#*=} ;;
      check=*) check=${argument#*=} ;;
      limit=*) limit=${argument#*=} ;;
      samples=*) samples=${argument#*=} ;;
      seconds=*) seconds=${argument#*=} ;;
      start=*) start=${argument#*=} ;;
      name=*) name=${argument#*=} ;;
      dir=*) dir=${argument#*=} ;;
      reserve=*) reserve=${argument#*=} ;;
      core=*) core=${argument#*=} ;;
      index=*) index=${argument#*=} ;;
      bytes=*) bytes=${argument#*=} ;;
      max=*) max=${argument#*=} ;;
      total=*) total=${argument#*=} ;;
      mode=*) mode=${argument#*=} ;;
      restart=*) restart=${argument#*=} ;;
      checklimit=*) checklimit=${argument#*=} ;;
      directory=*) directory=${argument#*=} ;;
      key=*) key=${argument#*=} ;;
      deferred=*) deferred=${argument#*=} ;;
      cores=*) cores=${argument#*=} ;;
      refusal=*) refusal=${argument#*=} ;;
      range=* | path=* | package=* | want=* | file=* | sysctl=* | repository=*) ;;
      *) fail USAGE 2 "unexpected argument '$argument'" ;;
    esac
  done
  "$function" "$@"
}

# --- find ------------------------------------------------------------------------------------------------------------

verb_find() {
  limit=${limit:-5} samples=${samples:-4} seconds=${seconds:-1}
  need_number limit "$limit" && need_number samples "$samples" && need_number seconds "$seconds"
  need_permission "$check"
  if [ -n "$pid" ]; then
    need_process
    members=$pid how="pid $pid"
    candidates=$pid
  else
    need_service
    find_members
    find_candidates
  fi
  printf 'clk_tck %s\n' "$(clock_ticks)"
  printf 'btime %s\n' "$(sed -n 's/^btime //p' /proc/stat)"
  printf 'how %s\n' "$how"
  for each in $candidates; do describe_candidate "$each"; done
  sockets=$(socket_inodes "$members")
  # Side by side: a check stirs a process that lives, and shows that one that hangs does not move. The samples are held
  # back meanwhile: written in blocks, they would take the check's line into the middle of one of theirs.
  run_check "$check" "$limit" &
  checking=$!
  looks=$(take_samples "$candidates")
  wait "$checking"
  printf '%s\n' "$looks"
}

# $samples looks at the given processes, spread over $seconds.
take_samples() {
  pause=$(awk -v s="$seconds" -v n="$samples" 'BEGIN { if (n > 1) s /= n - 1; printf "%.2f", s }')
  sample=0
  while [ "$sample" -lt "$samples" ]; do
    [ "$sample" -gt 0 ] && sleep "$pause"
    take_sample "$1" "s$sample"
    sample=$((sample + 1))
  done
}

# The processes of the service, in $members (one a line), and where they were found, in $how.
find_members() {
  members='' how=''
  if [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
    group=$(systemctl show -p ControlGroup -- "$service" 2>/dev/null | sed -n 's/^ControlGroup=//p')
    for base in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
      if [ -z "$group" ] || [ ! -d "$base$group" ]; then continue; fi
      members=$(find "$base$group" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -nu)
      [ -n "$members" ] && how="systemd $group" && return
    done
  fi
  for file in $(pid_files); do
    [ -r "$file" ] || continue
    read -r leader _ <"$file" 2>/dev/null || continue
    if ! is_number "$leader" || [ ! -d "/proc/$leader" ]; then continue; fi
    members=$(with_children "$leader") how="pidfile $file"
    return
  done
  # comm holds 15 bytes.
  leaders=$(grep -slxF -- "$(printf '%.15s' "$service")" /proc/[0-9]*/comm | cut -d/ -f3)
  if [ -n "$leaders" ]; then
    members=$(with_children "$leaders") how="name $service"
    return
  fi
  if [ -n "$match" ]; then
    members=$(python_among "$(all_processes)" | matching "$match") how="match $match"
  else
    members=$(python_among "$(all_processes)" | matching "$service") how="command line with $service"
  fi
  [ -n "$members" ] || fail SERVICE_NOT_RUNNING 16 "no process of service '$service' runs: no systemd unit, pid file, process name or command line speaks of it"
}

pid_files() {
  printf '%s\n' "/run/$service.pid" "/run/$service/$service.pid" "/run/$service/pid" "/var/run/$service.pid" "/var/run/$service/$service.pid"
  # A path with shell in it is left out: it is only read, never run.
  [ -r "/etc/init.d/$service" ] &&
    sed -n 's/^[[:space:]]*PIDFILE=["'\'']\{0,1\}\(\/[A-Za-z0-9_.\/-]*\).*/\1/p' "/etc/init.d/$service"
}

all_processes() {
  for each in /proc/[0-9]*; do printf '%s\n' "${each#/proc/}"; done
}

# The given processes and all their descendants.
with_children() {
  grep -sH '^PPid:' /proc/[0-9]*/status | awk -v roots="$1" '
    BEGIN { count = split(roots, list); for (i = 1; i <= count; i++) kept[list[i]] = 1 }
    { split($1, path, "/"); parent[path[3]] = $2 }
    END {
      do {
        grown = 0
        for (p in parent) if (!(p in kept) && (parent[p] in kept)) { kept[p] = 1; grown = 1 }
      } while (grown)
      for (p in kept) print p
    }' | sort -n
}

find_candidates() {
  pythons=$(python_among "$members")
  [ -n "$pythons" ] || fail NO_PYTHON_PROCESS 17 "no process of service '$service' runs Python ($how): $(printf '%s' "$members" | tr '\n' ' ')"
  candidates=$pythons
  [ -n "$match" ] || return
  candidates=$(printf '%s\n' "$pythons" | matching "$match")
  [ -n "$candidates" ] || fail NO_PYTHON_PROCESS 17 "no Python process of service '$service' has '$match' in its command line: $(printf '%s' "$pythons" | tr '\n' ' ')"
}

# Those that have Python itself in memory: its library, its executable, or what embeds it.
python_among() {
  files=''
  for each in $1; do files="$files /proc/$each/maps"; done
  [ -n "$files" ] || return 0
  # shellcheck disable=SC2086 # numbers
  grep -slE '/(libpython[0-9][^/]*\.so[^/]*|python[0-9.]*[a-z]*|pypy[0-9.]*|mod_wsgi[^/]*\.so|uwsgi[^/]*)( \(deleted\))?$' $files |
    cut -d/ -f3
}

# Filters process numbers on stdin by a substring of the command line; never this program's own.
matching() {
  while read -r each; do
    [ "$each" = "$$" ] && continue
    case $(command_line "$each") in *"$1"*) printf '%s\n' "$each" ;; esac
  done
}

command_line() {
  tr '\000\n\r\t' '    ' 2>/dev/null <"/proc/$1/cmdline" | sed 's/ *$//'
}

describe_candidate() {
  read_stat "$1" || return 0
  printf 'candidate %s start=%s ppid=%s user=%s\n' "$1" "$process_start" "$process_parent" "$(stat -c %U "/proc/$1" 2>/dev/null)"
  printf 'command %s %s\n' "$1" "$(command_line "$1")"
  printf 'exe %s %s\n' "$1" "$(readlink "/proc/$1/exe")"
}

socket_inodes() {
  directories=''
  for each in $1; do directories="$directories /proc/$each/fd"; done
  # shellcheck disable=SC2086,SC2012 # numbers; ls prints what the links say
  ls -l $directories 2>/dev/null | sed -n 's/.* -> socket:\[\([0-9]*\)\]$/\1/p' | sort -u | tr '\n' ' '
}

# One look at every thread of the given processes and at the listening sockets.
take_sample() {
  read -r uptime _ </proc/uptime
  printf '%s uptime %s\n' "$2" "$uptime"
  for each in $1; do
    {
      grep -sH '' /proc/"$each"/task/*/stat /proc/"$each"/task/*/schedstat /proc/"$each"/task/*/syscall /proc/"$each"/task/*/wchan
      grep -sH ctxt_switches /proc/"$each"/task/*/status
    } | sed "s/^/$2 /"
  done
  for each in $1; do
    listening "$each" | sed "s/^/$2 listen /"
    break
  done
}

# `LOCAL WAITING` of the members' listening sockets (state 0A), as /proc/net/tcp writes them.
listening() {
  cat "/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2>/dev/null | awk -v inodes="$sockets" '
    BEGIN { count = split(inodes, list); for (i = 1; i <= count; i++) ours[list[i]] = 1 }
    $4 == "0A" && ($10 in ours) { split($5, queue, ":"); print $2, queue[2] }'
}

# Asks the service once: `check OUTCOME SECONDS DETAIL`; answered, failed (it says no), silent (no answer in time),
# refused (nobody listens), unknown (cannot be asked).
run_check() {
  if [ -z "$1" ]; then
    printf 'check unknown 0 no check is known\n'
    return
  fi
  stopwatch=$(centiseconds)
  case $1 in
    http://* | https://*) check_url "$1" "$2" ;;
    *) check_command "$1" "$2" ;;
  esac
  printf 'check %s %s %s\n' "$outcome" "$(since "$stopwatch")" "$detail"
}

check_url() {
  if command -v curl >/dev/null 2>&1; then
    status=$(curl -sk -o /dev/null --noproxy '*' --max-time "$2" -w '%{http_code}' -- "$1" 2>/dev/null </dev/null)
    code=$?
    case $code in
      0) judge_status "$status" ;;
      6 | 7) outcome=refused detail="nobody listens at $1" ;;
      28) outcome=silent detail="no answer from $1 within $2 s" ;;
      *) outcome=failed detail="curl $1 ended with $code" ;;
    esac
  elif command -v wget >/dev/null 2>&1; then
    answer=$(timeout "$2" wget -q -S -O /dev/null -T "$2" "$1" 2>&1 </dev/null)
    code=$?
    status=$(printf '%s\n' "$answer" | sed -n 's/.*HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' | tail -n 1)
    if [ -n "$status" ]; then
      judge_status "$status"
    else
      case "$code $answer" in
        0\ *) outcome=answered detail="$1 answered" ;;
        *refused*) outcome=refused detail="nobody listens at $1" ;;
        124\ * | 143\ * | *[Tt]imed\ out* | *[Tt]imeout*) outcome=silent detail="no answer from $1 within $2 s" ;;
        *) outcome=failed detail="wget $1 ended with $code" ;;
      esac
    fi
  else
    outcome=unknown detail='neither curl nor wget is here to ask it'
  fi
}

judge_status() {
  case $1 in
    5??) outcome=failed detail="HTTP status $1" ;;
    *) outcome=answered detail="HTTP status $1" ;;
  esac
}

check_command() {
  (
    umask 022
    exec timeout -k 1 "$2" sh -c "$1"
  ) >/dev/null 2>&1 </dev/null
  code=$?
  case $code in
    0) outcome=answered detail="'$1' succeeded" ;;
    124 | 137 | 143) outcome=silent detail="'$1' did not end within $2 s" ;;
    126 | 127) outcome=unknown detail="'$1' cannot be run (exit code $code)" ;;
    *) outcome=failed detail="'$1' ended with $code" ;;
  esac
}

# --- evidence --------------------------------------------------------------------------------------------------------

verb_evidence() {
  samples=${samples:-3} seconds=${seconds:-1}
  need_number samples "$samples" && need_number seconds "$seconds"
  need_process
  printf 'pid %s\nstart %s\ntaken %s\n' "$pid" "$process_start" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
  printf 'clk_tck %s\nbtime %s\n' "$(clock_ticks)" "$(sed -n 's/^btime //p' /proc/stat)"
  printf 'uname %s\n' "$(uname -srm)"
  printf 'user %s\n' "$(stat -c %U "/proc/$pid" 2>/dev/null)"
  printf 'exe %s\n' "$(readlink "/proc/$pid/exe")"
  tr '\n\000' ' \n' 2>/dev/null <"/proc/$pid/cmdline" | sed 's/^/arg /'
  sockets=$(socket_inodes "$pid")
  take_samples "$pid"
  need_process
  grep -sHE '^(Name|State|NSpid|SigBlk|SigIgn|Cpus_allowed_list):' /proc/"$pid"/task/*/status
  grep -sH '' /proc/"$pid"/task/*/stack
  grep -sH '' "/proc/$pid/stat" "/proc/$pid/status" "/proc/$pid/cgroup" "/proc/$pid/limits" "/proc/$pid/maps" "/proc/$pid/mountinfo" /proc/"$pid"/fdinfo/*
  grep -sH '' /etc/os-release /proc/loadavg
  tracer=$(sed -n 's/^TracerPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
  [ "${tracer:-0}" = 0 ] || printf 'tracer %s %s\n' "$tracer" "$(tr '\n' ' ' 2>/dev/null <"/proc/$tracer/comm")"
  [ -r "/proc/$pid/task/$pid/stack" ] || gap 'kernel stacks' "/proc/$pid/task/$pid/stack cannot be read" 'log in as root or with sudo'
  # shellcheck disable=SC2012 # the links' texts are what is asked
  if ls -l "/proc/$pid/fd" >/dev/null 2>&1; then
    ls -l "/proc/$pid/fd" 2>/dev/null | sed -n 's/.* \([0-9][0-9]*\) -> \(.*\)$/fd \1 \2/p'
  else
    gap 'open files' "/proc/$pid/fd cannot be read" 'log in as root or with sudo'
  fi
  for table in tcp tcp6 udp udp6 unix; do
    awk -v inodes="$sockets" -v table="$table" '
      BEGIN { count = split(inodes, list); for (i = 1; i <= count; i++) ours[list[i]] = 1 }
      (table == "unix" ? $7 : $10) in ours { print "net", table, $0 }' "/proc/$pid/net/$table" 2>/dev/null
  done
  print_partners
  print_environment
  printf 'memory %s\n' "$(estimate)"
  print_packages
  printf 'end\n'
}

gap() {
  printf 'gap %s|%s|%s\n' "$1" "$2" "$3"
}

# Who holds the other end of this process's pipes, and of its TCP connections within the host.
print_partners() {
  {
    for table in tcp tcp6; do sed 's/^/net /' "/proc/$pid/net/$table" 2>/dev/null; done
    # shellcheck disable=SC2012 # the links' texts are what is asked
    ls -l /proc/[0-9]*/fd 2>/dev/null
  } | awk -v pid="$pid" -v inodes="$sockets" '
    BEGIN { count = split(inodes, list); for (i = 1; i <= count; i++) ours[list[i]] = 1 }
    $1 == "net" { local[$11] = $3; remote[$11] = $4; owner[$3 " " $4] = $11; next }
    /^\/proc\/[0-9]+\/fd:$/ { split($0, path, "/"); at = path[3]; next }
    / -> (pipe|socket):\[[0-9]+\]$/ {
      target = $NF
      if (at == pid) mine[target] = 1
      else if (!((target, at) in seen)) { seen[target, at] = 1; holders[target] = holders[target] " " at }
    }
    END {
      for (target in mine) if (target ~ /^pipe/) {
        count = split(holders[target], list)
        for (i = 1; i <= count && i <= 4; i++) print target, list[i]
      }
      for (inode in ours) if (inode in local) {
        peer = owner[remote[inode] " " local[inode]]
        if (peer == "" || peer == "0") continue
        count = split(holders["socket:[" peer "]"], list)
        for (i = 1; i <= count && i <= 4; i++) print "socket:[" inode "]", list[i]
      }
    }' | while read -r target each; do
    printf 'partner %s %s %s\n' "$target" "$each" "$(tr '\n' ' ' 2>/dev/null <"/proc/$each/comm")"
  done
}

# Secrets stay on the host: values are masked by name, and where they hold a login.
print_environment() {
  if [ ! -r "/proc/$pid/environ" ]; then
    gap environment "/proc/$pid/environ cannot be read" 'log in as root or with sudo'
    return
  fi
  tr '\n\000' ' \n' 2>/dev/null <"/proc/$pid/environ" | awk '
    {
      at = index($0, "="); if (at < 2) next
      name = substr($0, 1, at - 1); value = substr($0, at + 1)
      if (toupper(name) ~ /KEY|SECRET|TOKEN|PASS|_PWD$|CRED|AUTH|DSN|URL|URI|COOKIE|SESSION|PRIVATE|SIGN|SALT|CONN|LICEN|CERT|WEBHOOK/ || value ~ /:\/\/[^\/]*@/)
        value = "<masked>"
      print "env " name "=" substr(value, 1, 512)
    }'
}

# Bytes that a core of $pid may need: `dense`, all pages of the mappings it holds; `resident`, those in use (swap too).
estimate() {
  awk '
    function settle() {
      anonymously = path == "" || path ~ /^\[/ || anonymous > 0
      # The first page of a file tells its build-id; gdb then writes that whole mapping (coredump_filter, bit 4).
      kept = perms ~ /p/ ? anonymously || perms ~ /w/ || offset ~ /^0*$/ : path == "" || path ~ /^\/(SYSV|dev\/zero|memfd:)/
      if (kept && path !~ /^\[vvar/) { dense += size; resident += rss + swap }
      all += rss
    }
    /^[0-9a-f]+-[0-9a-f]+ / { if (perms != "") settle(); perms = $2; offset = $3; path = $6; size = rss = swap = anonymous = 0; next }
    $1 == "Size:" { size = $2 } $1 == "Rss:" { rss = $2 } $1 == "Swap:" { swap = $2 } $1 == "Anonymous:" { anonymous = $2 }
    END { if (perms != "") settle(); printf "dense=%.0f resident=%.0f rss=%.0f", dense * 1024, resident * 1024, all * 1024 }
  ' "/proc/$pid/smaps" 2>/dev/null
}

print_packages() {
  command -v dpkg-query >/dev/null 2>&1 || return 0
  if [ "$(stat -L -c %d:%i "/proc/$pid/root/." 2>/dev/null)" != "$(stat -L -c %d:%i /. 2>/dev/null)" ]; then
    gap packages "process $pid has another root directory than the host's package database" ''
    return
  fi
  mapped=$(mapped_files | grep '^/[A-Za-z0-9_./+:~@-]*$' | sort -u)
  [ -n "$mapped" ] || return 0
  # Packages name a file as they shipped it, /lib or /usr/lib, whatever the merged directories say now.
  # shellcheck disable=SC2046,SC2086 # names without blanks, by the filter above
  owners=$(dpkg-query -S -- $(printf '%s\n' $mapped | sed -n 'p;s/^\/usr\//\//p') 2>/dev/null | grep -v '^diversion ')
  names=$(printf '%s\n' "$owners" | sed 's/: \/.*//;s/, /\n/g' | sort -u)
  # shellcheck disable=SC2086 # package names
  printf '%s\n' "$owners" | sed -n 's/^/owner /p'
  # shellcheck disable=SC2016,SC2086 # dpkg's own fields; package names
  [ -n "$names" ] && dpkg-query -W -f 'package ${binary:Package} ${Version}\n' -- $names 2>/dev/null
  return 0
}

mapped_files() {
  sed -n 's/^[0-9a-f]*-[0-9a-f]* [^ ]* [^ ]* [^ ]* [1-9][0-9]* *\(\/.*\)$/\1/p' "/proc/$pid/maps" | sed 's/ (deleted)$//'
}

# --- core ------------------------------------------------------------------------------------------------------------

# Runs gdb in a session of its own and watches the shell that asks for it: when that is gone, or the limit is over, gdb
# ends, and the process is again what it was: running, or stopped.
# shellcheck disable=SC2016 # expanded by the shell that runs it
guard='
directory=$1 limit=$2 target=$3 before=$4 files=$5
shift 5
printf "%s\n" "$$" >"$directory/guard"
setsid timeout -k 2 "$limit" "$@" >"$directory/gdb.log" 2>&1 </dev/null &
group=$!
printf "%s\n" "$group" >"$directory/group"
while kill -0 "$group" 2>/dev/null; do
  # Read anew each time: a later call may have joined.
  asker=$(cat "$directory/asker" 2>/dev/null)
  case $(cat "/proc/$asker/stat" 2>/dev/null) in
    "" | *") Z "*)
      kill -TERM "-$group" 2>/dev/null
      sleep 0.3
      kill -KILL "-$group" 2>/dev/null
      wait "$group" 2>/dev/null
      case "$before $(cat "/proc/$target/stat" 2>/dev/null)" in
        T*") "[RSDI]" "*) kill -STOP "$target" ;;
        T*) ;;
        *") T "*) kill -CONT "$target" ;;
        *) if grep -qsE "^SigPnd:.*[4-7c-f][0-9a-f]{4}$" "/proc/$target/task/"*/status; then kill -CONT "$target"; fi ;;
      esac
      for file in $files; do rm -f "$directory/$file"; done
      rm -f "$directory"/new.*
      rmdir "$directory"
      exit 1
      ;;
  esac
  sleep 0.1
done
wait "$group"
printf "%s\n" "$?" >"$directory/new.exit"
mv "$directory/new.exit" "$directory/exit"
'

# gcore gives a section up at the first page that it cannot read and leaves the rest of it empty. glibc 2.42 keeps the
# guard pages of thread stacks inside their mapping (madvise(2), MADV_GUARD_INSTALL): gdb 13 loses whole stacks, 18 does
# not. Run by gdb while the process stands still: takes from /proc/PID/mem what gdb said that it could not read.
# shellcheck disable=SC2016 # expanded by the shell that runs it
fill='
core=$1 process=$2 log=$3
# 64 bit
[ "$(od -An -tu1 -j 4 -N 1 "$core" | tr -d " ")" = 2 ] || exit 0
failed=""
# No more digits than user space has: there is a page of the kernel that nobody can read.
for address in $(sed -n "s/^warning: Memory read failed for corefile section, [0-9]* bytes at \(0x[0-9a-f]\{1,12\}\)\.$/\1/p" "$log"); do
  failed="$failed $((address))"
done
[ -n "$failed" ] || exit 0
set -- $(od -An -tu8 -j 32 -N 8 "$core") $(od -An -tu2 -j 56 -N 2 "$core")
# Program headers (elf(5)) as words: p_offset, p_vaddr and p_filesz are the second, third and fifth.
od -An -v -w56 -tu8 -j "$1" -N $(($2 * 56)) "$core" | awk -v failed="$failed" "
  BEGIN { count = split(failed, at, \" \") }
  { for (i = 1; i <= count; i++) if (at[i] >= \$3 && at[i] < \$3 + \$5)
      printf \"%.0f %.0f %.0f\\n\", at[i] / 4096, \$2 + at[i] - \$3, (\$3 + \$5 - at[i]) / 4096 }
" | while read -r page offset pages; do
  # A guard is a few pages; what is longer is no memory.
  bad=0
  while [ "$pages" -gt 0 ] && [ "$bad" -lt 64 ]; do
    copied=$(dd if="/proc/$process/mem" of="$core" bs=4096 skip="$page" seek="$offset" oflag=seek_bytes \
      count="$pages" conv=notrunc 2>&1 | sed -n "s/^\([0-9]*\)+[0-9]* records out$/\1/p")
    if [ "${copied:-0}" -gt 0 ]; then bad=0; else copied=1 bad=$((bad + 1)); fi
    page=$((page + copied)) offset=$((offset + copied * 4096)) pages=$((pages - copied))
  done
done
'

# All that a capture keeps in its directory, beside new.* (see `put`) and frame.*.
capture_files='core gdb.log clock guard group exit asker result .hangar'

verb_core() {
  limit=${limit:-240} reserve=${reserve:-16777216}
  need_number limit "$limit" && need_number reserve "$reserve"
  # To timeout(1) 0 means no limit at all.
  [ "$limit" -gt 0 ] || fail USAGE 2 "limit '$limit' is not above 0"
  choose_capture
  # A lost controller shows as a write that fails; without this the shell would die of it before it cleans up.
  trap '' PIPE
  trap 'give_up; fail CANCELLED 24 "stopped by a signal"' HUP INT TERM
  former=''
  take_up_capture || start_capture
  await_capture
  if was_being_ended; then
    remove_directory
    start_capture
    await_capture
  fi
  ended=$(cat "$directory/exit" 2>/dev/null)
  judge_core
  captured=$(printf 'directory %s\ncore %s\nbytes %s\nstored %s\nstopped %s\nat %s\ngdb %s\npid %s\nstart %s\nend' \
    "$directory" "$directory/core" "$core_bytes" "$(stat -c '%b %B' "$directory/core" | awk '{ printf "%.0f", $1 * $2 }')" \
    "$stopped" "$began" "$(gdb_version)" "$pid" "$start")
  put result "$captured"
  # From here on the core is worth more than its reader.
  trap - HUP INT TERM
  printf '%s\n' "$captured" 2>/dev/null
}

# Sets $directory and $id of the capture $name; nothing needs to be there.
choose_capture() {
  need_key name "$name"
  choose_base
  directory=$dir/$name id=$name
}

need_key() {
  case $2 in '' | *[!0-9a-f]*) fail USAGE 2 "$1 '$2' is not lowercase hex" ;; esac
  [ "${#2}" -ge 8 ] || fail USAGE 2 "$1 '$2' has fewer than 8 digits"
}

# The directory $dir that the private ones are in: root has one, and so has everybody else.
choose_base() {
  me=$(id -u)
  if [ -z "$dir" ]; then
    dir=/var/tmp/hangar
    [ "$me" = 0 ] || dir=/var/tmp/hangar-$me
  fi
  case $dir in
    /*[!A-Za-z0-9_./-]* | [!/]* | *..*) fail USAGE 2 "directory '$dir' is not a plain absolute path" ;;
  esac
}

# What an earlier call with this name left: prints its result and ends, or joins it. Fails where there is nothing to
# join, with the leftovers removed.
take_up_capture() {
  is_there "$directory" || return 1
  need_private_directory
  await_owner asker || { remove_directory; return 1; }
  read -r owner owner_start state_before began <"$directory/.hangar"
  [ "$owner ${start:-$owner_start}" = "$pid $owner_start" ] || fail NOT_OURS 18 "'$directory' is of process $owner that started at tick $owner_start, not of $pid"
  start=$owner_start
  if result_holds; then
    cat "$directory/result"
    exit 0
  fi
  join_capture && return 0
  end_capture
  return 1
}

# Takes the place of the call that began the capture: from here on gdb lives and ends with this one.
join_capture() {
  former=$(cat "$directory/asker" 2>/dev/null)
  # It may be about to start gdb.
  until guarding=$(cat "$directory/guard" 2>/dev/null) && [ -n "$guarding" ]; do
    works "$former" || return 1
    sleep 0.1
  done
  works "$guarding" || works "$former" || return 1
  put asker "$$" 2>/dev/null || return 1
  printf 'directory %s\n' "$directory" 2>/dev/null || { give_up; exit 24; }
}

# Joined too late: the earlier call had lost its reader and was ending gdb just then.
was_being_ended() {
  [ -n "$former" ] || return 1
  [ "$(cat "$directory/exit" 2>/dev/null)" = 0 ] && return 1
  await_worker "$former"
  [ ! -e "$directory/exit" ]
}

# A core that is as long as it was when it was complete.
result_holds() {
  [ -f "$directory/result" ] || return 1
  [ "$(stat -c %s "$directory/core" 2>/dev/null)" = "$(sed -n 's/^bytes //p' "$directory/result")" ]
}

start_capture() {
  former=''
  need_process
  state_before=$process_state start=$process_start
  command -v gdb >/dev/null 2>&1 || fail GDB_MISSING 11 'gdb is not installed on this host'
  command -v setsid >/dev/null 2>&1 || fail TOOL_MISSING 22 'setsid (package util-linux) is not installed on this host'
  command -v timeout >/dev/null 2>&1 || fail TOOL_MISSING 22 'timeout (package coreutils) is not installed on this host'
  tracer=$(sed -n 's/^TracerPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
  [ "${tracer:-0}" = 0 ] || fail GCORE_FAILED 13 "process $pid is traced by process $tracer ($(tr '\n' ' ' 2>/dev/null <"/proc/$tracer/comm")): gdb cannot attach beside another debugger"
  began=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  make_directory asker "$pid $start $state_before $began"
  check_space
  printf 'directory %s\n' "$directory" 2>/dev/null || { give_up; exit 24; }
  # gdb lets a process run that was stopped by another signal than SIGSTOP: this one it finds when gdb leaves it.
  leave=''
  [ "$state_before" != T ] || leave="shell kill -STOP $pid"
  # gdb's own Python would leave its compiled files beside those of its package.
  HANGAR_FILL=$fill SHELL=/bin/sh HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1 setsid sh -c "$guard" hangar-guard "$directory" "$limit" "$pid" "$state_before" "$capture_files" \
    gdb --nx --batch --readnever -iex 'set auto-load off' \
    -ex 'set pagination off' -ex 'set height 0' -ex 'set width 0' \
    -ex "shell cat /proc/uptime >>$directory/clock" -ex "attach $pid" -ex "gcore $directory/core" \
    -ex "shell sh -c \"\$HANGAR_FILL\" hangar-fill $directory/core $pid $directory/gdb.log" ${leave:+-ex} ${leave:+"$leave"} -ex detach \
    -ex "shell cat /proc/uptime >>$directory/clock" </dev/null >/dev/null 2>&1 &
  guarding=$!
}

# Waits for gdb, and tells how far it is.
await_capture() {
  beat=0 unstoppable=''
  while [ ! -e "$directory/exit" ]; do
    guard_runs || { sleep 0.2; break; }
    sleep 0.1
    beat=$((beat + 1))
    [ $((beat % 10)) -ne 0 ] && continue
    if is_asker_another; then fail CANCELLED 24 'another call waits for this core now'; fi
    printf 'progress %s\n' "$(stat -c %s "$directory/core" 2>/dev/null)" 2>/dev/null || { give_up; exit 24; }
    [ -e "$directory/core" ] || watch_attach
  done
}

# Seconds that gdb may take to attach while a thread does not leave uninterruptible sleep: all the others stand meanwhile.
attach_patience=5

# gdb stops each thread by a signal and waits until it has stopped. One that sleeps in the kernel where no signal reaches
# it never does: gdb would wait out the limit, deaf itself.
watch_attach() {
  asleep=$(awk '
    $1 == "Pid:" { tid = $2 } $1 == "State:" { state = $2 }
    $1 == "voluntary_ctxt_switches:" && state == "D" { printf "%s:%s ", tid, $2 }' /proc/"$pid"/task/*/status 2>/dev/null)
  still=''
  for each in $unstoppable; do
    case " $asleep" in *" $each "*) still="$still$each " ;; esac
  done
  [ "$beat" -le 10 ] && still=$asleep
  unstoppable=$still
  if [ -z "$unstoppable" ] || [ "$beat" -lt $((attach_patience * 10)) ]; then return 0; fi
  fail_unstoppable
}

# Names the threads of $unstoppable (`TID:SWITCHES`), and where in the kernel the first one sleeps.
fail_unstoppable() {
  # shellcheck disable=SC2086 # words
  set -- $unstoppable
  where=$(cat "/proc/$pid/task/${1%%:*}/wchan" 2>/dev/null)
  who="thread ${1%%:*} ($(tr '\n' ' ' 2>/dev/null <"/proc/$pid/task/${1%%:*}/comm" | sed 's/ *$//'))"
  [ "$#" -le 1 ] || who="$who and $(($# - 1)) more"
  case $where in '' | 0) where='' ;; *) where=" in $where" ;; esac
  end_capture
  fail TARGET_UNINTERRUPTIBLE 27 "$who of process $pid sleeps in the kernel$where, uninterruptible (state D): gdb cannot stop it, so that no core can be taken; the process goes on"
}

# A child of ours has no command line while it becomes the guard, another call's child may be a zombie that nobody reaps.
guard_runs() {
  if [ -n "$former" ]; then works "$guarding"; else kill -0 "$guarding" 2>/dev/null; fi
}

# Whoever joined last has the say; none does once the files are being removed.
is_asker() {
  [ "$(cat "$directory/asker" 2>/dev/null)" = "$$" ]
}

is_asker_another() {
  case $(cat "$directory/asker" 2>/dev/null) in '' | "$$") return 1 ;; esac
}

# Ends the capture, unless it is complete or another call's.
give_up() {
  is_asker && [ ! -e "$directory/result" ] && end_capture
}

# The private directory $directory, new, with the shell that has it in the file named first, and the line .hangar.
make_directory() {
  mkdir -p -- "$dir" 2>/dev/null || fail NOT_OURS 18 "directory '$dir' cannot be made"
  # Whoever may rename entries here could put another file in the core's place.
  case $(stat -c '%u %a %F' -- "$dir") in
    "$me 7"[0145][0145]" directory" | "0 7"[0145][0145]" directory" | "0 17"??" directory") ;;
    *) fail NOT_OURS 18 "directory '$dir' is not safe: expected a directory of $(id -un) that nobody else can write" ;;
  esac
  mkdir -m 700 -- "$directory" 2>/dev/null || fail NOT_OURS 18 "directory '$directory' cannot be made, or is there already"
  put "$1" "$$"
  put .hangar "$2"
}

# Another call may be in the middle of `make_directory`; fails where none is.
await_owner() {
  tries=0
  while [ ! -s "$directory/.hangar" ]; do
    [ "$tries" -lt 10 ] || works "$(cat "$directory/$1" 2>/dev/null)" || return 1
    sleep 0.1
    tries=$((tries + 1))
  done
}

# Writes a file of $directory in one go: who reads it finds the whole of it, or the former one.
put() {
  printf '%s\n' "$2" >"$directory/new.$$" && mv -f -- "$directory/new.$$" "$directory/$1"
}

# gdb before 15 writes every page of a mapping, later ones leave holes for those never used.
check_space() {
  estimated=$(estimate)
  [ -n "$estimated" ] || { remove_directory; fail PROCESS_GONE 10 "the memory of process $pid cannot be read"; }
  case $(gdb_version) in
    1[5-9].* | [2-9][0-9].*) needed=${estimated#*resident=} needed=${needed%% *} ;;
    *) needed=${estimated#dense=} needed=${needed%% *} ;;
  esac
  # busybox and coreutils alike: kilobytes free, fourth field of the last line.
  free=$(df -Pk -- "$directory" | awk 'END { printf "%.0f", $4 * 1024 }')
  enough=$(awk -v f="$free" -v n="$needed" -v r="$reserve" 'BEGIN { print (f >= n + r ? "yes" : "no") }')
  [ "$enough" = yes ] && return
  remove_directory
  fail DISK_TOO_SMALL 12 "$dir has $free bytes free, a core of process $pid may need $needed (and $reserve are to stay free)"
}

gdb_version() {
  PYTHONDONTWRITEBYTECODE=1 gdb --version 2>/dev/null </dev/null | sed -n '1s/.* \([0-9][0-9]*\.[0-9][0-9.]*\).*/\1/p'
}

# Sets $core_bytes and $stopped, or fails: complete, and the process as it was.
judge_core() {
  said=$(grep -v '^\[New LWP\|^warning: \|^$' "$directory/gdb.log" 2>/dev/null | tail -n 2 | tr '\n' ' ')
  settle_target
  case ${ended:-none} in
    124 | 137)
      [ -z "$unstoppable" ] || [ -e "$directory/core" ] || fail_unstoppable
      end_capture
      fail GCORE_TIMEOUT 14 "gdb did not finish within $limit s; process $pid goes on"
      ;;
  esac
  if ! same_process; then
    end_capture
    fail PROCESS_GONE 10 "process $pid ended while its core was taken"
  fi
  if [ ! -s "$directory/core" ]; then
    end_capture
    fail GCORE_FAILED 13 "gdb wrote no core of process $pid (exit code ${ended:-unknown}): $said"
  fi
  core_bytes=$(stat -c %s "$directory/core")
  wanted=$(core_extent "$directory/core")
  case $wanted in
    '' | bad*)
      end_capture
      fail CORE_INCOMPLETE 15 "the core of process $pid is not an ELF core: $said"
      ;;
  esac
  if [ "$(awk -v a="$core_bytes" -v b="$wanted" 'BEGIN { print (a >= b ? "yes" : "no") }')" = no ]; then
    end_capture
    fail CORE_INCOMPLETE 15 "the core of process $pid has $core_bytes bytes, its program headers need $wanted: $said"
  fi
  # Saved says that gdb itself had no complaint on the way.
  case $(grep -c '^Saved corefile ' "$directory/gdb.log") in
    0) end_capture; fail GCORE_FAILED 13 "gdb did not say that it saved the core (exit code ${ended:-unknown}): $said" ;;
  esac
  case "$state_before $state_now" in
    'T T' | [!T]' '[RSDI]) ;;
    *) fail TARGET_STOPPED 23 "process $pid is in state $state_now after its core was taken (before: $state_before)" ;;
  esac
  # gdb reads the monotonic clock itself just before it attaches and just after it detached: never too little.
  stopped=$(awk 'NR == 1 { from = $1 } { to = $1 } END { if (NR == 2) printf "%.2f", to - from }' "$directory/clock" 2>/dev/null)
}

# Gives the process up to a second to leave the tracing stop, and makes it what it was: wakes it when gdb's SIGSTOP
# outlived gdb, stops it when it was stopped and gdb let it run.
settle_target() {
  tries=0
  while [ "$tries" -lt 10 ]; do
    read_stat "$pid" || { state_now=gone; return; }
    state_now=$process_state
    case "$state_before$state_now" in
      TT) return ;;
      T[RSDI]) kill -STOP "$pid" 2>/dev/null ;;
      [!T]T) kill -CONT "$pid" 2>/dev/null ;;
      ?[RSDI])
        # A thread that gdb could not stop has its SIGSTOP still to come, which would stop them all; SIGCONT removes it.
        stop_is_pending || return
        kill -CONT "$pid" 2>/dev/null
        ;;
    esac
    sleep 0.1
    tries=$((tries + 1))
  done
}

# SIGSTOP is signal 19: bit 18 of what a thread has pending (proc(5)).
stop_is_pending() {
  grep -qsE '^SigPnd:.*[4-7c-f][0-9a-f]{4}$' /proc/"$pid"/task/*/status
}

# Bytes that the program headers of an ELF core span (elf(5)); `bad` for anything else.
core_extent() {
  # shellcheck disable=SC2046 # numbers
  set -- $(od -An -v -tu1 -N 20 "$1") "$1"
  if [ "$#" != 21 ] || [ "$1 $2 $3 $4" != '127 69 76 70' ] || [ "${17}" != 4 ]; then
    printf 'bad'
    return
  fi
  class=$5
  shift 20
  if [ "$class" = 2 ]; then
    word=8 header=56 table=$(number_at "$1" 8 32) count=$(number_at "$1" 2 56)
    # More headers than fit: the number is in sh_info of section 0.
    [ "$count" = 65535 ] && count=$(number_at "$1" 4 $(($(number_at "$1" 8 40) + 44)))
  else
    word=4 header=32 table=$(number_at "$1" 4 28) count=$(number_at "$1" 2 44)
  fi
  # Both classes, read as words: the second is p_offset, the fifth p_filesz.
  od -An -v -w"$header" -tu"$word" -j "$table" -N $((count * header)) "$1" 2>/dev/null | awk -v count="$count" '
    { end = $2 + $5; if (end > most) most = end; seen++ }
    END { if (seen == count && count > 0) printf "%.0f", most; else printf "bad" }'
}

# number_at FILE BYTES OFFSET
number_at() {
  od -An -tu"$2" -j "$3" -N "$2" "$1" 2>/dev/null | tr -d ' \n'
}

end_capture() {
  stop_group
  wait 2>/dev/null
  settle_target
  remove_directory
}

# Ends the recorded process group of $directory, if it is still the one that was recorded; its guard then ends by itself.
stop_group() {
  group=$(cat "$directory/group" 2>/dev/null)
  is_number "$group" || return 0
  case $(command_line "$group") in *"$directory/"*) ;; *) return 0 ;; esac
  kill -TERM "-$group" 2>/dev/null
  tries=0
  while kill -0 "-$group" 2>/dev/null && [ "$tries" -lt 10 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -KILL "-$group" 2>/dev/null
  # It writes there once more.
  id=${directory##*/}
  await_worker "$(cat "$directory/guard" 2>/dev/null)"
  return 0
}

# Whether process $1, as recorded, still works on $id: a number that is reused has another command line.
works() {
  is_number "$1" && [ "$1" != "$$" ] || return 1
  case $(command_line "$1") in *"$id"*) return 0 ;; esac
  return 1
}

# Gives a worker up to five seconds to end.
await_worker() {
  tries=0
  while works "$1" && [ "$tries" -lt 50 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
}

# By name, so that nothing but our own files can be lost.
remove_directory() {
  for file in $capture_files $recovery_files; do rm -f -- "$directory/$file"; done
  rm -rf -- "$directory"/new.* "$directory"/frame.* 2>/dev/null
  rmdir -- "$directory" 2>/dev/null
}

# --- core-frame ------------------------------------------------------------------------------------------------------

verb_core_frame() {
  need_number index "$index" && need_number bytes "$bytes"
  if [ "$bytes" = 0 ] || [ $((bytes % 1048576)) != 0 ]; then fail USAGE 2 "bytes '$bytes' is not a multiple of 1048576"; fi
  directory=${core%/core}
  [ "$directory/core" = "$core" ] || fail NOT_OURS 18 "'$core' is not a core of this program"
  need_own_directory
  if [ ! -f "$core" ] || [ -L "$core" ]; then fail FILE_UNREADABLE 19 "there is no core at '$core'"; fi
  size=$(stat -c %s "$core")
  length=$((size - index * bytes))
  [ "$length" -gt 0 ] || fail USAGE 2 "frame $index begins behind the core's $size bytes"
  [ "$length" -gt "$bytes" ] && length=$bytes
  choose_compressor
  work=$(mktemp -d "$directory/frame.XXXXXXXX") || fail NOT_OURS 18 "no directory can be made in '$directory'"
  trap 'rm -rf -- "$work"' EXIT
  # A reader that is gone is a write that fails: without this the shell would die of it before it cleans up.
  trap '' PIPE
  mkfifo "$work/hash" "$work/count"
  sha256sum <"$work/hash" >"$work/sha256" &
  wc -c <"$work/count" >"$work/bytes" &
  {
    dd if="$core" bs=1048576 skip=$((index * (bytes / 1048576))) count=$((bytes / 1048576)) 2>/dev/null || echo read >"$work/failed"
  } | {
    $compressor || echo compress >"$work/failed"
  } | {
    tee "$work/hash" "$work/count" || echo send >"$work/failed"
  }
  wait
  [ ! -e "$work/failed" ] || fail FILE_UNREADABLE 19 "frame $index of '$core' failed to $(cat "$work/failed")"
  [ "$(stat -c %s "$core")" = "$size" ] || fail FILE_UNREADABLE 19 "'$core' changed while it was read"
  read -r sum _ <"$work/sha256"
  read -r stored _ <"$work/bytes"
  printf 'frame index=%s bytes=%s stored=%s sha256=%s format=%s\n' "$index" "$length" "$stored" "$sum" "$format" >&2
}

choose_compressor() {
  if command -v zstd >/dev/null 2>&1; then
    compressor='zstd -q -1 -c' format=zstd
  elif command -v gzip >/dev/null 2>&1; then
    compressor='gzip -1 -c' format=gzip
  else
    fail TOOL_MISSING 22 'neither zstd nor gzip is installed on this host'
  fi
}

# $directory is one that `core` or `recover` made: by name, owner, mode and mark.
need_own_directory() {
  need_private_directory
  [ -f "$directory/.hangar" ] || fail NOT_OURS 18 "'$directory' was not made by this program"
}

need_private_directory() {
  case $directory in
    /*[!A-Za-z0-9_./-]* | [!/]* | *..* | '') fail NOT_OURS 18 "'$directory' is not a capture directory" ;;
  esac
  last=${directory##*/}
  last=${last%.recover}
  case $last in '' | *[!0-9a-f]*) fail NOT_OURS 18 "'$directory' is not a capture directory" ;; esac
  [ "${#last}" -ge 8 ] || fail NOT_OURS 18 "'$directory' is not a capture directory"
  case $(stat -c '%u %a %F' -- "$directory" 2>/dev/null) in
    "$(id -u) 700 directory") ;;
    *) fail NOT_OURS 18 "'$directory' is not a private directory of $(id -un)" ;;
  esac
}

# --- modules ---------------------------------------------------------------------------------------------------------

verb_modules() {
  need_process
  # One line a mapped file, by its lowest mapping: RANGE INODE PATH.
  list=$(awk '$5 != 0 && $3 == "00000000" && !(($4, $5) in seen) {
      seen[$4, $5] = 1; range = $1; inode = $5
      path = $0; sub(/^[^ ]* [^ ]* [^ ]* [^ ]* [0-9]* */, "", path)
      print range, inode, path
    }' "/proc/$pid/maps" 2>/dev/null)
  printf '%s\n' "$list" | while read -r range inode path; do
    [ -n "$range" ] || continue
    locate_module || { gap "$path" 'neither /proc/PID/map_files nor the file itself can be read' 'log in as root or with sudo'; continue; }
    # Header, program headers and, nearly always, the build-id note lie in the first page.
    printf 'module %s %s %s %s\n' "$range" "$(stat -L -c %s "$file")" "$via" "$path"
    od -An -v -w16 -tx1 -N 4096 "$file" 2>/dev/null
  done | read_build_ids
  need_process
  printf 'end\n'
}

# Lines `module …`, each before the first page of that file in hex: the same lines with the build-id behind them, for ELF
# files alone. Lines `gap …` stay.
read_build_ids() {
  awk '
    function finish() {
      if (head == "") return
      if (substr(bytes, 1, 8) == "7f454c46") print head, identify()
      head = ""
    }
    function value(at, size,    text, i, n) {
      for (i = size - 1; i >= 0; i--) text = text substr(bytes, (at + i) * 2 + 1, 2)
      n = 0
      for (i = 1; i <= length(text); i++) n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
      return n
    }
    function identify(    wide, table, size, count, i, at, start, end, need, name, length_, kind) {
      wide = substr(bytes, 9, 2) == "02"
      if (substr(bytes, 11, 2) != "01") return "?"
      table = wide ? value(32, 8) : value(28, 4)
      size = value(wide ? 54 : 42, 2); count = value(wide ? 56 : 44, 2)
      for (i = 0; i < count; i++) {
        at = table + i * size
        if (value(at, 4) != 4) continue
        start = wide ? value(at + 8, 8) : value(at + 4, 4)
        end = start + (wide ? value(at + 32, 8) : value(at + 16, 4))
        while (start + 12 <= end && (start + 12) * 2 <= length(bytes)) {
          name = value(start, 4); length_ = value(start + 4, 4); kind = value(start + 8, 4)
          need = start + 12 + int((name + 3) / 4) * 4
          if (kind == 3 && substr(bytes, (start + 12) * 2 + 1, 8) == "474e5500" && (need + length_) * 2 <= length(bytes))
            return substr(bytes, need * 2 + 1, length_ * 2)
          start = need + int((length_ + 3) / 4) * 4
        }
        if (end * 2 > length(bytes)) return "?" start "+" (end - start)
      }
      return "-"
    }
    $1 == "module" { finish(); head = $0; bytes = ""; next }
    $1 == "gap" { finish(); print; next }
    { gsub(/ /, ""); bytes = bytes $0 }
    END { finish() }'
}

# Sets $file and $via for a mapping of $pid: through map_files, which holds deleted files too, else by path where the
# path still leads to the very file that is mapped.
locate_module() {
  # An executable that lies at 00400000 in maps lies at 400000 here.
  from=${range%-*} to=${range#*-}
  file=/proc/$pid/map_files/${from#"${from%%[!0]*}"}-${to#"${to%%[!0]*}"} via=map
  [ -r "$file" ] && return 0
  file=/proc/$pid/root$path via=path
  [ -r "$file" ] && [ "$(stat -L -c %i "$file" 2>/dev/null)" = "$inode" ]
}

verb_module() {
  need_process
  choose_compressor
  {
    for argument in "$@"; do
      case $argument in range=*) send_module "${argument#range=}" ;; esac
    done
    printf 'end\n'
  } | $compressor
}

send_module() {
  case $1 in *[!0-9a-f-]* | '' | -* | *-) printf 'miss %s not a range\n' "$1"; return ;; esac
  range=$1
  # shellcheck disable=SC2046 # fields
  line=$(grep -s "^$range " "/proc/$pid/maps") || { printf 'miss %s not mapped any more\n' "$range"; return; }
  inode=$(printf '%s\n' "$line" | awk '{ print $5 }')
  path=$(printf '%s\n' "$line" | sed 's/^[^ ]* [^ ]* [^ ]* [^ ]* [0-9]* *//')
  locate_module || { printf 'miss %s cannot be read\n' "$range"; return; }
  send_file "$range" "$file" 1073741824
}

# `file KEY BYTES SHA256 MTIME`, the bytes, a newline; or `miss KEY why`.
send_file() {
  [ -f "$2" ] || { printf 'miss %s not a regular file\n' "$1"; return; }
  # shellcheck disable=SC2046 # numbers
  set -- "$1" "$2" "$3" $(stat -L -c '%s %Y' "$2" 2>/dev/null)
  [ "$#" = 5 ] || { printf 'miss %s cannot be read\n' "$1"; return; }
  [ "$4" -le "$3" ] || { printf 'miss %s has %s bytes, more than %s\n' "$1" "$4" "$3"; return; }
  sum=$(head -c "$4" "$2" 2>/dev/null | sha256sum)
  sent=$4
  printf 'file %s %s %s %s\n' "$1" "$4" "${sum%% *}" "$5"
  head -c "$4" "$2" 2>/dev/null
  printf '\n'
}

# --- read ------------------------------------------------------------------------------------------------------------

verb_read() {
  max=${max:-4194304}
  need_number max "$max"
  [ -z "$total" ] || need_number total "$total"
  choose_compressor
  root=''
  # A process that is gone leaves its files: they are then read as the host sees them.
  if [ -n "$pid" ] && is_number "$pid" && same_process && [ -d "/proc/$pid/root/." ]; then root=/proc/$pid/root; fi
  {
    number=0
    for argument in "$@"; do
      case $argument in
        path=/*) send_path "$number" "${argument#path=}" ;;
        path=*) printf 'miss %s not an absolute path\n' "$number" ;;
        *) continue ;;
      esac
      number=$((number + 1))
    done
    printf 'end\n'
  } | $compressor
}

send_path() {
  # What is left of the total bounds every file that is still to come.
  if [ -n "$total" ] && [ "$total" -lt "$max" ]; then max=$total; fi
  sent=0
  if [ -f "$root$2" ] || [ ! -f "$2" ]; then send_file "$1" "$root$2" "$max"; else send_file "$1" "$2" "$max"; fi
  [ -z "$total" ] || total=$((total - sent))
}

# --- recover ---------------------------------------------------------------------------------------------------------

# All that a recovery keeps in its directory, beside new.*.
recovery_files='shell runner log exit result forget .hangar'

verb_recover() {
  limit=${limit:-90} checklimit=${checklimit:-3}
  need_number limit "$limit" && need_number checklimit "$checklimit"
  need_permission "$check"
  need_permission "$restart"
  case $mode in
    service) need_service ;;
    worker) need_number pid "$pid" ;;
    *) fail USAGE 2 "mode '$mode' is not service or worker" ;;
  esac
  taken_over=no waited=''
  if [ -z "$key" ] || ! take_up_recovery; then
    [ "$mode" != worker ] || need_process
    if [ -n "$key" ]; then make_mark; fi
  fi
  # What we start is a service, not a private file of ours.
  umask 022
  unset LC_ALL
  clock=$(centiseconds)
  deadline=$((clock + limit * 100))
  bring_back
  LC_ALL=C
  export LC_ALL
  await_answer "$deadline"
  case $outcome in
    answered | unknown) ;;
    *) fail RECOVER_NO_ANSWER 21 "'$by' was done, but the service does not answer within $limit s: $detail" ;;
  esac
  down=" down=$(since "$clock")"
  # The call that began it is gone, and with it the moment when the service went down.
  [ "$taken_over" = no ] || down=''
  recovered="recovered $outcome$down by=$(printf '%s' "$by" | tr '\n\r' '  ')"
  if [ -n "$key" ]; then put result "$recovered"; fi
  printf '%s\n' "$recovered"
}

# Sets $directory and $id of the recovery $key; nothing needs to be there.
choose_recovery() {
  need_key key "$key"
  choose_base
  directory=$dir/$key.recover id=$key
}

# An earlier call with this key: prints its result and ends, waiting for it as long as that call is at work; or takes
# over from one that was cut off. Fails where there is none. Who fails tells so and keeps nothing: to take over from it
# finds the same again, or that the service answers by now, and restarts nothing.
take_up_recovery() {
  choose_recovery
  is_there "$directory" || return 1
  need_private_directory
  await_owner shell || { remove_directory; return 1; }
  rm -f -- "$directory/forget"
  patience=$(($(centiseconds) + limit * 200 + 5000))
  while [ ! -e "$directory/result" ] && works "$(cat "$directory/shell" 2>/dev/null)"; do
    [ "$(centiseconds)" -lt "$patience" ] || fail STILL_RUNNING 25 "the earlier recovery $key has not ended yet"
    sleep 0.1
  done
  if [ -e "$directory/result" ]; then
    cat "$directory/result"
    exit 0
  fi
  read -r owner began <"$directory/.hangar"
  [ "$owner" = "${pid:--}" ] || fail NOT_OURS 18 "'$directory' is of process $owner, not of ${pid:--}"
  [ "$began" = - ] || start=${start:-$began}
  own_recovery
  taken_over=yes
}

# What the recovery is about, kept before anything is touched.
make_mark() {
  if [ -n "$pid" ] && same_process; then start=$process_start; fi
  # On a disk that is full, or where the place is somebody else's, the service matters more than to be asked again.
  if (make_directory shell "${pid:--} ${start:--}") 2>/dev/null; then
    own_recovery
  else
    [ -s "$directory/.hangar" ] || remove_directory
    key=''
  fi
}

own_recovery() {
  put shell "$$"
  trap 'if [ -e "$directory/forget" ]; then remove_directory; fi' EXIT
}

bring_back() {
  if [ "$mode" = worker ]; then
    end_worker
    return
  fi
  choose_restart
  if [ "$taken_over" = yes ]; then resume_restart; else restart_service; fi
}

end_worker() {
  by="ended process $pid"
  is_hung || return 0
  kill -TERM "$pid" 2>/dev/null
  await_end 500 || { kill -KILL "$pid" 2>/dev/null; await_end 500; } || fail RECOVER_FAILED 20 "process $pid is still there after SIGKILL (state $process_state)"
}

# The hung process is there still.
is_hung() {
  [ -n "$pid" ] && same_process && [ "$process_state" != Z ]
}

# Waits until $pid is gone, for the given centiseconds.
await_end() {
  until_=$(($(centiseconds) + $1))
  while [ "$(centiseconds)" -lt "$until_" ]; do
    same_process || return 0
    [ "$process_state" = Z ] && return 0
    sleep 0.1
  done
  return 1
}

# Sets $by.
choose_restart() {
  command -v setsid >/dev/null 2>&1 || fail TOOL_MISSING 22 'setsid (package util-linux) is not installed on this host'
  if [ -n "$restart" ]; then
    by=$restart
  elif [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
    by="systemctl restart $service"
  elif [ -x "/etc/init.d/$service" ] && command -v service >/dev/null 2>&1; then
    by="service $service restart"
  elif [ -x "/etc/init.d/$service" ]; then
    by="/etc/init.d/$service restart"
  elif [ "$service" = apache2 ] && command -v apachectl >/dev/null 2>&1; then
    by='apachectl restart'
  else
    fail RECOVER_FAILED 20 "nothing here restarts '$service': no systemd, no /etc/init.d/$service, and the fleet file names no restart command"
  fi
}

# The call that began was cut off; what it started may have gone on without it.
resume_restart() {
  if [ -e "$directory/exit" ] || works "$(cat "$directory/runner" 2>/dev/null)"; then
    work=$directory
    finish_restart
    return
  fi
  if ! is_hung; then
    await_answer $(($(centiseconds) + 300))
    if [ "$outcome" = answered ]; then
      by='an earlier call that was cut off'
      return
    fi
  fi
  rm -f -- "$directory/runner"
  restart_service
}

# Runs the restart in a session of its own, so that the end of ours does not end it, and keeps how it ended. The link
# lets one only begin.
# shellcheck disable=SC2016 # expanded by the shell that runs it
runner='
work=$1 limit=$2 by=$3
printf "%s\n" "$$" >"$work/new.$$"
ln "$work/new.$$" "$work/runner" 2>/dev/null || exit
timeout -k 5 "$limit" sh -c "$by" >"$work/log" 2>&1
code=$?
printf "%s\n" "$code" >"$work/new.$$.exit" && mv "$work/new.$$.exit" "$work/exit"
exit "$code"
'

restart_service() {
  hasten_end
  if [ -n "$key" ]; then
    work=$directory
  else
    work=$(mktemp -d /tmp/hangar.XXXXXXXX) || fail RECOVER_FAILED 20 'no temporary directory can be made'
    id=${work##*/}
  fi
  # A service that is started keeps what it is given open: neither our stdout nor our stdin.
  setsid sh -c "$runner" hangar-restart "$work" "$limit" "$by" >/dev/null 2>&1 </dev/null &
  wait "$!"
  waited=$?
  finish_restart
}

# Waits for the restart's end, and judges it.
finish_restart() {
  until [ -e "$work/exit" ]; do
    works "$(cat "$work/runner" 2>/dev/null)" || break
    sleep 0.1
  done
  code=$(cat "$work/exit" 2>/dev/null)
  # Ours, where the disk is too full to hold it.
  code=${code:-$waited}
  said=$(tail -n 3 "$work/log" 2>/dev/null | tr '\n' ' ')
  if [ -z "$key" ]; then rm -rf -- "$work"; fi
  # A hung process may outlive the restart of its service, and keeps its port or its locks.
  if is_hung; then
    [ "$code" = 0 ] && await_end 1000
    is_hung && kill -KILL "$pid" 2>/dev/null && by="$by; kill -KILL $pid"
  fi
  case $code in
    0) ;;
    '') fail RECOVER_FAILED 20 "'$by' was ended: $said" ;;
    124 | 137) fail RECOVER_FAILED 20 "'$by' did not end within $limit s: $said" ;;
    *) fail RECOVER_FAILED 20 "'$by' ended with $code: $said" ;;
  esac
}

# The hung process answers no request to leave: a restart would wait for it until its patience is over (apache2: 15 s)
# while nobody is served. It gets a second of its own, then it is ended. Requests that wait for it would hold its
# siblings back just as long: whoever starts workers puts another one in its place, which serves them first.
hasten_end() {
  is_hung || return 0
  parent=$process_parent
  kill -TERM "$pid" 2>/dev/null
  await_end 100 || kill -KILL "$pid" 2>/dev/null
  [ "$parent" -le 1 ] || await_answer $(($(centiseconds) + 300))
}

# Asks until the service answers, or the given moment is over; sets $outcome and $detail as a check does.
await_answer() {
  outcome=unknown detail='no check is known'
  [ -n "$check" ] || return 0
  while :; do
    case $check in
      http://* | https://*) check_url "$check" "$checklimit" ;;
      *) check_command "$check" "$checklimit" ;;
    esac
    case $outcome in answered | unknown) return ;; esac
    [ "$(centiseconds)" -lt "$1" ] || return 0
    sleep 0.25
  done
}

# --- outcome, stop, clean --------------------------------------------------------------------------------------------

# `outcome done` with the lines of the result, `outcome running`, or `outcome none`: nothing was begun, or it was cut off.
verb_outcome() {
  if [ -n "$key" ]; then
    choose_recovery
    holds=recovery_holds first=shell second=runner
  else
    choose_capture
    holds=result_holds first=asker second=guard
  fi
  if ! is_there "$directory"; then
    printf 'outcome none\n'
    return
  fi
  need_private_directory
  if "$holds"; then
    printf 'outcome done\n'
    cat "$directory/result"
  elif works "$(cat "$directory/$first" 2>/dev/null)" || works "$(cat "$directory/$second" 2>/dev/null)"; then
    printf 'outcome running\n'
  else
    printf 'outcome none\n'
  fi
}

recovery_holds() {
  [ -f "$directory/result" ]
}

verb_stop() {
  need_own_directory
  stop_group
  printf 'stopped %s\n' "$directory"
}

verb_clean() {
  if [ -n "$key" ]; then choose_recovery; fi
  # Nothing there is what is wanted.
  if ! is_there "$directory"; then
    printf 'clean %s\n' "$directory"
    return
  fi
  need_own_directory
  case $directory in
    *.recover)
      if recovery_runs; then
        # It is never ended halfway.
        [ "$deferred" = yes ] || fail STILL_RUNNING 25 "the recovery $id has not ended yet"
        put forget yes
        printf 'deferred %s\n' "$directory"
        return
      fi
      ;;
  esac
  stop_group
  remove_directory
  [ ! -e "$directory" ] || fail NOT_OURS 18 "'$directory' holds files that are not ours"
  printf 'clean %s\n' "$directory"
}

recovery_runs() {
  id=${directory##*/}
  id=${id%.recover}
  [ ! -e "$directory/result" ] || return 1
  works "$(cat "$directory/shell" 2>/dev/null)" || works "$(cat "$directory/runner" 2>/dev/null)"
}

# --- facts -----------------------------------------------------------------------------------------------------------

# Lines, in this order, each kind only where there is something to tell; nothing is asked twice and little is started,
# for a fleet is asked at once.
verb_facts() {
  case "$*" in *"$newline"*) fail USAGE 2 'an argument has a line break' ;; esac
  me=$(id -u)
  # A reader that is gone is a write that fails: without this the shell would die of it before it cleans up.
  trap '' PIPE
  printf 'facts\n'
  tell_access
  tell_release
  begin_fetching "$@"
  tell_packages "$@"
  tell_files "$@"
  tell_sysctls "$@"
  tell_disk
  tell_left_over_cores
  tell_pythons "$@"
  tell_offers
  tell_sudoers
  tell_gdb
  tell_repositories
  printf 'clock %s\n' "$(date +%s.%N)"
  printf 'end\n'
}

newline='
'

tell_access() {
  case $me$0 in
    0/usr/local/lib/hangar/host) printf 'access program\n' ;;
    0*) printf 'access root\n' ;;
    *) printf 'access none\n' ;;
  esac
  if [ -n "$refusal" ]; then printf 'refusal %s\n' "$refusal"; fi
  printf 'user %s\n' "${SUDO_USER:-$(id -un)}"
  read -r text 2>/dev/null </etc/machine-id && printf 'machine-id %s\n' "$text"
  if [ -r /var/lib/hangar/prepared ]; then
    while IFS= read -r text || [ -n "$text" ]; do printf 'stamp %s\n' "$text"; done </var/lib/hangar/prepared
  fi
}

# Sets $distribution and $codename, as os-release(5) has them.
tell_release() {
  distribution='' codename='' version=''
  for file in /etc/os-release /usr/lib/os-release; do
    [ ! -r "$file" ] || break
  done
  while IFS= read -r text || [ -n "$text" ]; do
    value=${text#*=}
    value=${value#[\"\']}
    value=${value%[\"\']}
    case $text in
      ID=*) distribution=$value && printf 'os-id %s\n' "$value" ;;
      VERSION_ID=*) printf 'os-version %s\n' "$value" ;;
      VERSION_CODENAME=*) codename=$value ;;
      VERSION=*) version=$value ;;
      PRETTY_NAME=*) printf 'os-name %s\n' "$value" ;;
    esac
  done 2>/dev/null <"$file"
  # Older ones have it in brackets alone: `9 (stretch)`.
  case $codename$version in *'('*')') codename=${version#*\(} codename=${codename%\)} ;; esac
  printf 'os-codename %s\n' "$codename"
}

# `package NAME|STATUS|VERSION|ARCHITECTURE`, status as dpkg abbreviates it. Sets $installed to those lines, and $wanted.
tell_packages() {
  installed='' wanted=''
  for argument in "$@"; do
    shift
    case $argument in
      package=*[!A-Za-z0-9.+:*?[\]-]* | want=*[!A-Za-z0-9.+:-]*) fail USAGE 2 "'$argument' is not a package" ;;
      want=*X.Y*)
        name=${argument#*=} wanted="$wanted ${argument#*=}"
        set -- "$@" "${name%%X.Y*}[23].?${name#*X.Y}" "${name%%X.Y*}[23].??${name#*X.Y}"
        ;;
      want=?*) set -- "$@" "${argument#*=}" && wanted="$wanted ${argument#*=}" ;;
      package=?*) set -- "$@" "${argument#*=}" ;;
    esac
  done
  if ! command -v dpkg-query >/dev/null 2>&1; then
    gap packages 'there is no dpkg-query here' 'Hangar prepares Debian and Ubuntu hosts'
    wanted=''
    return
  fi
  # dpkg is of the architecture that it calls native.
  # shellcheck disable=SC2016 # dpkg's own fields
  installed=$newline$(dpkg-query -W -f '${Package}|${db:Status-Abbrev}|${Version}|${Architecture}\n' -- dpkg apt "$@" 2>/dev/null)
  while IFS= read -r text; do
    # What others only speak of, and a pattern fits.
    case $text in '' | *'|'?'n '*) ;; *) printf 'package %s\n' "$text" ;; esac
  done <<EOF
$installed
EOF
  for name in "$@"; do
    case $name in *[*?[]*) ;; *) tell_absence ;; esac
  done
}

# Fails where $name is there.
tell_absence() {
  case $installed in
    *"$newline$name|"?[!n]*) return 1 ;;
  esac
  printf 'package %s|un ||\n' "$name"
}

# `offered NAME VERSION` of those that are wanted and absent, `-` where no source has it. X.Y in a name stands for each
# version of Python that runs; symbols of a package that is not there are not wanted.
tell_offers() {
  missing=''
  for each in $wanted; do
    case $each in
      *X.Y*)
        for version in $versions; do
          name=${each%%X.Y*}$version${each#*X.Y}
          case " $missing $wanted " in *" $name "*) continue ;; esac
          case $installed in *"$newline$name|"?[!nc]*) continue ;; esac
          tell_absence
          missing="$missing $name"
        done
        ;;
      *)
        case $installed in *"$newline$each|"?[!nc]*) continue ;; esac
        case $each in
          *-dbgsym) case $installed in *"$newline${each%-dbgsym}|"?[!nc]*) ;; *) continue ;; esac ;;
        esac
        missing="$missing $each"
        ;;
    esac
  done
  [ -n "$missing" ] || return 0
  command -v apt-cache >/dev/null 2>&1 || return 0
  # What a host may get that never fetched a list, nobody knows.
  set -- /var/lib/apt/lists/*_Packages*
  [ -e "$1" ] || return 0
  # shellcheck disable=SC2086 # package names
  ask_apt policy $missing | awk -v names="$missing" '
    /^[^ ]/ { name = $1; sub(/:$/, "", name) }
    $1 == "Candidate:" && $2 != "(none)" { found[name] = $2 }
    END { count = split(names, list, " "); for (i = 1; i <= count; i++) print "offered", list[i], list[i] in found ? found[list[i]] : "-" }'
}

# apt-cache keeps what it has read of the lists; as root it would write that to its own directory. Where that is up to
# date it is used, through the link; else the new one takes the place of the link.
ask_apt() {
  if make_work && ! is_there "$work/pkgcache.bin"; then
    ln -s /var/cache/apt/pkgcache.bin "$work/pkgcache.bin"
    ln -s /var/cache/apt/srcpkgcache.bin "$work/srcpkgcache.bin"
  fi
  apt-cache -q -o "Dir::Cache::pkgcache=${work:+$work/pkgcache.bin}" -o "Dir::Cache::srcpkgcache=${work:+$work/srcpkgcache.bin}" "$@" 2>/dev/null
}

# A private directory $work for a moment: in memory where that is had, as a full disk is one of the things looked for.
make_work() {
  [ -z "$work" ] || return 0
  for each in /run /dev/shm /tmp; do
    work=$(mktemp -d "$each/hangar.XXXXXXXX" 2>/dev/null) && break
  done
  [ -n "$work" ] || return 1
  trap 'rm -rf -- "$work"' EXIT
  trap 'exit 24' HUP INT TERM
}

# `file KIND|MODE|OWNER|GROUP|BYTES|PATH`, `directory MODE|OWNER|PATH` of those that hold them, `target KIND|MODE|OWNER|PATH`
# of what links lead to, `sha256 HASH  PATH`, `file-absent PATH`, `file-unreadable PATH`.
tell_files() {
  for argument in "$@"; do
    shift
    case $argument in
      file=/*) path=${argument#file=} && set -- "$@" "$path" "${path%/*}/." ;;
      file=*) fail USAGE 2 "'$argument' is not an absolute path" ;;
    esac
  done
  # The first one, written so that nobody asks for it, tells when packages changed.
  listed=$(stat -c '%F|%a|%U|%G|%s|%Y|%n' -- /var/lib/dpkg/./status "$@" 2>/dev/null)
  for path in "$@"; do
    case $path in */.) continue ;; esac
    case $listed$newline in *"|$path$newline"*) continue ;; esac
    if is_hidden "$path"; then printf 'file-unreadable %s\n' "$path"; else printf 'file-absent %s\n' "$path"; fi
  done
  set --
  links=''
  while IFS='|' read -r kind mode owner group bytes changed path; do
    case $kind$path in
      */var/lib/dpkg/./status) printf 'packages-changed %s\n' "$changed" ;;
      */.) printf 'directory %s|%s|%s\n' "$mode" "$owner" "${path%/.}" ;;
      regular*)
        printf 'file %s|%s|%s|%s|%s|%s\n' "$kind" "$mode" "$owner" "$group" "$bytes" "$path"
        if [ "$bytes" -le 1048576 ] && [ -r "$path" ]; then set -- "$@" "$path"; fi
        ;;
      ?*)
        printf 'file %s|%s|%s|%s|%s|%s\n' "$kind" "$mode" "$owner" "$group" "$bytes" "$path"
        case $kind in symbolic*) links=$links$path$newline ;; esac
        ;;
    esac
  done <<EOF
$listed
EOF
  [ -z "$links" ] || tell_targets
  [ "$#" -gt 0 ] || return 0
  sums=$(sha256sum -- "$@" 2>/dev/null)
  while IFS= read -r text; do printf 'sha256 %s\n' "$text"; done <<EOF
$sums
EOF
}

tell_targets() {
  set --
  while IFS= read -r path; do
    [ -z "$path" ] || set -- "$@" "$path"
  done <<EOF
$links
EOF
  found=$(stat -L -c '%F|%a|%U|%n' -- "$@" 2>/dev/null)
  while IFS= read -r text; do
    [ -z "$text" ] || printf 'target %s\n' "$text"
  done <<EOF
$found
EOF
}

# Whether a directory above $1 is closed to us, so that it cannot be said what is there.
is_hidden() {
  above=$1
  while :; do
    above=${above%/*}
    [ -n "$above" ] || return 1
    if [ -d "$above/." ]; then return 1; fi
    # Without the right to enter it, it is there and its `.` is not.
    if [ -d "$above" ]; then return 0; fi
  done
}

# `sysctl NAME VALUE`, `sysctl-absent NAME`; `sysctl-kept NAME VALUE` of those that a preparation has written down.
tell_sysctls() {
  case " $*" in *" sysctl="*) sed -n 's/^\([A-Za-z0-9_./:@-]*\) *= */sysctl-kept \1 /p' /etc/sysctl.d/60-hangar.conf 2>/dev/null ;; esac
  for argument in "$@"; do
    case $argument in
      sysctl=*[!A-Za-z0-9_./:@-]* | sysctl=*..*) fail USAGE 2 "'$argument' is not a kernel setting" ;;
      sysctl=*) name=${argument#sysctl=} ;;
      *) continue ;;
    esac
    path=/proc/sys rest=$name.
    while [ -n "$rest" ]; do
      path=$path/${rest%%.*} rest=${rest#*.}
    done
    if [ ! -f "$path" ]; then
      printf 'sysctl-absent %s\n' "$name"
    # In one go: the kernel tells a number once, and dash's `read` asks for each byte (Linux, kernel/sysctl.c).
    elif value=$(cat -- "$path" 2>/dev/null); then
      printf 'sysctl %s %s\n' "$name" "${value%%"$newline"*}"
    else
      gap "$name" "'$path' cannot be read" 'log in as root or with sudo'
    fi
  done
}

# `disk PATH|LINE`, the line as df(1) has it, of the core directory or the nearest one above it.
tell_disk() {
  case $cores in
    '') return 0 ;;
    /*[!A-Za-z0-9_./+-]* | [!/]* | *..*) fail USAGE 2 "directory '$cores' is not a plain absolute path" ;;
  esac
  near=$cores
  until [ -z "$near" ] || [ -d "$near" ]; do near=${near%/*}; done
  near=${near:-/}
  shown=$(df -Pk -- "$near" 2>/dev/null) && printf 'disk %s|%s\n' "$near" "${shown##*"$newline"}"
}

# `core BYTES|TIME|DIRECTORY` of cores that no process on this host is at work on.
tell_left_over_cores() {
  [ -d "$cores" ] || return 0
  if [ ! -r "$cores" ] || [ ! -x "$cores" ]; then
    gap 'left-over cores' "'$cores' cannot be read" 'log in as root or with sudo'
    return
  fi
  names='' found=''
  set -- "$cores"/*/core
  for path in "$@"; do
    shift
    if [ ! -f "$path" ] || [ -L "$path" ]; then continue; fi
    set -- "$@" "$path"
    path=${path%/core} && names="$names ${path##*/}"
  done
  [ "$#" -gt 0 ] || return 0
  found=$(stat -c '%s|%Y|%n' -- "$@" 2>/dev/null)
  # Who takes, guards or sends a core has the name of its directory in the command line; we have it in none of ours.
  busy=$(grep -asH '' /proc/[0-9]*/cmdline | tr '\000' ' ' | names="$names" awk '
    BEGIN { count = split(ENVIRON["names"], list, " ") }
    { for (i = 1; i <= count; i++) if (index($0, list[i])) print list[i] }')
  while IFS='|' read -r bytes changed path; do
    path=${path%/core}
    case $newline$busy$newline in *"$newline${path##*/}$newline"*) continue ;; esac
    printf 'core %s|%s|%s\n' "$bytes" "$changed" "$path"
  done <<EOF
$found
EOF
}

# `python PID USER`, `version PID X.Y`, `uses PID ROLE N`, `replaced PID PATH`, `command PID TEXT` (one line for each of
# its lines), `memory PID ESTIMATE`, `belongs PID SERVICE`, and of the file N
# `image N map|path|none separate|own|offered|none BUILD-ID PACKAGE PATH`, `-` for what there is none of.
tell_pythons() {
  versions=''
  [ "$me" = 0 ] || gap 'processes of other users' 'only root sees what they run' 'log in as root or with sudo'
  pythons=$(python_among "$(all_processes)" | sort -n)
  [ -n "$pythons" ] || return 0
  needs=''
  looks=$(look_at_pythons)
  while IFS= read -r text; do
    case $text in
      need\ *) needs=$needs${text#need }$newline ;;
      *) printf '%s\n' "$text" ;;
    esac
  done <<EOF
$looks
EOF
  files=''
  for each in $pythons; do files="$files /proc/$each/cmdline"; done
  # shellcheck disable=SC2086 # numbers
  commands=$(grep -asH '' $files | tr '\000\r\t' '   ' | awk '
    { at = index($0, ":"); split($0, path, "/"); text = substr($0, at + 1, 4096); sub(/ +$/, "", text); print "command", path[3], text }')
  printf '%s\n' "$commands"
  for pid in $pythons; do
    printf 'memory %s ' "$pid"
    estimate
    printf '\n'
  done
  for argument in "$@"; do
    case $argument in service=*) tell_members "${argument#service=}" ;; esac
  done
  tell_images
}

look_at_pythons() {
  links='' files=''
  for each in $pythons; do links="$links /proc/$each /proc/$each/exe" files="$files /proc/$each/maps"; done
  {
    # shellcheck disable=SC2086,SC2012 # numbers; ls prints what the links say
    ls -ld $links 2>/dev/null
    # shellcheck disable=SC2086 # numbers
    grep -sH ' /' $files
  } | awk '
    /^[dl]/ {
      if (!match($0, /\/proc\/[0-9]+/)) next
      pid = substr($0, RSTART + 6, RLENGTH - 6); rest = substr($0, RSTART + RLENGTH)
      if (rest == "") user[pid] = $3
      else if (rest ~ /^\/exe -> /) exe[pid] = substr(rest, 9)
      next
    }
    {
      split($1, words, "/"); pid = words[3]; range = substr($1, index($1, ":") + 1)
      if ($5 == 0) next
      path = $0; sub(/^[^ ]+ [^ ]+ [^ ]+ [^ ]+ [0-9]+ +/, "", path)
      plain = path; gone = sub(/ \(deleted\)$/, "", plain)
      if (!(pid in seen)) { seen[pid] = 1; order[++count] = pid }
      # What a program makes for itself and removes at once is no program that was replaced.
      if (gone && $2 ~ /x/ && plain !~ /^\/(memfd:|dev\/|SYSV|tmp\/|var\/tmp\/)/ && !((pid, plain) in told)) {
        told[pid, plain] = 1; replaced[++lost] = pid " " plain
      }
      name = plain; sub(/.*\//, "", name)
      role = ""
      if (path == exe[pid]) { role = "executable"; if (name ~ /^python[23]\.[0-9]+/) tell(pid, name, 2) }
      else if (name ~ /^libpython[0-9].*\.so/) { role = "libpython"; tell(pid, name, 3) }
      else if (name ~ /^mod_wsgi.*\.so/) role = "mod_wsgi"
      else if (match(plain, /\/python[23]\.[0-9]+\/lib-dynload\//)) tell(pid, substr(plain, RSTART, RLENGTH), 1)
      if (role == "" || $3 !~ /^0+$/) next
      key = $4 " " $5 " " path
      if (!(key in number)) number[key] = ++images
      if ((pid, key) in used) next
      used[pid, key] = 1; uses[++u] = pid " " role " " number[key]
      if (++places[key] <= 4) need[++n] = number[key] " " pid " " range " " $5 " " path
    }
    function tell(pid, text, weight) {
      if (weight <= known[pid] || !match(text, /[23]\.[0-9]+/)) return
      known[pid] = weight; version[pid] = substr(text, RSTART, RLENGTH)
    }
    END {
      for (i = 1; i <= count; i++) {
        pid = order[i]
        print "python", pid, user[pid]
        if (pid in version) print "version", pid, version[pid]
      }
      for (i = 1; i <= u; i++) print "uses", uses[i]
      for (i = 1; i <= lost; i++) print "replaced", replaced[i]
      for (i = 1; i <= n; i++) print "need", need[i]
    }'
}

# Those of $pythons that belong to the service, given as `NAME|MATCH`, whether or not they are what `match` is after:
# who restarts the service restarts them.
tell_members() {
  service=${1%%|*} match=''
  case $1 in *'|'*) match=${1#*|} ;; esac
  # Who does not run is no failure here.
  members=$(
    exec 2>/dev/null
    need_service
    find_members
    printf '%s\n' "$members"
  )
  for each in $pythons; do
    case $newline$members$newline in *"$newline$each$newline"*) printf 'belongs %s %s\n' "$each" "$service" ;; esac
  done
}

# The files of $needs, lines `N PID RANGE INODE PATH`, one for each of some processes that have the file, the oldest first.
tell_images() {
  choose_needs
  identities=$(while read -r number pid range inode path; do
    [ -n "$number" ] && locate_module || continue
    printf 'module %s %s\n' "$number" "$via"
    od -An -v -w16 -tx1 -N 4096 "$file" 2>/dev/null
  done <<EOF | read_build_ids
$needs
EOF
  )
  find_owners
  images='' missing=''
  while read -r number pid range inode path; do
    [ -n "$number" ] || continue
    path=${path% (deleted)} via=none id=- symbols=none package=-
    while read -r _ each how what; do
      if [ "$each" = "$number" ]; then via=$how id=$what; fi
    done <<EOF
$identities
EOF
    case $id in *[!0-9a-f]*) id=- ;; esac
    find_owner
    case $package in *python[23].*) note_version "${package##*python}" ;; esac
    if [ "$id" != - ] && [ -e "/usr/lib/debug/.build-id/${id%"${id#??}"}/${id#??}.debug" ]; then
      symbols=separate
    elif [ "$via" != none ] && has_symbols; then
      symbols=own
    else
      missing="$missing $id|$package"
    fi
    images="$images$number $via $symbols $id $package $path$newline"
  done <<EOF
$needs
EOF
  offers=''
  [ -z "$missing" ] || find_offers
  while read -r number via symbols id package path; do
    [ -n "$number" ] || continue
    case "$symbols $offers " in "none "*" $id|$package "*) symbols=offered ;; esac
    printf 'image %s %s %s %s %s %s\n' "$number" "$via" "$symbols" "$id" "$package" "$path"
  done <<EOF
$images
EOF
}

# Leaves one line of $needs for each file, of a process that is still there: jobs come and go. Where the path leads to the
# very file, this one will do, which stays.
choose_needs() {
  chosen=$newline
  while read -r number pid range inode path; do
    case $chosen in *"$newline$number "*) continue ;; esac
    [ -n "$number" ] && locate_module || continue
    # shellcheck disable=SC2046 # two words
    set -- $(stat -L -c '%d:%i' -- "$path" "$file" 2>/dev/null)
    [ "$#" = 2 ] && [ "$1" = "$2" ] && pid=$$
    chosen="$chosen$number $pid $range $inode $path$newline"
  done <<EOF
$needs
EOF
  # Of those that nobody may read, or that have ended, any.
  while read -r number place; do
    case $chosen in *"$newline$number "*) continue ;; esac
    [ -z "$number" ] || chosen="$chosen$number $place$newline"
  done <<EOF
$needs
EOF
  needs=${chosen#"$newline"}
}

# $versions: those of Python that run from a package.
note_version() {
  case " $versions " in *" ${1%%[!0-9.]*} "*) ;; *) versions="$versions ${1%%[!0-9.]*}" ;; esac
}

# $owners: lines `…/PACKAGE.list:PATH` of the files that are the host's own, not those of a container. dpkg-query -S reads
# all of its lists line by line, which takes several times as long as to look for a few lines in them; it is asked where
# they are not where it keeps them today.
find_owners() {
  owners='' foreign=''
  command -v dpkg-query >/dev/null 2>&1 || return 0
  set -- /.
  while read -r number pid range inode path; do
    [ -z "$number" ] || set -- "$@" "/proc/$pid/root/."
  done <<EOF
$needs
EOF
  roots=$(stat -L -c '%d:%i|%n' -- "$@" 2>/dev/null)
  ours=${roots%%|*}
  set --
  while read -r number pid range inode path; do
    path=${path% (deleted)}
    case $path in '' | *[!A-Za-z0-9_./+:~@-]*) continue ;; esac
    case $newline$roots$newline in
      # Packages name a file as they shipped it, /lib or /usr/lib, whatever the merged directories say now.
      *"$newline$ours|/proc/$pid/root/.$newline"*) set -- "$@" "$path" "${path#/usr}" ;;
      *) foreign="$foreign $number " ;;
    esac
  done <<EOF
$needs
EOF
  [ "$#" -gt 0 ] || return 0
  count=$#
  for path in "$@"; do set -- "$@" -e "$path"; done
  shift "$count"
  owners=$(grep -sHxF "$@" /var/lib/dpkg/info/*.list)
  [ -z "$owners" ] || return 0
  for argument in "$@"; do
    shift
    case $argument in /*) set -- "$@" "$argument" ;; esac
  done
  owners=$(dpkg-query -S -- "$@" 2>/dev/null | sed -n '/^diversion /d; s/^\([^:,]*\).*: \//\1.list:\//p')
}

# Sets $package of $path.
find_owner() {
  case $foreign in *" $number "*) return 0 ;; esac
  while IFS= read -r text; do
    case $text in
      *".list:$path" | *".list:${path#/usr}")
        package=${text%%.list:*}
        package=${package##*/}
        package=${package%:*}
        ;;
    esac
  done <<EOF
$owners
EOF
}

# Whether the file that is mapped has a symbol table or DWARF of its own: its section names say (elf(5)).
has_symbols() {
  locate_module || return 1
  # shellcheck disable=SC2046 # numbers
  set -- $(od -An -v -tu1 -N 64 "$file" 2>/dev/null)
  # Only in the byte order of the machines that we know.
  if [ "$#" != 64 ] || [ "$6" != 1 ]; then return 1; fi
  if [ "$5" = 2 ]; then
    table=$((${41} | ${42} << 8 | ${43} << 16 | ${44} << 24 | ${45} << 32)) word=8
    at=$((table + (${59} | ${60} << 8) * (${63} | ${64} << 8) + 24))
  else
    table=$((${33} | ${34} << 8 | ${35} << 16 | ${36} << 24)) word=4
    at=$((table + (${47} | ${48} << 8) * (${51} | ${52} << 8) + 16))
  fi
  [ "$table" != 0 ] || return 1
  # shellcheck disable=SC2046 # numbers
  set -- $(od -An -v -tu"$word" -j "$at" -N $((2 * word)) "$file" 2>/dev/null)
  if [ "$#" != 2 ] || [ "$2" -gt 65536 ]; then return 1; fi
  case $(od -An -v -tx1 -j "$1" -N "$2" "$file" 2>/dev/null | tr -d ' \n') in
    # .symtab, .debug_info, each between two zeros
    *002e73796d74616200* | *002e64656275675f696e666f00*) return 0 ;;
  esac
  return 1
}

# $offers: those of $missing (`BUILD-ID|PACKAGE`) whose symbols the host's sources have, by a debug package of the same
# version, else by the build-ids that the lists name.
find_offers() {
  command -v apt-cache >/dev/null 2>&1 || return 0
  set --
  for each in $missing; do
    package=${each#*|}
    case $package in
      -) ;;
      *python[23].*)
        minor=${package##*python}
        set -- "$@" "$package" "$package-dbgsym" "$package-dbg" "python${minor%%[!0-9.]*}-dbg"
        ;;
      *) set -- "$@" "$package" "$package-dbgsym" "$package-dbg" ;;
    esac
  done
  if [ "$#" -gt 0 ]; then
    # shellcheck disable=SC2016 # dpkg's own fields
    owning=$(dpkg-query -W -f '${Package} ${Version}\n' -- "$@" 2>/dev/null)
    offered=$(ask_apt madison "$@" | awk -F ' *[|] *' '{ sub(/^ */, "", $1); print $1, $2 }')
    for each in $missing; do
      package=${each#*|}
      while read -r name version; do
        [ "$name" = "$package" ] || continue
        minor=${package##*python}
        case $newline$offered$newline in
          *"$newline$package-dbgsym $version$newline"* | *"$newline$package-dbg $version$newline"* | *"${newline}python${minor%%[!0-9.]*}-dbg $version$newline"*)
            offers="$offers $each"
            ;;
        esac
      done <<EOF
$owning
EOF
    done
  fi
  ids=''
  for each in $missing; do
    case " $offers " in *" $each "*) continue ;; esac
    case $each in -*) ;; *) ids="$ids ${each%%|*}" ;; esac
  done
  [ -n "$ids" ] || return 0
  set --
  for path in /var/lib/apt/lists/*_Packages*; do
    if [ -r "$path" ]; then set -- "$@" "$path"; fi
  done
  [ "$#" -gt 0 ] || return 0
  named=$(read_lists "$@" | grep '^Build-Ids:' | awk -v ids="$ids" '
    BEGIN { count = split(ids, list, " "); for (i = 1; i <= count; i++) sought[list[i]] = 1 }
    { for (i = 2; i <= NF; i++) if ($i in sought) print $i }')
  for each in $missing; do
    case $newline$named$newline in *"$newline${each%%|*}$newline"*) offers="$offers $each" ;; esac
  done
}

# apt's lists, whichever way they are compressed.
read_lists() {
  if [ -x "$apt_helper" ]; then
    "$apt_helper" cat-file "$@" 2>/dev/null
  else
    cat "$@"
  fi
}

apt_helper=/usr/lib/apt/apt-helper

# `sudoers yes|no TEXT`: whether visudo takes them.
tell_sudoers() {
  if [ "$me" != 0 ]; then
    gap sudoers 'only root reads them' 'log in as root or with sudo'
    return
  fi
  command -v visudo >/dev/null 2>&1 || return 0
  if said=$(visudo -c 2>&1); then verdict=yes; else verdict=no; fi
  say "sudoers $verdict" "$said"
}

# $1 and the text on one line.
say() {
  line=$1
  while IFS= read -r text; do line="$line $text"; done <<EOF
$2
EOF
  printf '%s\n' "$line"
}

# `gdb yes|no`: whether it runs Python, tried. Without its own Python files it starts in half the time; where that does
# not do, or those files are not at their place, it is tried as it is.
tell_gdb() {
  command -v gdb >/dev/null 2>&1 || return 0
  verdict=no
  if [ -r /usr/share/gdb/python/gdb/__init__.py ] && runs_python -data-directory /nonexistent; then
    verdict=yes
  elif runs_python; then
    verdict=yes
  fi
  printf 'gdb %s\n' "$verdict"
}

runs_python() {
  [ "$(HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1 timeout 10 gdb -nx -batch "$@" -iex 'set auto-load off' -ex 'python print(6 * 7)' 2>/dev/null)" = 42 ]
}

# Begins to fetch what the repositories say of themselves, side by side, while the rest is looked at. $repositories has a
# line `ROLE|URL|SUITE|KEYRING` for each.
begin_fetching() {
  work='' repositories=''
  source=$(first_source)
  [ -z "$source" ] || repositories="release|${source% *}|${source#* }|"
  for argument in "$@"; do
    case $argument in repository=*) ;; *) continue ;; esac
    IFS='|' read -r only url suite keyring <<EOF
${argument#repository=}
EOF
    if [ -n "$only" ] && [ "$only" != "$distribution" ]; then continue; fi
    case $suite in *CODENAME*) suite=${suite%%CODENAME*}$codename${suite#*CODENAME} ;; esac
    repositories="$repositories${repositories:+$newline}symbols|$url|$suite|$keyring"
  done
  [ -n "$repositories" ] || return 0
  if ! make_work; then
    gap repositories 'there is no room for a temporary file' 'make room in /tmp there'
    repositories=''
    return
  fi
  fetch_releases >/dev/null 2>&1 &
  fetching=$!
}

# `URL SUITE` of the apt source that the host installs from: the first of its release, else the first (sources.list(5)).
first_source() {
  set -- /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources
  for file in "$@"; do
    shift
    if [ -r "$file" ]; then set -- "$@" "$file"; fi
  done
  [ "$#" -gt 0 ] || return 0
  awk -v codename="$codename" '
    function take(url, suite) {
      if (url ~ /^cdrom:/ || url == "" || suite == "") return
      sub(/\/+$/, "", url)
      if (any == "") any = url " " suite
      if (best == "" && suite == codename) best = url " " suite
    }
    function settle(    i, count, urls, suites) {
      if ((" " value["types"] " ") ~ / deb / && tolower(value["enabled"]) !~ /^ *(no|false|without|off|disable)/) {
        split(value["uris"], urls, " "); count = split(value["suites"], suites, " ")
        for (i = 1; i <= count; i++) take(urls[1], suites[i])
      }
      split("", value); field = ""
    }
    FNR == 1 { settle() }
    /^[ \t]*#/ { next }
    /^[ \t]*$/ { settle(); next }
    /^[ \t]*deb[ \t]/ && field == "" { sub(/\[[^]]*\]/, ""); take($2, $3); next }
    /^[A-Za-z-]+:/ { field = tolower(substr($0, 1, index($0, ":") - 1)); value[field] = substr($0, index($0, ":") + 1); next }
    field != "" { value[field] = value[field] " " $0 }
    END { settle(); print best != "" ? best : any }' "$@"
}

# In the background: $work/N.InRelease of the Nth repository, else N.Release and N.Release.gpg; $work/errors has lines
# `URL REASON`.
fetch_releases() {
  number=0
  set --
  while IFS='|' read -r role url suite keyring; do
    number=$((number + 1))
    case $url in mirror*) resolve_mirror ;; esac
    choose_folder
    printf '%s\n' "$folder" >"$work/$number.folder"
    [ "$folder" != "${folder#/}" ] || set -- "$@" "$folder/InRelease" "$work/$number.InRelease"
  done <<EOF
$repositories
EOF
  [ "$#" = 0 ] || download "$@"
  number=0
  set --
  while IFS='|' read -r role url suite keyring; do
    number=$((number + 1))
    read -r folder <"$work/$number.folder"
    # Without one of the newer kind there are two files.
    while read -r url reason; do
      case "$url $reason" in
        "$folder/InRelease "*404* | "$folder/InRelease "*'not found'*)
          set -- "$@" "$folder/Release" "$work/$number.Release" "$folder/Release.gpg" "$work/$number.Release.gpg"
          ;;
      esac
    done 2>/dev/null <"$work/errors"
  done <<EOF
$repositories
EOF
  [ "$#" = 0 ] || download "$@"
}

# Sets $folder of $url and $suite: a path where it is on this host.
choose_folder() {
  case $suite in
    */) folder=$url/${suite%/} ;;
    *) folder=$url/dists/$suite ;;
  esac
  case $folder in file:*) folder=${folder#file:} ;; *) return 0 ;; esac
  while case $folder in //*) true ;; *) false ;; esac do folder=${folder#/}; done
}

# $url becomes the first mirror of the list that it names (apt-transport-mirror(1)).
resolve_mirror() {
  list=${url#mirror+}
  case $list in
    file:*) list=${list#file:} ;;
    *)
      download "$(printf '%s\n' "$list" | sed 's/^mirror:/http:/')" "$work/mirrors"
      list=$work/mirrors
      ;;
  esac
  found=$(sed -n 's/^[[:space:]]*\([a-z][a-z+]*:[^[:space:]]*\).*/\1/p' "$list" 2>/dev/null)
  url=${found%%"$newline"*}
  url=${url:-${list}}
  url=${url%/}
}

# Pairs of URL and file; what fails has no file, and a line in $work/errors. apt's own program knows apt's proxies and
# logins, and fetches all at once.
download() {
  if [ -x "$apt_helper" ]; then
    count=$(($# / 2))
    while [ "$count" -gt 0 ]; do
      # A third one would be a hash.
      set -- "$@" "$1" "$2" ''
      shift 2
      count=$((count - 1))
    done
    timeout -k 1 6 "$apt_helper" -q -o Acquire::http::Timeout=5 -o Acquire::https::Timeout=5 -o Acquire::Retries=0 \
      -o APT::Sandbox::User=root download-file "$@" 2>"$work/said"
    case $? in 124 | 137) drop_halves "$@" ;; esac
    sed -n 's/^[EW]: Failed to fetch \([^ ]*\) */\1 /p' "$work/said" >>"$work/errors"
    return
  fi
  while [ "$#" -ge 2 ]; do
    {
      if command -v curl >/dev/null 2>&1; then
        said=$(curl -sSfL --max-time 5 -o "$2" -- "$1" 2>&1)
      else
        said=$(timeout 5 wget -q -T 5 -O "$2" "$1" 2>&1)
      fi || {
        rm -f -- "$2"
        printf '%s %s\n' "$1" "${said:-no answer}" >>"$work/errors"
      }
    } &
    shift 2
  done
  wait
}

# Cut off in the middle: what has no end was not fetched.
drop_halves() {
  while [ "$#" -ge 3 ]; do
    case $(tail -n 1 -- "$2" 2>/dev/null) in
      '-----END PGP SIGNATURE-----') ;;
      *)
        rm -f -- "$2"
        printf '%s no answer within 5 s\n' "$1" >>"$work/errors"
        ;;
    esac
    shift 3
  done
}

# `repository ROLE yes|no valid|invalid|unchecked|URL|SUITE|KEYRING|SAID`, yes: it answered; and once for each keyring
# `keyring BASE64 PATH`.
tell_repositories() {
  [ -n "$repositories" ] || return 0
  wait "$fetching"
  number=0 told=$newline
  while IFS='|' read -r role url suite keyring; do
    number=$((number + 1)) signature=unchecked said=''
    judge_repository
    printf 'repository %s %s %s|%s|%s|%s|%s\n' "$role" "$reached" "$signature" "$url" "$suite" "$keyring" "$said"
    case $told in *"$newline$keyring$newline"*) continue ;; esac
    told=$told$keyring$newline
    if [ -z "$keyring" ] || [ ! -r "$keyring" ]; then continue; fi
    text=$(head -c 262145 -- "$keyring" | base64 -w 0)
    [ "${#text}" -gt 349528 ] || printf 'keyring %s %s\n' "$text" "$keyring"
  done <<EOF
$repositories
EOF
}

# Sets $reached, $signature and $said.
judge_repository() {
  read -r folder <"$work/$number.folder"
  place=$work/$number.
  case $folder in /*) place=$folder/ ;; esac
  reached=yes
  if [ -s "${place}InRelease" ]; then
    set -- "${place}InRelease"
  elif [ -s "${place}Release" ]; then
    set -- "${place}Release.gpg" "${place}Release"
  else
    reached=no said="'$folder/InRelease' cannot be fetched"
    case $folder in /*) said="there is no '$folder/InRelease'" ;; esac
    while read -r url_ reason; do
      case $url_ in "$folder/InRelease") said=$reason ;; esac
    done 2>/dev/null <"$work/errors"
    return
  fi
  [ "$role" = symbols ] || return 0
  if [ ! -r "$keyring" ]; then
    said="there is no keyring '$keyring'"
    return
  fi
  signer=$keyring
  read -r text <"$keyring"
  case $text in '-----BEGIN '*) dearmour ;; esac
  if [ ! -e "$1" ]; then
    signature=invalid said='it is not signed'
  elif command -v gpgv >/dev/null 2>&1; then
    ask_gpgv "$@"
  elif command -v sqv >/dev/null 2>&1; then
    ask_sqv "$@"
  else
    said='neither gpgv nor sqv is here to check it'
  fi
}

# gpgv takes binary keyrings alone.
dearmour() {
  signer=$work/keyring
  awk '
    /^-----END/ { body = begun = 0 }
    body && !/^=/ { print }
    begun && /^[ \t\r]*$/ { body = 1 }
    /^-----BEGIN PGP PUBLIC KEY BLOCK-----/ { begun = 1 }' "$keyring" | tr -d '\r' | base64 -d >"$signer" 2>/dev/null
}

# One good signature will do, a bad one never does; as apt judges (gnupg, doc/DETAILS: GOODSIG and its kin).
ask_gpgv() {
  status=$newline$(gpgv --status-fd 1 --keyring "$signer" "$@" 2>/dev/null)
  signature=invalid
  for word in BADSIG GOODSIG REVKEYSIG EXPKEYSIG EXPSIG ERRSIG NODATA; do
    case $status in *"$newline[GNUPG:] $word "*) ;; *) continue ;; esac
    text=${status#*"$newline[GNUPG:] $word "}
    text=${text%%"$newline"*}
    case $word in
      BADSIG) said="bad signature of $text" ;;
      GOODSIG) signature=valid said="good signature of $text" ;;
      REVKEYSIG) said="signed by the revoked key $text" ;;
      EXPKEYSIG) said="signed by the expired key $text" ;;
      EXPSIG) said="the signature of $text has expired" ;;
      ERRSIG) said="signed by the key ${text%% *}, which the keyring does not have" ;;
      *) said='it is not signed' ;;
    esac
    return
  done
  said='gpgv finds no signature'
}

ask_sqv() {
  if [ "$#" = 1 ]; then
    set -- --cleartext --output "$work/text" "$1"
  else
    set -- --signature-file "$1" "$2"
  fi
  rm -f -- "$work/text"
  if said=$(sqv --keyring "$signer" "$@" 2>&1); then
    signature=valid said="good signature of $said"
  else
    signature=invalid
  fi
  said=$(printf '%s' "$said" | tr '\n\r' '  ')
}

# --- shared ----------------------------------------------------------------------------------------------------------

fail() {
  printf 'error %s %s\n' "$1" "$(printf '%s' "$3" | tr '\n\r' '  ')" >&2
  exit "$2"
}

is_there() {
  [ -e "$1" ] || [ -L "$1" ]
}

is_number() {
  case $1 in '' | *[!0-9]* | 0?*) return 1 ;; esac
  [ "${#1}" -le 15 ]
}

need_number() {
  is_number "$2" || fail USAGE 2 "$1 '$2' is not a number"
}

# The right to call the installed program is not the right to run any command as root: those that are run have been
# written down by who prepared the host. A URL is asked, not run.
need_permission() {
  case $1 in '' | http://* | https://*) return 0 ;; esac
  case "$0 ${SUDO_UID:-0}" in "${permitted%/*}/host 0") return 0 ;; "${permitted%/*}/host "*) ;; *) return 0 ;; esac
  sum=$(printf '%s' "$1" | sha256sum)
  grep -qxF -- "${sum%% *}" "$permitted" 2>/dev/null ||
    fail NOT_PERMITTED 26 "the command '$1' is not among those that the host was prepared for"
}

need_service() {
  case $service in
    '' | -* | .* | *[!A-Za-z0-9_.@:+-]*) fail USAGE 2 "'$service' is not a service name" ;;
  esac
}

# $pid exists and is the process that was meant: a reused number shows in its start time.
need_process() {
  need_number pid "$pid"
  [ "$pid" -ge 2 ] || fail USAGE 2 "process $pid is never looked at"
  [ -z "$start" ] || need_number start "$start"
  read_stat "$pid" || fail PROCESS_GONE 10 "there is no process $pid"
  [ -z "$start" ] || [ "$start" = "$process_start" ] || fail PROCESS_GONE 10 "process $pid is another one now: it started at tick $process_start, expected $start"
  [ "$process_state" != Z ] || fail PROCESS_GONE 10 "process $pid has ended already"
}

same_process() {
  read_stat "$pid" && { [ -z "$start" ] || [ "$start" = "$process_start" ]; }
}

# proc(5), /proc/PID/stat: the fields behind the name, which may hold anything.
read_stat() {
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  [ -n "$line" ] || return 1
  # shellcheck disable=SC2086 # numbers
  set -- ${line##*) }
  process_state=$1 process_parent=$2 process_start=${20}
}

clock_ticks() {
  getconf CLK_TCK 2>/dev/null || printf '100\n'
}

centiseconds() {
  read -r now _ </proc/uptime
  printf '%s%s\n' "${now%.*}" "${now#*.}"
}

since() {
  awk -v from="$1" -v to="$(centiseconds)" 'BEGIN { printf "%.2f", (to - from) / 100 }'
}

# The text may come on stdin: nothing that runs may read from there, and nothing behind this line is read.
main "$@" </dev/null
exit
