
# --- apt -------------------------------------------------------------------------------------------------------------

# apt-get(8) on its own: asks nothing, keeps settings files, restarts no service (needrestart(1)), takes nothing away.
apt() {
  DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true NEEDRESTART_MODE=l APT_LISTCHANGES_FRONTEND=none \
    UCF_FORCE_CONFFOLD=1 $apart $within apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold -o APT::Get::AutomaticRemove=false -o APT::Keep-Downloaded-Packages=false \
    -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"
}

# In a session of its own (setsid(1)): whoever ends us ends no dpkg in the middle of a package. We end when it is through.
apart=$(command -v setsid)

# A limit for what never leaves anything half done, as a command that runs another.
within=''

# What apt would do, or knows, without a lock and without writing its caches.
apt_reads() {
  tool=$1
  shift
  "$tool" -q -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Get::AutomaticRemove=false "$@"
}

# Runs a command of apt's or dpkg's with its output in $work/log; waits up to five minutes in all for their locks. That
# is not left to apt: DPkg::Lock::Timeout exists from 1.9.11 on.
patiently() {
  while :; do
    "$@" >"$work/log" 2>&1 9>&-
    code=$?
    if [ "$code" = 0 ] || [ "$apt_waited" -ge 300 ] || ! grep -qE 'Could not get lock|another process' "$work/log"; then
      return "$code"
    fi
    sleep 2
    apt_waited=$((apt_waited + 2))
  done
}
apt_waited=0

# What apt or dpkg complained of, in one line.
complaint() {
  grep -E '^(E: |dpkg: error|[^ ]+ : |  *[^ ]+ : (Pre)?Depends:|W: Failed to fetch)' "$1" | head -n 4 | tr -s '\n ' ' ' | cut -b -220
}

# A dpkg that was cut off refuses all that comes after it (dpkg(1), --audit).
mend_dpkg() {
  if [ -n "$(ls /var/lib/dpkg/updates 2>/dev/null)" ] || [ -n "$(dpkg --audit 2>/dev/null)" ]; then
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l patiently $apart dpkg --force-confdef --force-confold --configure -a
  fi
}

# Of the packages named in the file $1: `NAME|STATE|VERSION`, STATE installed, half, settings or absent. A package that is
# not known at all has no line.
package_states() {
  # shellcheck disable=SC2016,SC2046 # dpkg's own fields; names without blanks
  dpkg-query -W -f '${Package}|${Architecture}|${db:Status-Abbrev}|${Version}\n' -- $(cat "$1") 2>/dev/null |
    awk -F '|' -v native="$(dpkg --print-architecture)" '
      $2 != "" && $2 != native && $2 != "all" { next }
      { state = substr($3, 2, 1) }
      { print $1 "|" (state ~ /[iWt]/ ? "installed" : state == "c" ? "settings" : state == "n" ? "absent" : "half") "|" $4 }'
}
