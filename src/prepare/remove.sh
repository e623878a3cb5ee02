
# --- remove ----------------------------------------------------------------------------------------------------------

# Takes back what the record says, then what is ours by its name: take_back STAMP PROGRAM COMMANDS [SUDO_RULE]…
take_back() {
  stamp=$1 program=$2 commands=$3
  shift 3
  remove_packages
  remove_files
  for path in "$@"; do remove_own sudo-rule "$path"; done
  remove_own sysctl /etc/sysctl.d/60-hangar.conf
  remove_own left-over-cores /etc/tmpfiles.d/hangar.conf
  remove_own host-program "$program"
  remove_own host-program "$commands"
  remove_own stamp "$stamp"
  remove_directories
  rmdir -- "$formers" 2>/dev/null
  if [ ! -s "$record" ]; then rm -f -- "$record"; fi
  rmdir -- "$own" 2>/dev/null
}

# Those that nothing else needs by now.
remove_packages() {
  sed -n 's/^\(package\|settings\) \([^ ]*\)$/\2/p' "$record" >"$work/ours" 2>/dev/null
  [ -s "$work/ours" ] || return
  package_states "$work/ours" >"$work/states"
  : >"$work/removed"
  while read -r name; do
    grep -qE "^${name%%:*}\|(installed|half)\|" "$work/states" && printf '%s\n' "$name"
  done <"$work/ours" >"$work/going"
  if [ -s "$work/going" ]; then mend_dpkg; fi
  keep_needed
  if [ -s "$work/going" ]; then
    # shellcheck disable=SC2046 # names without blanks
    patiently apt remove $(cat "$work/going")
    said=$(complaint "$work/log")
    purge_removed
  fi
  package_states "$work/ours" >"$work/states"
  while read -r name; do
    id=package:$name
    if ! grep -qE "^${name%%:*}\|(installed|half)\|" "$work/states"; then
      if grep -qxF "$name" "$work/going"; then printf '%s ' "$name" >>"$work/removed"; fi
      printf '%s\n' "package $name" "settings $name" >"$work/lines"
      forget "$work/lines"
    elif grep -qxF "$name" "$work/going"; then
      failed "$name cannot be removed: $said"
    fi
  done <"$work/ours"
  if [ -s "$work/removed" ]; then
    id=packages
    changed "removed $(cat "$work/removed")"
  fi
}

# Their settings too, but for those that were here before the packages.
purge_removed() {
  package_states "$work/going" | sed -n 's/|settings|.*//p' >"$work/states"
  while read -r name; do
    is_noted "settings $name" || printf '%s\n' "$name"
  done <"$work/states" >"$work/purged"
  [ -s "$work/purged" ] || return
  # shellcheck disable=SC2046 # names without blanks
  patiently dpkg --purge $(cat "$work/purged")
}

# Takes out of $work/going what would take something else with it.
keep_needed() {
  while [ -s "$work/going" ] && ! goes_alone $(cat "$work/going"); do
    : >"$work/staying"
    while read -r name; do
      goes_alone "$name" || printf '%s|%s\n' "$name" "$others" >>"$work/staying"
    done <"$work/going"
    # Nobody's removal alone does it: better none than too many.
    if [ ! -s "$work/staying" ]; then sed "s/\$/|$others/" "$work/going" >"$work/staying"; fi
    while IFS='|' read -r name others; do
      tell kept "package:$name" "needed by ${others:-others} by now"
    done <"$work/staying"
    cut -d '|' -f 1 "$work/staying" >"$work/names"
    grep -vxFf "$work/names" "$work/going" >"$work/rest"
    mv "$work/rest" "$work/going"
  done
}

# Whether apt would remove these and nothing that is not in $work/going, and install nothing in their place; sets $others.
goes_alone() {
  others=''
  if ! apt_reads apt-get -s -y remove "$@" >"$work/plan" 2>&1; then
    others="apt's word: $(complaint "$work/plan")"
    return 1
  fi
  others=$(sed -n 's/^\(Remv\|Purg\|Inst\) \([^ ]*\).*/\2/p' "$work/plan" | grep -vxFf "$work/going" | head -n 4 | tr '\n' ' ')
  others=${others% }
  [ -z "$others" ]
}

remove_files() {
  [ -e "$record" ] || return
  grep -E '^(file|former) ' "$record" >"$work/files"
  while read -r kind id path; do
    former=$formers/$(printf '%s' "$path" | tr / %)
    if [ "$kind" = former ] && is_there "$former"; then
      if { cp -a -- "$former" "${path%/*}/.hangar.former" && mv -f -- "${path%/*}/.hangar.former" "$path"; } 2>"$work/error"; then
        rm -f -- "$former"
        changed "put $path back as it was"
      else
        failed "'$path' cannot be put back: $(tail -n 1 "$work/error")"
        continue
      fi
    elif [ "$kind" = file ] && is_there "$path"; then
      remove_own "$id" "$path"
      if is_there "$path"; then continue; fi
    fi
    printf '%s\n' "$kind $id $path" >"$work/lines"
    forget "$work/lines"
  done <"$work/files"
}

# remove_own ID PATH
remove_own() {
  id=$1
  is_there "$2" || return 0
  if is_noted "former $id $2"; then return; fi
  if rm -f -- "$2" 2>"$work/error"; then
    changed "removed $2"
  else
    failed "'$2' cannot be removed: $(tail -n 1 "$work/error")"
  fi
}

# Only where they are empty: cores are never removed.
remove_directories() {
  [ -e "$record" ] || return
  grep '^directory ' "$record" >"$work/directories"
  while read -r kind id path; do
    if [ -d "$path" ] && [ ! -L "$path" ] && ! rmdir -- "$path" 2>/dev/null; then
      count=$(find "$path" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
      tell kept "$id" "$path holds $((count)) that nobody fetched or removed: it stays"
      continue
    fi
    printf '%s\n' "$kind $id $path" >"$work/lines"
    forget "$work/lines"
  done <"$work/directories"
}
