# holdfast-power COMMAND: switches the machine off by itself, as /etc/holdfast/power says, and never without a word before.
#
#   check          by a timer, once a minute: looks whether anybody needs the machine, announces, and switches it off
#   due            by another timer, when the time of day has come
#   keep [TIME]    for people: what is announced does not happen, and nothing does for TIME (45m, 2h, 1d)
#   status         answers the laptop in lines of key=value, the last of them "end"
#
# /etc/holdfast/power has lines of key=value, too: user; at, a time of day; idle, seconds; and for tests what else `of` is asked for.
# What is remembered is in memory alone, so everything begins anew with a boot. In seconds since that boot:
#   quiet          since when nobody has needed the machine
#   at, idle       when it goes off, once that was announced
#   keep           until when it stays on in any case
# skip is the moment of a time of day that does not count, said_last and said_wait stand for what was announced, busy says what the
# last look found, next when it goes off (seconds since the epoch, and why).
set -u
umask 022
export LC_ALL=C
settings=/etc/holdfast/power
here=/run/holdfast-power
root=/var/lib/holdfast

[ "$(id -u)" = 0 ] || {
  s=/run/wrappers/bin/sudo
  [ -x "$s" ] || s=sudo
  exec "$s" -n -- "$0" "$@"
}

put() { printf '%s\n' "$2" >"$here/$1.new" && mv -f "$here/$1.new" "$here/$1"; }
get() { head -n 1 "$here/$1" 2>/dev/null; }
drop() { for name in "$@"; do rm -f "$here/$name"; done; }
number() { case $1 in "" | *[!0-9]*) echo "$2" ;; *) echo "$1" ;; esac; }
# of KEY NUMBER: what the settings say of it, or else this.
of() { number "$(sed -n "s/^$1=//p" "$settings" 2>/dev/null | head -n 1)" "$2"; }
now() { date +%s; }
# Unlike the clock nothing sets it.
up() { cut -d . -f 1 /proc/uptime; }
# moment_of PROPERTY [UNIT]: systemd writes the moments of its timers as text alone, whatever --timestamp says.
moment_of() {
  text=$(TZ=UTC systemctl show -p "$@" --value 2>/dev/null)
  [ -n "$text" ] && date -d "$text" +%s 2>/dev/null
}
clock() { date -d "@$1" +%H:%M; }
day() { date -d "@$1" '+%H:%M on %a, %-d %b'; }

begin() {
  user=$(sed -n 's/^user=//p' "$settings" 2>/dev/null | head -n 1)
  at=$(sed -n 's/^at=//p' "$settings" 2>/dev/null | head -n 1)
  idle=$(of idle 0) look=$(of look 60) notice=$(of notice 600) last=$(of last 60) idle_notice=$(of idle_notice 300)
  share=$(of share 50000) silence=$(of silence 3600)
  mkdir -p "$here" || exit 1
  exec 8>"$here/lock"
}
lock() { flock -w 60 8 || exit 1; }
unlock() { flock -u 8; }

# --- who needs the machine --------------------------------------------------------------------------------------------

# The processes, once over: $people has those on a terminal (its number, whether it is in front, its name).
scan() {
  people='' attached='' switching='' builds=0 crons=0 line=''
  for process in /proc/[0-9]*; do
    { read -r line <"$process/stat"; } 2>/dev/null || continue
    name=${line#*(} name=${name%)*}
    # shellcheck disable=SC2086 # numbers
    set -- ${line##*) }
    case ${3-x}${5-x}${6-x} in *[!0-9-]*) continue ;; esac
    group=
    while read -r line; do group="$group $line"; done 2>/dev/null <"$process/cgroup" || :
    # $3: its group, $5: its terminal, of which there are 256 to each of the numbers from 136 on, $6: the group in front.
    major=$(($5 / 256 % 4096))
    [ $major -lt 136 ] || [ $major -gt 143 ] ||
      people="$people$(((major - 136) * 256 + $5 % 256)) $([ "$3" = "$6" ] && echo front || echo back) $name
"
    case $name in
    # One for each session, with a terminal or without.
    ssm-session-wor*) attached=1 ;;
    switch-to-conf*) switching=1 ;;
    esac
    case $group in
    */amazon-ssm-agent.service*) [ "$5" = 0 ] || attached=1 ;;
    */nix-daemon.service*) builds=$((builds + 1)) ;;
    */holdfast-gc.service*) builds=$((builds + 2)) ;;
    */cron.service* | */crond.service* | */fcron.service* | */atd.service*) crons=$((crons + 1)) ;;
    esac
  done
}

logged_in() {
  for session in $(loginctl list-sessions --no-legend --no-pager 2>/dev/null | awk '{ print $1 }'); do
    case $(loginctl show-session "$session" -p Class -p State --value 2>/dev/null | tr '\n' ' ') in
    *closing*) ;;
    *user*) return 0 ;;
    esac
  done
  return 1
}

# A job of Holdfast's. It is kept from beginning until this process has ended.
job() {
  [ -z "$switching" ] || return 0
  [ -d "$root" ] || return 1
  exec 9>"$root/lock"
  flock -n 9 || return 0
  systemctl list-units --no-legend --plain --no-pager --state=active,activating,deactivating,reloading \
    'holdfast-job-*' 'holdfast-rollback-*' 2>/dev/null | grep -q . && return 0
  case $(head -n 1 "$root/trial/state" 2>/dev/null) in switching | back) return 0 ;; esac
  return 1
}

# Whether one of the agents is at work, by the last event of each in this boot. One that was killed never says that it has stopped,
# so it has to have written to its transcript within the hour: none of its tools may take longer than ten minutes
# (https://code.claude.com/docs/en/settings, BASH_MAX_TIMEOUT_MS). Whoever was asked something is at work again when that grows.
agents() {
  boot=$(moment_of UserspaceTimestamp)
  spool=$(getent passwd "$user" | cut -d : -f 6)/.local/state/holdfast/events
  [ -n "$user" ] && [ -d "$spool" ] || return 1
  # shellcheck disable=SC2016 # awk is to expand it
  find "$spool" -maxdepth 1 -type f -name '[0-9]*.json' | sort | tail -n 200 | xargs -r awk -v boot="$(number "$boot" 0)" '
    function field(name) {
      if (!match($0, "\"" name "\": *\"[^\"\\\\]*\"")) return ""
      text = substr($0, RSTART, RLENGTH); sub("^[^:]*: *\"", "", text); sub("\"$", "", text)
      return text
    }
    FNR == 1 { event = field("name"); at = 0; id = ""; if (match($0, /"at":[0-9]+/)) at = substr($0, RSTART + 5, RLENGTH - 5) + 0 }
    id == "" { id = field("session_id"); if (id != "" && at >= boot) { events[id] = event; times[id] = at } }
    { path = field("transcript_path"); if (id != "" && path != "") paths[id] = path }
    END { for (id in events) print events[id], times[id], paths[id] }' | {
    while read -r event moment path; do
      written=$(number "$(stat -c %Y "$path" 2>/dev/null)" 0)
      case $event in
      Stop | SessionEnd) continue ;;
      UserPromptSubmit) [ "$written" -gt "$moment" ] || written=$moment ;;
      *) [ "$written" -gt $((moment + 30)) ] || continue ;;
      esac
      [ $(($(now) - written)) -ge "$silence" ] || exit 0
    done
    exit 1
  }
}

# The machine has computed since the last look, more than a twentieth of one processor: shells, an editor and agents that wait take
# a hundredth together, whatever builds, tests or copies takes a fifth and more. All of it counts, not the user's alone: containers
# and builds are children of services.
computes() {
  used=$(sed -n 's/^usage_usec //p' /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/unified/cpu.stat 2>/dev/null | head -n 1)
  [ -n "$used" ] || return 0
  # shellcheck disable=SC2046 # two numbers
  set -- $(get cpu)
  since=$((uptime - ${1:-$uptime}))
  if [ $# -eq 2 ] && [ $((since * 2)) -lt "$look" ]; then [ "$(get busy)" = computing ]; return; fi
  put cpu "$uptime $used"
  [ $# -eq 2 ] && [ $(((used - $2) / share)) -ge $since ]
}

# In $busy: what keeps an idle machine on.
needed() {
  busy=
  scan
  # Always asked, or it would count for the time after.
  computes && computing=1 || computing=
  if [ -n "$attached" ] || logged_in; then busy=attached
  elif job; then busy=job
  elif [ $builds -gt 1 ]; then busy=build
  elif [ $crons -gt 1 ]; then busy=cron
  elif agents; then busy=agent
  elif [ -n "$computing" ]; then busy=computing
  fi
  put busy "$busy"
}

# --- what is announced ------------------------------------------------------------------------------------------------

# tell SENTENCE TITLE: in every terminal. Whatever draws a screen of its own there would be drawn over, so it gets a bell and a title
# instead, which zellij shows in the frame of the pane; and a client of zellij's gets nothing, since its panes have it.
tell() {
  printf '%s' "$people" | awk '{ print $1 }' | sort -un | while read -r tty; do
    [ -c "/dev/pts/$tty" ] || continue
    front=$(printf '%s' "$people" | awk -v tty="$tty" '$1 == tty && $2 == "front" { print $3 }' | tr '\n' ' ')
    case " $front" in *zellij*) continue ;; esac
    text=$(printf '\r\n\007*** %s ***\r\n.' "$1")
    case " $front" in
    *" zsh "* | *" bash "* | *" fish "* | *" sh "* | *" dash "*) ;;
    *) case $(stty -F "/dev/pts/$tty" -a 2>/dev/null) in *' -icanon'*) text=$(printf '\007\033]2;%s\007.' "$2") ;; esac ;;
    esac
    # One that nobody reads takes no more.
    # shellcheck disable=SC2016 # the other shell is to expand it
    timeout 2 sh -c 'printf %s "$1" >"$0"' "/dev/pts/$tty" "${text%.}" 2>/dev/null
  done
}

# announce WHEN(uptime) WHY WORDS
announce() {
  when=$(($(now) + $1 - uptime)) minutes=$((($1 - uptime + 30) / 60))
  [ $minutes -gt 1 ] && minutes="$minutes minutes" || minutes="1 minute"
  tell "This machine goes off at $(clock $when), in $minutes, $3. To keep it on: holdfast-power keep" \
    "off at $(clock $when): holdfast-power keep"
  home=$(getent passwd "$user" | cut -d : -f 6)
  [ -d "$home" ] && command -v holdfast-event >/dev/null || return 0
  printf '{"off":%s,"why":"%s"}' $when "$2" |
    setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups -- env HOME="$home" holdfast-event PowerOff
}

# --- deciding ---------------------------------------------------------------------------------------------------------

# When systemd says that the time of day comes: summer time and a clock that is set are its business.
elapses() {
  [ -n "$at" ] || return 1
  next=$(moment_of NextElapseUSecRealtime holdfast-off-at.timer)
  [ "$(number "$next" 0)" -gt 0 ]
}
# Whether that moment was taken back: by name, or since the machine is kept on until later.
skipped() { [ "$(number "$(get skip)" 0)" = "$1" ] || [ $((uptime + $1 - $(now))) -le "$(number "$(get keep)" 0)" ]; }

# The time of day. $soon: in how many seconds there is something to do.
by_clock() {
  planned=$(get at)
  if [ -z "$at" ]; then
    drop at at_of said_last said_wait
    return
  fi
  if [ -n "$planned" ]; then
    # Another time was declared meanwhile.
    meant=$(number "$(get at_of)" 0)
    if [ "$meant" -gt "$(now)" ] && elapses && [ "$next" != "$meant" ]; then
      drop at at_of said_last said_wait
      planned=
    fi
  fi
  if [ -z "$planned" ]; then
    elapses && ! skipped "$next" || return 0
    left=$((next - $(now)))
    if [ $left -gt "$notice" ]; then
      sooner $((left - notice))
      return
    fi
    put at_of "$next"
    plan_at $((uptime + left))
    planned=$(get at)
  fi
  left=$((planned - uptime))
  if [ $left -gt 0 ]; then
    if [ $left -le "$last" ] && [ ! -e "$here/said_last" ]; then
      announce "$planned" off_at "as off_at says"
      put said_last 1
    fi
    if [ $left -gt "$last" ]; then sooner $((left - last)); else sooner $left; fi
  elif job; then
    if [ ! -e "$here/said_wait" ]; then
      tell "This machine goes off when the job that runs has ended. To keep it on: holdfast-power keep" \
        "off soon: holdfast-power keep"
      put said_wait 1
    fi
  else
    off off_at
  fi
}
plan_at() {
  put at "$1" || exit 1
  drop said_last said_wait
  # The first is the last where there is no time for two.
  [ $(($1 - uptime)) -gt $((last * 2)) ] || put said_last 1
  announce "$1" off_at "as off_at says"
}

by_idleness() {
  if [ "$idle" = 0 ] || [ -n "$busy" ]; then
    drop quiet idle
    return
  fi
  [ -e "$here/quiet" ] || put quiet "$uptime" || exit 1
  planned=$(get idle)
  if [ -z "$planned" ]; then
    due=$(($(number "$(get quiet)" "$uptime") + idle)) kept=$(number "$(get keep)" 0)
    [ "$due" -ge "$kept" ] || due=$kept
    if [ $((due - uptime)) -gt "$idle_notice" ]; then
      sooner $((due - uptime - idle_notice))
      return
    fi
    # Nobody is taken by surprise, however late this look is.
    [ "$due" -ge $((uptime + idle_notice)) ] || due=$((uptime + idle_notice))
    put idle "$due" || exit 1
    announce "$due" off_when_idle "since nobody has needed it for $(((uptime - $(get quiet)) / 60)) minutes"
    sooner "$idle_notice"
  elif [ "$planned" -gt "$uptime" ]; then
    sooner $((planned - uptime))
  else
    off off_when_idle
  fi
}

sooner() { [ -n "$soon" ] && [ "$soon" -le "$1" ] || soon=$1; }

off() {
  printf '%s %s\n' "$(now)" "$1" >"$root/went-off" 2>/dev/null
  echo "The machine goes off: $1"
  systemctl poweroff
  exit
}

note_next() {
  moment='' why=''
  if [ -e "$here/at" ]; then
    moment=$(($(now) + $(get at) - uptime)) why=off_at
  elif elapses; then
    # Of one that was taken back the next is the day after, and systemd says which moment that is when this one is over.
    skipped "$next" || { moment=$next why=off_at; }
  fi
  planned=$(get idle)
  if [ -n "$planned" ]; then
    planned=$(($(now) + planned - uptime))
    if [ -z "$moment" ] || [ "$planned" -lt "$moment" ]; then moment=$planned why=off_when_idle; fi
  fi
  if [ -n "$moment" ]; then put next "$moment $why"; else drop next; fi
}

check() {
  begin
  while :; do
    lock
    uptime=$(up) soon=
    needed
    by_clock
    by_idleness
    note_next
    unlock
    exec 9>&-
    # What comes before the next look is waited for.
    [ -n "$soon" ] && [ "$soon" -lt "$look" ] || return 0
    [ "$soon" -ge 1 ] || soon=1
    sleep "$soon"
  done
}

# What nobody announced, since the machine had just booted or its clock was set, is announced now.
due() {
  begin
  lock
  uptime=$(up) moment=$(now)
  [ -n "$at" ] && [ ! -e "$here/at" ] || return 0
  [ "$(number "$(get skip)" 0)" -lt $((moment - 120)) ] && [ "$uptime" -ge "$(number "$(get keep)" 0)" ] || return 0
  scan
  put at_of "$moment" || exit 1
  plan_at $((uptime + notice))
}

# --- for people -------------------------------------------------------------------------------------------------------

keep() {
  begin
  if [ -z "$at" ] && [ "$idle" = 0 ]; then
    echo "This machine does not go off by itself."
    return
  fi
  lasts=
  if [ -n "${1-}" ]; then
    case $1 in
    *m) unit=60 ;;
    *h) unit=3600 ;;
    *d) unit=86400 ;;
    *) unit='' ;;
    esac
    lasts=$(number "${1%[mhd]}" 0)
    if [ -z "$unit" ] || [ ${#lasts} -gt 5 ] || [ "$lasts" = 0 ] || [ $((lasts * unit)) -gt 604800 ]; then
      echo "holdfast-power: for how long? A number with m, h or d behind it, 7d at most." >&2
      exit 2
    fi
    lasts=$((lasts * unit))
  fi
  lock
  uptime=$(up)
  if [ -n "$lasts" ]; then
    put keep $((uptime + lasts)) || exit 1
    drop skip
  elif [ -e "$here/at" ]; then
    put skip "$(get at_of)" || exit 1
  elif [ ! -e "$here/idle" ] && elapses; then
    put skip "$next" || exit 1
  fi
  drop at at_of said_last said_wait idle next
  [ ! -e "$here/quiet" ] || put quiet "$uptime"
  note_next
  if [ -n "$lasts" ]; then
    echo "It stays on until $(day $(($(now) + lasts)))."
  else
    echo "It stays on."
  fi
  if elapses; then
    if skipped "$next"; then echo "It does not go off at $(day "$next")."; else echo "It goes off at $(day "$next")."; fi
  fi
  [ "$idle" = 0 ] || echo "It goes off once nobody has needed it for $((idle / 60)) minutes, counted from now."
}

status() {
  begin
  uptime=$(up)
  echo "now=$(now)"
  [ -z "$at" ] || echo "off_at=$at"
  [ "$idle" = 0 ] || echo "off_when_idle=$((idle / 60))"
  echo "zone=$(date +%Z)"
  note_next
  # shellcheck disable=SC2046 # two words
  set -- $(get next)
  [ $# -ne 2 ] || printf 'off=%s\noff_why=%s\noff_text=%s\n' "$1" "$2" "$(day "$1")"
  [ ! -e "$here/at" ] && [ ! -e "$here/idle" ] || echo "announced=1"
  busy=$(get busy)
  [ -z "$busy" ] || echo "busy=$busy"
  skip=$(number "$(get skip)" 0)
  [ "$skip" -le "$(now)" ] || echo "skip=$(day "$skip")"
  quiet=$(get quiet)
  [ -z "$quiet" ] || echo "quiet=$((uptime - quiet))"
  kept=$(number "$(get keep)" 0)
  [ "$kept" -le "$uptime" ] || echo "keep=$(day $(($(now) + kept - uptime)))"
  # shellcheck disable=SC2046 # two words
  set -- $(head -n 1 "$root/went-off" 2>/dev/null)
  [ $# -ne 2 ] || printf 'went_off=%s\nwent_off_why=%s\nwent_off_text=%s\n' "$1" "$2" "$(day "$1")"
  printf '\nend\n'
}

case ${1-} in
check) check ;;
due) due ;;
keep) keep "${2-}" ;;
status) status ;;
*)
  echo "holdfast-power keep [TIME]: this machine does not go off by itself now, and not for TIME (45m, 2h, 1d)" >&2
  exit 2
  ;;
esac
