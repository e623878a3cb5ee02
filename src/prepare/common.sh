# Shared by what prepares a host and by what takes that back. POSIX shell (dash, busybox) with coreutils or busybox,
# grep, sed, awk. The text comes on stdin to `sh -eu -s`, as root: it begins to act on its last line only, so that half
# of it does nothing.
#
# Results are lines on stdout: `changed ID TEXT`, `kept ID TEXT`, `failed ID TEXT`, at the very end `done`. Exit codes:
#   0 all is well, or what is not is only a warning   30 something failed   31 another preparation did not end
#   32 not root, or no place to work in

# What goes wrong with one requirement keeps none of the others away: each tells it itself.
set +e
umask 022
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

# What we added to this host, one a line: `package NAME`, `settings NAME` (a package that had left its settings here
# before), `file ID PATH`, `former ID PATH` (its former text is kept in $formers), `directory ID PATH`.
own=/var/lib/hangar
record=$own/added
formers=$own/former

id='' severity=error said='' failures=0 told=0 waited=0 locked=no

# Runs the function named first with the others, on a place of its own and with no other preparation beside it.
run_alone() {
  if [ "$(id -u)" != 0 ]; then
    tell failed root "$(id -un) is not root"
    exit 32
  fi
  work=$(mktemp -d /run/hangar.XXXXXXXX 2>/dev/null || mktemp -d) || exit 32
  trap 'rm -rf -- "$work"; if [ "$locked" = yes ]; then rm -rf /run/hangar.lock.d; fi' EXIT
  trap 'exit 32' HUP INT TERM
  take_lock
  "$@"
  tell_end
}

tell_end() {
  (printf 'done\n') 2>/dev/null
  [ "$failures" = 0 ] || exit 30
  exit 0
}

# Ten minutes at most. Whatever may start a service must not get descriptor 9: it would hold the lock for ever.
take_lock() {
  if command -v flock >/dev/null 2>&1 && [ -w /run ]; then
    exec 9>/run/hangar.lock
    until flock -n 9; do wait_for_lock; done
    return
  fi
  until mkdir /run/hangar.lock.d 2>/dev/null; do
    holder=$(cat /run/hangar.lock.d/holder 2>/dev/null)
    if [ -n "$holder" ] && [ ! -d "/proc/$holder" ]; then rm -rf /run/hangar.lock.d; fi
    wait_for_lock
  done
  locked=yes
  printf '%s\n' "$$" >/run/hangar.lock.d/holder
}

wait_for_lock() {
  if [ "$waited" -ge 600 ]; then
    tell failed lock 'another preparation of this host has been at work for 10 minutes'
    exit 31
  fi
  sleep 1
  waited=$((waited + 1))
}

changed() {
  tell changed "$id" "$1"
}

failed() {
  tell failed "$id" "$1"
  [ "$severity" = warning ] || failures=$((failures + 1))
}

# One line. All of them together have about 4 KB: what comes late is cut shorter.
tell() {
  most=280
  if [ "$told" -gt 2400 ]; then most=90; fi
  if [ "$told" -gt 3400 ]; then most=$((${#1} + ${#2} + 1)); fi
  line=$(printf '%s %s %s' "$1" "$2" "$3" | tr -s '[:cntrl:]' ' ' | cut -b "-$most")
  told=$((told + ${#line} + 1))
  # A reader that is gone ends whoever writes: not the preparation.
  (printf '%s\n' "$line") 2>/dev/null
}

is_there() {
  [ -e "$1" ] || [ -L "$1" ]
}

# install_file NEW PATH MODE: PATH gets what the file NEW holds, owned by root, in one go. Sets $wrote to yes or no; fails
# with $said.
install_file() {
  wrote=no
  if has_file "$1" "$2" "$3"; then return 0; fi
  if [ -d "$2" ] && [ ! -L "$2" ]; then
    said="'$2' is a directory"
    return 1
  fi
  folder=${2%/*}
  # Neither apt, nor sudo, nor sysctl reads a name that begins with a dot.
  if ! {
    mkdir -p -- "$folder" &&
      new=$(mktemp "$folder/.hangar.XXXXXX") &&
      cat -- "$1" >"$new" &&
      chown 0:0 -- "$new" &&
      chmod "$3" -- "$new" &&
      take_over "$2"
  } 2>"$work/error"; then
    said="'$2' cannot be written: $(tail -n 1 "$work/error")"
    rm -f -- "$folder"/.hangar.??????
    return 1
  fi
  # A link to a directory would take the file in.
  if [ -L "$2" ]; then rm -f -- "$2"; fi
  mv -f -- "$new" "$2"
  wrote=yes
}

has_file() {
  [ -f "$2" ] && [ ! -L "$2" ] && [ "$(stat -c '%a %u %g' -- "$2")" = "$3 0 0" ] && cmp -s -- "$1" "$2"
}

# Before a file is written or removed for the first time: what was there is kept.
take_over() {
  if is_noted "file $id $1" || is_noted "former $id $1"; then return 0; fi
  if is_there "$1"; then
    mkdir -p -m 700 -- "$formers" && cp -a -- "$1" "$formers/$(printf '%s' "$1" | tr / %)" && note "former $id $1"
  else
    note "file $id $1"
  fi
}

is_noted() {
  grep -qxF -- "$1" "$record" 2>/dev/null
}

note() {
  if is_noted "$1"; then return 0; fi
  mkdir -p -- "$own" && printf '%s\n' "$1" >>"$record"
}

# Takes the lines that are in the file $1 out of the record.
forget() {
  grep -vxFf "$1" "$record" >"$own/.added" 2>/dev/null
  mv -f -- "$own/.added" "$record"
}

human() {
  awk -v n="$1" 'BEGIN { if (n >= 1073741824) printf "%.1f GiB", n / 1073741824; else printf "%.0f MiB", n / 1048576 }'
}
