# Durable work: a user's script that runs once under a key, outlives the connection that asked for it, and is joined by
# whoever asks again with that key. Functions only; remote-work.ts sends them on stdin to `sh -s`, with the values in front.
#
#   /var/tmp/hangar-work-UID/RUN/KEY/        private; made by whoever starts the work, and only by that one
#     script   what runs                     out, err   what it prints
#     guard    this text; waits for the end  group      GROUP START GUARD START BOOT end: processes and their start ticks
#     exit     CODE CENTISECONDS WHY end     stop       somebody wants it ended
#
# Answers are lines on stdout. A failure is one line on stderr, `error CODE text`, and exit code 30.
#
# Every variable begins with work_: what else the environment holds belongs to the user's script, and goes there.
# Written for dash and busybox sh with coreutils or busybox, and awk.

# --- verbs -----------------------------------------------------------------------------------------------------------

# Starts the work, or joins it; then tells how it ended.
run_work() {
  umask 077
  enter_run
  if mkdir -- "$work_directory" 2>/dev/null; then
    start_work
    wait "$work_guard"
  elif [ ! -d "$work_directory" ]; then
    fail DISK_FULL "directory '$work_directory' cannot be made"
  fi
  await_work
  [ "$work_state" = ended ] || fail WORK_LOST "the work under key $work_key was started, but nothing there knows how it ended"
  tell_result
}

probe_work() {
  if enter_base; then
    work_directory=$work_base/$work_run/$work_key
    look
    await_start
  else
    work_state=none
  fi
  printf 'state %s %s\n' "$work_key" "$work_state"
}

# Nothing of it runs afterwards, nor will: whoever comes later finds the directory taken.
end_work() {
  umask 077
  enter_run
  mkdir -- "$work_directory" 2>/dev/null
  stop_work
  measure_printed
  [ "$work_out" -le 65536 ] || work_out=65536
  printf 'state %s %s %s\n' "$work_key" "$work_state" "$work_out"
  if [ "$work_out" -gt 0 ]; then tail -c "$work_out" "$work_directory/out"; fi
  if [ "$work_err" -gt 0 ]; then tail -c "$work_err" "$work_directory/err"; fi
}

# Ends what runs of this run and removes all of it, and what other runs left behind a week ago.
remove_work() {
  if enter_base; then
    for work_directory in "$work_base/$work_run"/*/; do
      work_directory=${work_directory%/}
      [ -d "$work_directory" ] && stop_work
    done
    rm -rf -- "${work_base:?}/$work_run"
    if ! rmdir -- "$work_base" 2>/dev/null; then
      find "$work_base" -mindepth 1 -maxdepth 1 -type d -mtime +7 2>/dev/null | while read -r work_old; do remove_old; done
      rmdir -- "$work_base" 2>/dev/null
    fi
  fi
  printf 'removed %s\n' "$work_run"
}

remove_old() {
  for work_directory in "$work_old"/*/; do
    work_directory=${work_directory%/}
    look
    [ "$work_state" != running ] || return 0
  done
  rm -rf -- "$work_old"
}

# --- directories -----------------------------------------------------------------------------------------------------

# Sets $work_base; false: it is not there.
enter_base() {
  # Who asked here before says who we are; what we own there nobody else can replace (/var/tmp is sticky).
  work_base=/var/tmp/hangar-work-${work_me:-}
  if [ -n "${work_me:-}" ] && [ -d "$work_base" ] && [ -O "$work_base" ] && [ ! -L "$work_base" ]; then return 0; fi
  work_me=$(id -u)
  work_base=/var/tmp/hangar-work-$work_me
  # Everybody may write to /var/tmp: another user may have been there first.
  case $(stat -c '%u %a %F' -- "$work_base" 2>/dev/null) in
    "$work_me 700 directory") return 0 ;;
    '') if [ ! -e "$work_base" ] && [ ! -L "$work_base" ]; then return 1; fi ;;
  esac
  fail NOT_OURS "directory '$work_base' is not safe: expected a directory of $(id -un) that nobody else can enter"
}

# Sets $work_directory, and makes what is above it.
enter_run() {
  work_tries=0
  # Another run that ends may take the empty base away in between.
  while [ "$work_tries" -lt 5 ]; do
    enter_base || { mkdir -m 700 -- "$work_base" 2>/dev/null; enter_base; }
    [ -d "$work_base/$work_run" ] || mkdir -m 700 -- "$work_base/$work_run" 2>/dev/null
    work_directory=$work_base/$work_run/$work_key
    [ ! -d "$work_base/$work_run" ] || return 0
    work_tries=$((work_tries + 1))
  done
  fail NOT_OURS "directory '$work_base/$work_run' cannot be made"
}

# --- start -----------------------------------------------------------------------------------------------------------

# Sets $work_guard: the process that waits for the work.
start_work() {
  # By path: the user's PATH finds the user's programs.
  need_tool setsid && work_setsid=$work_tool
  need_tool timeout && work_timeout=$work_tool
  need_tool sh && work_sh=$work_tool
  printf '%s' "$work_script" >"$work_directory/script" && printf '%s\nguard_work "$@"\n' "$work_program" >"$work_directory/guard" ||
    { rm -rf -- "$work_directory"; fail DISK_FULL "'$work_directory' cannot be written"; }
  # `work_begin` is written by remote-work.ts: it adds the command, sets the user's environment, and becomes all that.
  (
    work_begin "$work_setsid" "$work_sh" "$work_directory/guard" "$work_directory" "$PATH" "$work_kill_after" "$work_limit" \
      "$work_flood_bytes" "$work_setsid" "$work_timeout" -k "$work_kill_after" "$work_limit"
  ) >/dev/null 2>&1 </dev/null &
  work_guard=$!
}

need_tool() {
  for work_place in /usr/bin /bin; do
    work_tool=$work_place/$1
    [ ! -x "$work_tool" ] || return 0
  done
  work_tool=$(command -v "$1") && return
  rmdir -- "$work_directory"
  fail TOOL_MISSING "$1 is not installed on this host"
}

# --- guard -----------------------------------------------------------------------------------------------------------

# DIRECTORY PATH KILLAFTER LIMIT FLOODBYTES COMMAND…, in a session of its own: runs the command in another one and writes
# down how it ended.
guard_work() {
  [ ! -e "$1/stop" ] || exit 1
  (
    umask 022
    cd -- "${HOME:-/}" 2>/dev/null || cd /
    shift 5
    exec "$@"
  ) >"$1/out" 2>"$1/err" </dev/null &
  # Not before: the environment was the user's until the command had it.
  work_group=$! work_directory=$1 PATH=$2 work_kill_after=$3 work_limit=$4 work_flood_bytes=$5
  read_clock
  work_began=$work_clock
  write_group
  [ ! -e "$work_directory/stop" ] || end_group
  watch_bytes "$work_group" >/dev/null 2>&1 &
  work_watch=$!
  wait "$work_group"
  work_code=$?
  read_clock
  kill "$work_watch" 2>/dev/null
  work_took=$((work_clock - work_began)) work_why=ended
  [ ! -e "$work_directory/stop" ] || work_why=stopped
  # Our clock began a moment after that of timeout(1); 137 comes $work_kill_after later.
  case $work_code in
    124) work_least=$((work_limit * 100 - 100)) ;;
    137) work_least=$((work_limit * 100)) ;;
    *) work_least=$((work_took + 1)) ;;
  esac
  if [ -e "$work_directory/flood" ]; then
    work_why=flood
    printf '' >"$work_directory/out"
  elif [ "$work_took" -ge "$work_least" ]; then
    work_why=timeout
    # timeout(1) waits for its child alone.
    await_group_end || kill -KILL "-$work_group" 2>/dev/null
  fi
  printf '%s %s %s end\n' "$work_code" "$work_took" "$work_why" >"$work_directory/exit"
}

write_group() {
  read_stat "$work_group"
  work_group_start=$work_start
  read_stat "$$"
  work_guard=$$ work_guard_start=$work_start
  read -r work_boot </proc/sys/kernel/random/boot_id
  printf '%s %s %s %s %s end\n' "$work_group" "$work_group_start" "$work_guard" "$work_guard_start" "$work_boot" >"$work_directory/group"
}

# Nobody reads more than that, and a host whose disk is full serves nobody.
watch_bytes() {
  while sleep 0.25 && kill -0 "$1" 2>/dev/null; do
    # shellcheck disable=SC2046 # numbers
    set -- "$1" $(stat -c %s -- "$work_directory/out" "$work_directory/err" 2>/dev/null)
    [ "$#" = 3 ] || return
    [ $(($2 + $3)) -gt "$work_flood_bytes" ] || continue
    printf '' >"$work_directory/flood"
    kill -KILL "-$1"
    return
  done
}

# --- state -----------------------------------------------------------------------------------------------------------

# Sets $work_state: none, starting, running, ended, lost.
look() {
  work_state=none
  if [ ! -d "$work_directory" ]; then return; fi
  if read_exit; then
    work_state=ended
  elif read_group; then
    work_state=running
    if guard_lives || group_lives; then return; fi
    # It may have ended between the two looks.
    if read_exit; then work_state=ended; else work_state=lost; fi
  elif [ -e "$work_directory/stop" ]; then
    work_state=lost
  else
    work_state=starting
  fi
}

# Whoever made the directory starts the work at once, or was killed before it could.
await_start() {
  work_tries=0
  while [ "$work_state" = starting ]; do
    [ "$work_tries" -lt 50 ] || { work_state=lost; return; }
    work_tries=$((work_tries + 1))
    sleep 0.1
    look
  done
}

await_work() {
  look
  await_start
  while [ "$work_state" = running ]; do
    sleep 0.1
    look
  done
}

# A line is written at once: it is whole when its last word is there.
read_exit() {
  work_mark=''
  { read -r work_code work_took work_why work_mark <"$work_directory/exit"; } 2>/dev/null
  [ "$work_mark" = end ]
}

read_group() {
  work_mark='' work_boot=''
  { read -r work_group work_group_start work_guard work_guard_start work_boot work_mark <"$work_directory/group"; } 2>/dev/null
  [ "$work_mark" = end ]
}

guard_lives() {
  same_boot && read_stat "$work_guard" && [ "$work_start" = "$work_guard_start" ] && [ "$work_status" != Z ]
}

# The leader by number and start; without it the kernel gives its number to nobody while the group has members.
group_lives() {
  same_boot || return
  if read_stat "$work_group"; then
    [ "$work_start" = "$work_group_start" ] || return
    [ "$work_status" = Z ] || return 0
  fi
  kill -0 "-$work_group" 2>/dev/null || return
  # A group of zombies does nothing any more.
  cat /proc/[0-9]*/stat 2>/dev/null | awk -v group="$work_group" '{ sub(/^.*\) /, "") } $3 == group && $1 != "Z" { found = 1 } END { exit !found }'
}

same_boot() {
  read -r work_booted </proc/sys/kernel/random/boot_id
  [ "$work_boot" = "$work_booted" ]
}

# proc(5), /proc/PID/stat: the fields behind the name.
read_stat() {
  work_start=''
  { read -r work_line <"/proc/$1/stat"; } 2>/dev/null || return
  # shellcheck disable=SC2086 # numbers
  set -- ${work_line##*) }
  [ "$#" -ge 20 ] || return
  work_status=$1 work_start=${20}
}

# --- end -------------------------------------------------------------------------------------------------------------

# Asks the guard, or does its work: one of the two sees what the other has written.
stop_work() {
  printf '' >"$work_directory/stop"
  look
  [ "$work_state" = running ] || return 0
  end_group
  work_tries=0
  while guard_lives && [ "$work_tries" -lt 20 ]; do
    sleep 0.05
    work_tries=$((work_tries + 1))
  done
  look
}

end_group() {
  await_group_end TERM && return
  kill -KILL "-$work_group" 2>/dev/null
  work_kill_after=2
  await_group_end
}

# Waits $work_kill_after seconds at most; false: it still lives. A signal is sent as soon as there is a group to get it.
await_group_end() {
  work_signal=${1:-}
  work_waits=0
  while group_lives; do
    [ "$work_waits" -lt $((work_kill_after * 20)) ] || return
    if [ -n "$work_signal" ] && kill "-$work_signal" "-$work_group" 2>/dev/null; then work_signal=''; fi
    sleep 0.05
    work_waits=$((work_waits + 1))
  done
}

# --- answers ---------------------------------------------------------------------------------------------------------

# `work KEY CODE CENTISECONDS WHY OUTBYTES ERRBYTES UID`, the bytes of stdout unless there are too many, the end of stderr.
tell_result() {
  read_exit
  measure_printed
  printf 'work %s %s %s %s %s %s %s\n' "$work_key" "$work_code" "$work_took" "$work_why" "$work_out" "$work_err" "$work_me"
  if [ "$work_out" -gt 0 ] && [ "$work_out" -le "$work_most_bytes" ]; then head -c "$work_out" "$work_directory/out"; fi
  if [ "$work_err" -gt 0 ]; then tail -c "$work_err" "$work_directory/err"; fi
}

# Sets $work_out, and $work_err, of which the end is enough.
measure_printed() {
  # shellcheck disable=SC2046 # numbers
  set -- $(stat -c %s -- "$work_directory/out" "$work_directory/err" 2>/dev/null)
  work_out=${1:-0} work_err=${2:-0}
  [ "$work_err" -le 65536 ] || work_err=65536
}

read_clock() {
  read -r work_clock work_line </proc/uptime
  work_clock=${work_clock%.*}${work_clock#*.}
}

fail() {
  printf 'error %s %s\n' "$1" "$2" >&2
  exit 30
}
