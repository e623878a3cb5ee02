
# --- prepare ---------------------------------------------------------------------------------------------------------

# requirement ID SEVERITY FUNCTION [ARGUMENT]…
requirement() {
  id=$1 severity=$2
  shift 2
  "$@"
}

# Files that not every profile fills.
begin_lists() {
  : >"$work/sysctls"
  : >"$work/lacking"
}

# The last requirements are met where nothing failed: TOKEN tells Pulumi which preparation this was.
leave_stamp() {
  if [ "$failures" != 0 ] || [ -z "$1" ]; then return; fi
  id=stamp severity=error
  if [ "$(cat "$2" 2>/dev/null)" = "$1" ] && [ "$(stat -c '%a %u %g' -- "$2")" = '644 0 0' ]; then return; fi
  printf '%s\n' "$1" >"$work/stamp"
  install_file "$work/stamp" "$2" 644 || failed "$said"
}

# What is written in the profile cannot be had on any host.
cannot() {
  failed "$1"
}

# --- sources of debug symbols ----------------------------------------------------------------------------------------

# Source files that were written, and yes where a key was: apt has not seen them yet.
new_sources='' new_keys=no

# have_symbol_key PATH BASE64
have_symbol_key() {
  if ! printf '%s' "$2" | base64 -d >"$work/key" 2>/dev/null || [ ! -s "$work/key" ]; then
    failed 'the profile has no key that base64 can read'
    return
  fi
  if ! install_file "$work/key" "$1" 644; then
    failed "$said"
  elif [ "$wrote" = yes ]; then
    new_keys=yes
    changed "wrote $1"
  fi
}

# have_key_package PATH NAME
have_key_package() {
  if [ -s "$1" ]; then return; fi
  key_id=$id key_severity=$severity
  want_package "$2" no
  install_wanted
  id=$key_id severity=$key_severity
  if [ -s "$1" ]; then
    new_keys=yes
  elif ! grep -qF " $2 " "$work/lacking"; then
    failed "package $2 is installed and did not bring $1: reinstall it"
  fi
}

# have_symbol_source PATH TEXT [OBSOLETE]…
have_symbol_source() {
  printf '%s' "$2" >"$work/source"
  path=$1
  shift 2
  if ! install_file "$work/source" "$path" 644; then
    failed "$said"
    return
  fi
  if [ "$wrote" = yes ]; then
    new_sources="$new_sources $path"
    changed "wrote $path"
  fi
  for obsolete in "$@"; do
    is_there "$obsolete" || continue
    if { take_over "$obsolete" && rm -f -- "$obsolete"; } 2>/dev/null; then
      new_sources="$new_sources $path"
      changed "removed $obsolete, which says the same"
    else
      failed "'$obsolete' says the same, and cannot be removed"
    fi
  done
}

# --- packages --------------------------------------------------------------------------------------------------------

# want_package NAME yes|no [BASE]…: yes, only where a source offers it; the version of the first BASE that is installed.
want_package() {
  name=$1 if_offered=$2
  shift 2
  printf '%s\n' "$id $severity $name $if_offered $*" >>"$work/wanted"
  printf '%s\n' "$name" "$@" >>"$work/names"
}

# Installs all that is wanted and lacking, in one go where that is possible.
install_wanted() {
  [ -s "$work/wanted" ] || { fetch_new_sources; return; }
  list_lacking
  if grep -qv ' yes$' "$work/lacking" || { [ -s "$work/lacking" ] && ! has_lists; }; then
    mend_dpkg
    fetch_lists
    # Half of a package may have been all that was lacking.
    list_lacking
  else
    fetch_new_sources
  fi
  if [ -s "$work/lacking" ]; then install_lacking; fi
  rm -f -- "$work/wanted" "$work/names"
}

# `ID SEVERITY NAME VERSION BASE IF_OFFERED` of each wanted package that is not there, or not in the version that its base
# has (`- -`: any will do).
list_lacking() {
  package_states "$work/names" >"$work/states"
  awk -F '[| ]' '
    FILENAME == ARGV[1] { state[$1] = $2; version[$1] = $3; next }
    {
      needed = base = "-"
      for (i = 5; i <= NF; i++) if (state[$i] == "installed") { needed = version[$i]; base = $i; break }
      if (state[$3] != "installed" || (needed != "-" && version[$3] != needed)) print $1, $2, $3, needed, base, $4
    }' "$work/states" "$work/wanted" >"$work/lacking"
}

has_lists() {
  for list in /var/lib/apt/lists/*_Packages*; do [ -e "$list" ] && return; done
  return 1
}

# A source that cannot be reached keeps none of the others away; what apt said is told with what is then lacking.
fetch_lists() {
  fetch update
  if [ "$fetch_code" != 0 ]; then drop_dead_sources; fi
  new_sources='' new_keys=no
}

fetch() {
  within='timeout -k 5 180'
  patiently apt "$@"
  fetch_code=$?
  within='' fetch_said=$(complaint "$work/log")
}
fetch_said='' fetch_code=0

# A source that has no answer makes every apt-get update of the host fail from now on, the owner's own too: what we have
# just written is taken out again. The check of the repository goes on telling that it does not answer.
drop_dead_sources() {
  whole_said=$fetch_said
  for source in $new_sources; do
    fetch -o Dir::Etc::sourcelist="$source" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 update
    if [ "$fetch_code" = 0 ] || ! is_noted "file symbol-source $source"; then continue; fi
    rm -f -- "$source"
    printf '%s\n' "file symbol-source $source" >"$work/lines"
    forget "$work/lines"
    (
      id=symbol-source
      tell failed "$id" "took $source out again: $fetch_said"
    )
  done
  fetch_said=$whole_said
}

fetch_new_sources() {
  if [ "$new_keys" = yes ]; then
    fetch_lists
    return
  fi
  drop_dead_sources
  new_sources=''
}

install_lacking() {
  choose_versions
  if [ -s "$work/words" ]; then
    # shellcheck disable=SC2046 # names and versions without blanks
    try_install $(cut -d ' ' -f 2 "$work/words") || install_possible
    prune_record
  fi
  mv "$work/lacking" "$work/lacked"
  list_lacking
  while read -r id severity name _; do
    if ! grep -qF " $name " "$work/lacking"; then
      changed "installed $name $(sed -n "s/^$name|installed|//p" "$work/states")"
    elif [ -e "$work/why.$name" ]; then
      failed "$(cat "$work/why.$name")"
    elif grep -q "^$name " "$work/words"; then
      failed "$name could not be installed"
    fi
  done <"$work/lacked"
}

# `NAME WORD` for apt of all that can be had; the reason in $work/why.NAME for what cannot.
choose_versions() {
  : >"$work/words"
  : >"$work/offered"
  if is_any_listed; then
    # shellcheck disable=SC2046 # names without blanks
    apt_reads apt-cache madison $(cut -d ' ' -f 3 "$work/lacking") 2>/dev/null | awk '{ print $1, $3 }' | sort -u >"$work/offered"
  fi
  while read -r _ _ name needed base if_offered; do
    offered=$(sed -n "s/^$name //p" "$work/offered" | tr '\n' ' ')
    if [ -z "$offered" ]; then
      if [ "$if_offered" = no ]; then
        printf '%s\n' "no source of packages offers $name${fetch_said:+ ($fetch_said)}" >"$work/why.$name"
      fi
    elif [ "$needed" = - ]; then
      printf '%s\n' "$name $name" >>"$work/words"
    elif grep -qxF "$name $needed" "$work/offered"; then
      printf '%s\n' "$name $name=$needed" >>"$work/words"
    elif [ "$allow_upgrades" = yes ]; then
      # It brings the version that it needs of what it belongs to.
      printf '%s\n' "$name $name" >>"$work/words"
    else
      printf '%s\n' "$base is installed as $needed, but $name is only offered for ${offered% }: upgrade $base in a maintenance window, or set allowUpgrades: true" >"$work/why.$name"
    fi
  done <"$work/lacking"
}

# Whether a source has any of what is lacking. To look into the lists costs a tenth of asking apt, where they are plain.
is_any_listed() {
  for list in /var/lib/apt/lists/*_Packages.*; do [ -e "$list" ] && return 0; done
  cut -d ' ' -f 3 "$work/lacking" | sed 's/^/Package: /' >"$work/patterns"
  grep -qsxFf "$work/patterns" /var/lib/apt/lists/*_Packages
}

# Each that can be had by itself, together; should that fail too, one by one.
install_possible() {
  mv "$work/words" "$work/all"
  : >"$work/words"
  while read -r name word; do
    if plan_install "$word"; then
      printf '%s\n' "$name $word" >>"$work/words"
    else
      printf '%s\n' "$said" >"$work/why.$name"
    fi
  done <"$work/all"
  [ -s "$work/words" ] || return
  # shellcheck disable=SC2046 # names and versions without blanks
  if try_install $(cut -d ' ' -f 2 "$work/words"); then return; fi
  while read -r name word; do
    try_install "$word" || printf '%s\n' "$said" >"$work/why.$name"
  done <"$work/words"
}

try_install() {
  plan_install "$@" || return 1
  note_plan
  if patiently apt install --no-install-recommends --no-remove --allow-downgrades "$@"; then return 0; fi
  said=$(complaint "$work/log")
  return 1
}

# What apt would do; fails with $said where that is more than to add packages.
plan_install() {
  if ! apt_reads apt-get -s -y install --no-install-recommends --allow-downgrades "$@" >"$work/plan" 2>&1; then
    said=$(complaint "$work/plan")
    said="apt cannot install it: ${said:-$(tail -n 1 "$work/plan")}"
    return 1
  fi
  removed=$(sed -n 's/^\(Remv\|Purg\) \([^ ]*\).*/\2/p' "$work/plan" | tr '\n' ' ')
  if [ -n "$removed" ]; then
    said="to install it, apt would remove ${removed% }"
    return 1
  fi
  # `Inst NAME [OLD] (NEW …` of what was not asked for.
  sed -n 's/^Inst \([^ ]*\) \[\([^ ]*\)\] (\([^ )]*\).*/\1 \2 \3/p' "$work/plan" | while read -r name old new; do
    case " $* " in *" $name "* | *" $name="*) continue ;; esac
    printf '%s %s %s\n' "$name" "$old" "$new"
  done >"$work/moved"
  while read -r moved old new; do
    if dpkg --compare-versions "$new" lt "$old"; then
      said="to install it, apt would downgrade $moved from $old to $new"
      return 1
    fi
  done <"$work/moved"
  # A package that was left half unpacked is unpacked again, in the version that it has.
  awk '$2 != $3' "$work/moved" >"$work/newer" && mv "$work/newer" "$work/moved"
  if [ "$allow_upgrades" = yes ] || [ ! -s "$work/moved" ]; then return 0; fi
  moved=$(cut -d ' ' -f 1 "$work/moved" | head -n 6 | tr '\n' ' ')
  said="it needs newer packages: upgrade them in a maintenance window (apt-get install --only-upgrade ${moved% }), or set allowUpgrades: true; $(awk 'NR <= 4 { printf "%s%s %s to %s", (NR > 1 ? ", " : ""), $1, $2, $3 }' "$work/moved")"
  return 1
}

# Before they are installed: whatever ends us now, they can be taken back.
note_plan() {
  sed -n 's/^Inst \([^ ]*\) (.*/\1/p' "$work/plan" >"$work/new"
  package_states "$work/new" | sed -n 's/|settings|.*//p' >"$work/leftovers"
  while read -r added; do
    if is_noted "package $added" || is_noted "settings $added"; then continue; fi
    if grep -qxF "$added" "$work/leftovers"; then note "settings $added"; else note "package $added"; fi
  done <"$work/new"
}

# What was not installed after all is not ours.
prune_record() {
  sed -n 's/^\(package\|settings\) //p' "$record" >"$work/ours" 2>/dev/null
  [ -s "$work/ours" ] || return
  package_states "$work/ours" >"$work/states"
  while read -r name; do
    grep -qE "^${name%%:*}\|(installed|half)\|" "$work/states" || printf '%s\n' "package $name" "settings $name"
  done <"$work/ours" >"$work/not-ours"
  if [ -s "$work/not-ours" ]; then forget "$work/not-ours"; fi
}

# --- kernel settings -------------------------------------------------------------------------------------------------

sysctl_file=/etc/sysctl.d/60-hangar.conf
sysctl_state=same

# persist NAME VALUE yes|no: yes, a lower number will do.
persist() {
  sysctl_now "$1"
  [ -n "$now" ] || return
  if [ "$3" = yes ] && is_less "$now" "$2"; then return; fi
  printf '%s = %s\n' "$1" "$2" >>"$work/sysctls"
}

persist_all() {
  if [ ! -s "$work/sysctls" ]; then
    if is_noted "file sysctl $sysctl_file" && [ -e "$sysctl_file" ]; then rm -f -- "$sysctl_file"; fi
    return
  fi
  id=sysctl
  { printf '# Written by Hangar (runbook prepare), which needs these to look at a process.\n'; cat "$work/sysctls"; } >"$work/sysctl.conf"
  if ! install_file "$work/sysctl.conf" "$sysctl_file" 644; then
    sysctl_state=$said
  elif [ "$wrote" = yes ]; then
    sysctl_state=written
  fi
}

# have_sysctl NAME VALUE yes|no
have_sysctl() {
  sysctl_now "$1"
  # A kernel without it does not restrict what it would.
  [ -n "$now" ] || return
  if [ "$3" = yes ] && is_less "$now" "$2"; then return; fi
  case $sysctl_state in
    same | written) ;;
    *) failed "$sysctl_state"; return ;;
  esac
  wished=$(printf '%s' "$2" | tr -s '[:space:]' ' ')
  if [ "$now" = "$wished" ]; then
    if [ "$sysctl_state" = written ]; then changed "$1 = $wished written to $sysctl_file"; fi
    return
  fi
  before=$now
  sysctl_set "$1" "$2"
  sysctl_now "$1"
  if [ "$now" = "$wished" ]; then
    changed "$1 is $wished, was $before"
  elif [ "$1 $now" = 'kernel.yama.ptrace_scope 3' ]; then
    failed "$1 is 3, which the kernel never lowers: it will be $wished after the next boot"
  else
    failed "$1 is $now and does not become $wished"
  fi
}

# Sets $now: its value with single blanks, or that of the files of a pattern that differ; empty where there is none.
sysctl_now() {
  now=''
  sysctl_paths "$1" || return
  for file in $paths; do
    value=$(tr -s '[:space:]' ' ' 2>/dev/null <"$file") || continue
    value=${value% }
    case "$now" in '' | "$value") now=$value ;; *) now="$now, $value" ;; esac
  done
}

sysctl_set() {
  sysctl_paths "$1" || return
  for file in $paths; do
    if [ -w "$file" ]; then (printf '%s\n' "$2" >"$file") 2>/dev/null; fi
  done
}

sysctl_paths() {
  case $1 in *[!A-Za-z0-9_.*-]*) return 1 ;; esac
  paths=/proc/sys/$(printf '%s' "$1" | tr . /)
}

is_less() {
  case $1$2 in *[!0-9]* | '') return 1 ;; esac
  [ "$1" -lt "$2" ]
}

# --- where cores lie -------------------------------------------------------------------------------------------------

# have_core_directory PATH
have_core_directory() {
  made=no
  if [ -L "$1" ]; then
    failed "'$1' is a link: it is never followed; remove it"
    return
  elif [ ! -e "$1" ]; then
    if ! { mkdir -p -- "${1%/*}/" && mkdir -m 700 -- "$1" && note "directory $id $1"; } 2>"$work/error"; then
      failed "'$1' cannot be made: $(tail -n 1 "$work/error")"
      return
    fi
    made=yes
  elif [ ! -d "$1" ]; then
    failed "'$1' is there and is no directory; remove it"
    return
  fi
  before=$(stat -c '%U %a' -- "$1")
  if ! own_directory "$1" 700; then
    failed "'$1' does not become private: $said"
  elif [ "$made" = yes ]; then
    changed "made $1"
  elif [ "$wrote" = yes ]; then
    changed "$1 is of root and 0700, was of $before"
  fi
}

# own_directory PATH MODE: of root, and of that mode. Where others may write above it, it may be exchanged for a link at
# any moment: what is changed is the directory that we stand in.
own_directory() {
  wrote=no
  case "$(stat -c '%a %u %g' -- "$1")" in "$2 0 0") return 0 ;; esac
  wrote=yes
  case $2 in 700) bits=u=rwx,go= ;; *) bits=u=rwx,go=rx ;; esac
  said=$(
    exec 2>&1
    above=$(cd -P -- "${1%/*}/" && pwd -P) || exit 1
    cd -P -- "$1" || exit 1
    [ "$(pwd -P)" = "${above%/}/${1##*/}" ] || { echo 'it is exchanged meanwhile'; exit 1; }
    # A number would leave the bits for set-id on a directory.
    chown 0:0 . && chmod "u-s,g-s,-t,$bits" .
  )
}

# keep_cores TEXT: systemd's own cleaning (tmpfiles.d(5)).
keep_cores() {
  [ -d /run/systemd/system ] || return 0
  printf '%s' "$1" >"$work/tmpfiles"
  if ! install_file "$work/tmpfiles" /etc/tmpfiles.d/hangar.conf 644; then
    failed "$said"
  elif [ "$wrote" = yes ]; then
    changed 'wrote /etc/tmpfiles.d/hangar.conf'
  fi
}

# have_no_left_over_cores PATH SECONDS
have_no_left_over_cores() {
  removed=0 bytes=0 moment=$(date +%s)
  for directory in "$1"/*; do
    if [ -L "$directory" ] || [ ! -f "$directory/.hangar" ]; then continue; fi
    # What is at work on it, or fetches it, writes there.
    youngest=$(stat -c %Y -- "$directory" "$directory"/* "$directory/.hangar" 2>/dev/null | sort -n | tail -n 1)
    [ $((moment - youngest)) -gt "$2" ] || continue
    name=${directory##*/}
    case $name in
      *.recover) outcome=$(host outcome key="${name%.recover}" dir="$1" 2>/dev/null) ;;
      *) outcome=$(host outcome name="$name" dir="$1" 2>/dev/null) ;;
    esac
    case $outcome in 'outcome running'* | '') continue ;; esac
    size=$(du -sk -- "$directory" 2>/dev/null | cut -f 1)
    if said=$(host clean directory="$directory" 2>&1); then
      removed=$((removed + 1)) bytes=$((bytes + ${size:-0} * 1024))
    else
      failed "'$directory' cannot be removed: $said"
    fi
  done
  if [ "$removed" != 0 ]; then changed "removed $removed that nobody fetched ($(human "$bytes"))"; fi
}

# make_room PATH BYTES CORES: before anything else is written.
make_room() {
  if has_room "$@" || ! has_archives; then return; fi
  before=$free
  apt clean >/dev/null 2>&1 9>&-
  has_room "$@"
  changed "emptied the cache of packages: $(human "$free") are free, were $(human "$before")"
}

# have_free_disk PATH BYTES CORES
have_free_disk() {
  if has_room "$@"; then return; fi
  failed "$(human "$free") are free in $existing, $(human "$needed") are needed$reason: make room there"
}

# Sets $free and $needed, in bytes, $existing and $reason.
has_room() {
  existing=$1
  until [ -d "$existing" ] || [ -z "$existing" ]; do existing=${existing%/*}; done
  existing=${existing:-/}
  free=$(df -Pk -- "$existing" | awk 'END { printf "%.0f", $4 * 1024 }')
  measure_largest
  needed=$(awk -v least="$2" -v cores="$3" -v one="$largest" 'BEGIN { n = cores * one; printf "%.0f", (n > least ? n : least) }')
  reason=''
  if [ "$largest" != 0 ] && [ "$needed" != "$2" ]; then
    reason=" ($3 times the $(human "$largest") of process $largest_pid)"
  fi
  [ "$(awk -v f="$free" -v n="$needed" 'BEGIN { print (f >= n) }')" = 1 ]
}

# The Python process with the largest core, once.
measure_largest() {
  [ -z "$largest" ] || return
  largest=0 largest_pid=0
  for pid in $(python_among "$(all_processes)"); do
    dense=$(estimate) dense=${dense#dense=} dense=${dense%% *}
    if [ -n "$dense" ] && [ "$(awk -v a="$dense" -v b="$largest" 'BEGIN { print (a > b) }')" = 1 ]; then
      largest=$dense largest_pid=$pid
    fi
  done
}
largest=''

has_archives() {
  for archive in /var/cache/apt/archives/*.deb; do [ -e "$archive" ] && return; done
  return 1
}

# --- the host program ------------------------------------------------------------------------------------------------

# have_host_program PATH COMMANDS_PATH COMMANDS_TEXT
have_host_program() {
  need_host
  if ! is_there "${1%/*}"; then note "directory $id ${1%/*}" && mkdir -p -- "${1%/*}"; fi
  if [ ! -d "${1%/*}" ] || [ -L "${1%/*}" ] || ! own_directory "${1%/*}" 755; then
    failed "'${1%/*}' cannot be made a directory that root alone writes"
    return
  fi
  mended=$wrote
  printf '%s' "$3" >"$work/commands"
  if ! install_file "$work/commands" "$2" 644; then
    failed "$said"
    return
  fi
  listed=$wrote
  if ! install_file "$work/host" "$1" 755; then
    failed "$said"
  elif [ "$wrote" = yes ]; then
    changed "installed $1"
  elif [ "$listed" = yes ]; then
    changed "wrote $2"
  elif [ "$mended" = yes ]; then
    changed "${1%/*} is of root and 0755"
  fi
}

need_host() {
  [ -e "$work/host" ] || program_text >"$work/host"
}

host() {
  need_host
  sh "$work/host" "$@" 9>&-
}

# have_sudo_rule PATH TEXT
have_sudo_rule() {
  printf '%s' "$2" >"$work/rule"
  if has_file "$work/rule" "$1" 440; then return; fi
  if ! command -v visudo >/dev/null 2>&1; then
    failed 'sudo is not installed'
    return
  fi
  if ! grep -qsE '^[#@]includedir[[:space:]]+"?(/etc/)?sudoers\.d/?"?[[:space:]]*$' /etc/sudoers; then
    failed '/etc/sudoers does not include /etc/sudoers.d: add the line "#includedir /etc/sudoers.d" with visudo'
    return
  fi
  chmod 440 "$work/rule"
  if ! said=$(visudo -c -f "$work/rule" 2>&1); then
    failed "visudo refuses the rule: $said"
    return
  fi
  rm -f -- "$work/rule.former"
  if [ -f "$1" ]; then cp -a -- "$1" "$work/rule.former"; fi
  if ! install_file "$work/rule" "$1" 440; then
    failed "$said"
  elif said=$(visudo -c 2>&1); then
    changed "wrote $1"
  else
    put_back "$1"
    failed "with the rule in place visudo refuses /etc/sudoers, so it was taken back: $(printf '%s' "$said" | grep -v 'parsed OK')"
  fi
}

put_back() {
  if [ -e "$work/rule.former" ]; then
    cp -a -- "$work/rule.former" "${1%/*}/.hangar.former" && mv -f -- "${1%/*}/.hangar.former" "$1"
  else
    rm -f -- "$1"
  fi
}

# --- programs that were replaced under a service ---------------------------------------------------------------------

# have_current_programs SERVICE…
have_current_programs() {
  for service in "$@"; do
    replaced_in "$service"
    [ -n "$replaced" ] || continue
    was=$replaced
    if ! said=$(host recover service="$service" mode=service 2>&1); then
      failed "$service runs $was, which was replaced, and does not restart: $said"
      continue
    fi
    replaced_in "$service"
    if [ -n "$replaced" ]; then
      failed "$service was restarted and still runs $replaced, which was replaced"
    else
      changed "restarted $service, which ran $was as it was before it was replaced"
    fi
  done
}

# Sets $replaced to the first file that a Python process of the service runs and that is another one on disk by now.
replaced_in() {
  replaced=''
  for pid in $(host find service="$1" samples=1 seconds=0 2>/dev/null | sed -n 's/^candidate \([0-9]*\) .*/\1/p'); do
    replaced=$(sed -n 's/^[^ ]* ..x. [^ ]* [^ ]* [0-9]* *\(\/.*\) (deleted)$/\1/p' "/proc/$pid/maps" 2>/dev/null |
      grep -vE '^/(memfd:|dev/|SYSV|tmp/|run/|\[)' | head -n 1)
    [ -z "$replaced" ] || return
  done
}
