#!/bin/sh
# The machine's half of Holdfast: jobs that outlive the laptop that asked for them, and the judgement of a switch. Runs as
# root. Holdfast puts it to /var/lib/holdfast/bin/machine whenever it finds another text there; a job runs a copy of its
# own, so that no newer one changes it under way.
#
# What it keeps, a value a file, one line each, whole or not at all:
#   jobs/ID/…      what was asked for, how far it is, how it ended (see `job` in jobs.rs)
#   trial/…        the generation that runs and is not yet good: state (switching, trial), number, path, previous,
#                  previous_number, job, boot (waits, checked) where a boot has to show it
#   generations/N/ revision, good, lock of the generations that Holdfast made
#   refused        a line for each system that was switched back from: its path, the time, why
#   placed         what was put into the configuration's folder, as `hash_of` counts it
#
# Statuses: 0 done, 2 wrong use, 3 another job runs, 4 no such job, 5 not now, 10 ask again from the last cursor.
set -u
umask 022
PATH=/run/wrappers/bin:/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# What is read by a program has no colours, on a terminal neither.
export PATH LC_ALL=C SYSTEMD_COLORS=0
unset GIT_DIR GIT_WORK_TREE NIX_PATH
root=/var/lib/holdfast
profile=/nix/var/nix/profiles/system
agent=amazon-ssm-agent.service
self=$0

put() { printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"; }
get() { head -n 1 "$1" 2>/dev/null; }
now() { date +%s; }
# A container boots without its kernel.
this_boot() { echo "$(cat /proc/sys/kernel/random/boot_id)-$(systemctl show -p UserspaceTimestampMonotonic --value)"; }
system() { readlink -f "/run/$1-system" 2>/dev/null; }
number_of() { readlink "$1" 2>/dev/null | sed -n 's/^.*system-\([0-9]*\)-link$/\1/p'; }
lock() { exec 8>"$root/lock" && flock -w 30 8; }

# --- what a job says ------------------------------------------------------------------------------------------------

# A mark in the log, that nothing which a build prints can imitate: it does not know the nonce.
mark() { printf 'holdfast;%s;%s\n' "$(get "$d/nonce")" "$1"; }
phase() {
  put "$d/phase" "$1"
  mark "phase;$1"
}
# finish OUTCOME [WHY]: how the job ended. The first word counts.
finish() {
  [ ! -e "$d/outcome" ] || return 0
  [ -z "${2-}" ] || put "$d/why" "$2"
  put "$d/ended" "$(now)"
  rm -f "$d/result"
  if [ -e "$d/lock.before" ]; then
    # An update that did not come to anything is none.
    case $1 in ok | partial | boot | same) ;; *) cp "$d/lock.before" "$(get "$d/tree")/flake.lock" ;; esac
    [ -e "$root/placed" ] && [ "$(get "$d/folder_before")" = "$(get "$root/placed")" ] &&
      put "$root/placed" "$(hash_of "$(get "$d/folder")")"
  fi
  put "$d/outcome" "$1"
  mark "end;$1"
}

# --- judging ----------------------------------------------------------------------------------------------------------

# Whether the way in works, asked of the machine itself. Says what does not. $1: how many seconds it may take; $2 and $3:
# when the agent began and where its log ended before the switch.
judge() {
  limit=$(($(now) + $1)) user=$(get "$root/user") from_here=$3
  # An agent that has run since before the switch proves nothing about now. Its sessions are processes of their own, which
  # the next one finds again.
  if [ "$(agent_began)" = "$2" ]; then
    from_here=$(log_end)
    systemctl restart "$agent" || { echo "the agent does not start"; return 1; }
  fi
  until opened "$from_here"; do
    [ "$(now)" -lt "$limit" ] || { echo "the agent has not opened its control channel again"; return 1; }
    sleep 1
  done
  systemctl is-active --quiet "$agent" || { echo "the agent does not run"; return 1; }
  until outbound; do
    [ "$(now)" -lt "$limit" ] || { echo "nothing outside can be reached at port 443"; return 1; }
    sleep 1
  done
  [ -z "$user" ] || enters "$user" || { echo "the login shell of $user does not start"; return 1; }
}
agent_began() { systemctl show -p ExecMainStartTimestampMonotonic --value "$agent"; }
# The worker says that its channel stands, and only in this file: the agent starts it without an output.
# Source: agent/messageservice/interactor/mgsinteractor/mgsinteractor.go and core/executor/executor.go of amazon-ssm-agent.
log=/var/log/amazon/ssm/amazon-ssm-agent.log
log_end() { stat -c %i:%s "$log" 2>/dev/null || echo 0:0; }
opened() {
  from=1
  [ "$(stat -c %i "$log" 2>/dev/null)" != "${1%%:*}" ] || from=$((${1##*:} + 1))
  tail -c "+$from" "$log" 2>/dev/null | grep -q 'Set up control channel successfully' && return 0
  # It may log by a configuration of the user's, so a connection to the gateway that stays counts, too.
  channel=$(channels)
  [ -n "$channel" ] || return 1
  sleep 3
  [ "$channel" = "$(channels)" ]
}
channels() {
  addresses=$(getent ahosts "$(gateway)" | awk '{ print $1 }' | sort -u)
  ss -Htnp state established '( dport = :443 )' 2>/dev/null | grep -F '"ssm-agent-worke"' | awk '{ print $3, $4 }' |
    grep -F "${addresses:-no address}" | sort
}
gateway() {
  region=$(get "$root/region")
  echo "ssmmessages.${region:-us-west-2}.amazonaws.com"
}
outbound() {
  # shellcheck disable=SC2016 # bash is to expand it
  timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/443"' "$(gateway)" 2>/dev/null
}
enters() {
  shell=$(getent passwd "$1" | cut -d: -f7)
  timeout 20 sudo -Hu "$1" -- "${shell:-/bin/sh}" -l -c cd </dev/null >/dev/null 2>&1
}

# --- switching --------------------------------------------------------------------------------------------------------

# Puts the previous system back. $1 says why. The state of the trial tells what was reached.
back() {
  path=$(get "$root/trial/path") previous=$(get "$root/trial/previous") number=$(get "$root/trial/previous_number")
  echo "holdfast: switching back to generation ${number:-?}: $1"
  printf '%s %s %s\n' "$path" "$(now)" "$1" >>"$root/refused"
  grub once "" || :
  status=0
  if [ -n "$number" ] && [ "$(readlink -f "$profile-$number-link")" = "$previous" ]; then
    ln -sfn "system-$number-link" "$profile.holdfast" && mv -fT "$profile.holdfast" "$profile"
  else
    nix-env --profile "$profile" --set "$previous" || status=1
  fi
  "$previous/bin/switch-to-configuration" switch
  case $? in 0 | 4) ;; *) status=1 ;; esac
  [ "$(system current)" = "$previous" ] && systemctl restart "$agent" || status=1
  rm -rf "$root/trial"
  return $status
}

# What has to be another one in the kernel shows itself only at a boot.
same_kernel() {
  for part in kernel initrd kernel-modules; do
    [ "$(readlink -f "$1/$part")" = "$(readlink -f "/run/booted-system/$part")" ] || return 1
  done
}

# grub once N: boots generation N the next time and the default after that; nothing for N forgets it.
# Source: nixos/modules/system/boot/loader/grub/install-grub.pl, which writes the menu and reads next_entry in it.
grub() {
  command -v grub-editenv >/dev/null && [ -e /boot/grub/grub.cfg ] || return 1
  if [ -z "$2" ]; then
    grub-editenv /boot/grub/grubenv unset next_entry
    return
  fi
  entry=$(sed -n "s/^ *menuentry \"\\(NixOS - Configuration $2 ([^\"]*\\)\".*/\\1/p" /boot/grub/grub.cfg | head -n 1)
  [ -n "$entry" ] || return 1
  grub-editenv /boot/grub/grubenv set "next_entry=NixOS - All configurations>$entry"
}

# Makes $new the system: now, or at the next boot. What runs in here is watched by a timer that switches back.
activate() {
  new=$1 previous=$(system current) patience=$(get "$d/patience")
  patience=${patience:-120}
  if [ "$(get "$d/again")" != 1 ] && grep -qF "$new " "$root/refused" 2>/dev/null; then
    finish refused "$(grep -F "$new " "$root/refused" | tail -n 1 | cut -d ' ' -f 3-)"
    return
  fi
  before=$(number_of "$profile")
  if [ "$new" = "$(readlink -f "$profile")" ]; then
    number=$before
    if [ "$new" = "$previous" ] && [ "$(get "$d/action")" = switch ]; then
      note_generation
      finish same
      return
    fi
    # The one that ran before it, which need not be the one with the number before.
    before=
    for link in "$profile"-*-link; do
      [ "$(readlink -f "$link")" != "$previous" ] || before=$(number_of "$link")
    done
  fi
  [ ! -e "$root/trial" ] || rm -rf "$root/trial"
  if [ -n "$(get "$d/number")" ]; then
    ln -sfn "system-$(get "$d/number")-link" "$profile.holdfast" && mv -fT "$profile.holdfast" "$profile"
  else
    nix-env --profile "$profile" --set "$new" || { finish failed "the generation could not be made"; return; }
  fi
  number=$(number_of "$profile")
  put "$d/generation" "$number"
  note_generation
  mkdir -p "$root/trial.new"
  put "$root/trial.new/job" "$id"
  put "$root/trial.new/number" "$number"
  put "$root/trial.new/path" "$new"
  put "$root/trial.new/previous" "$previous"
  put "$root/trial.new/previous_number" "$before"
  put "$root/trial.new/state" switching
  put "$root/trial.new/since" "$(now)"
  mv -T "$root/trial.new" "$root/trial"

  if [ "$(get "$d/action")" = boot ]; then
    phase activate
    on_trial_by_boot && finish boot
    return
  fi
  # Until the check has passed the machine boots what it booted before: only `test` is asked for.
  systemd-run --quiet --collect --unit="holdfast-rollback-$id" --on-active="$((patience * 2 + 300))" \
    --timer-property=AccuracySec=1s -p SyslogIdentifier=holdfast-job -- /bin/sh "$d/program" expire "$id" ||
    { rm -rf "$root/trial"; finish failed "no timer could be set"; return; }
  began=$(agent_began) log_before=$(log_end)
  phase activate
  "$new/bin/switch-to-configuration" test
  status=$?
  put "$d/status" "$status"
  # Source: pkgs/by-name/sw/switch-to-configuration-ng/src/main.rs
  case $status in
  0 | 4) ;; # all of it was done; 4: some units failed in it
  1 | 100)  # checks before it said no, or it has to be booted
    if [ "$(system current)" = "$previous" ]; then
      systemctl stop "holdfast-rollback-$id.timer"
      back_profile
      rm -rf "$root/trial"
      finish failed "it cannot be switched to while the machine runs"
      return
    fi
    undo "the switch failed half-way (status $status)"
    return
    ;;
  *)
    undo "the switch failed half-way (status $status)"
    return
    ;;
  esac
  phase check
  if why=$(judge "$patience" "$began" "$log_before"); then
    systemctl stop "holdfast-rollback-$id.timer"
    if same_kernel "$new"; then
      "$new/bin/switch-to-configuration" boot || mark "note;the boot menu could not be written"
    else
      on_trial_by_boot || return
    fi
    put "$root/trial/state" trial
    if [ $status -eq 4 ]; then finish partial "$(failed_units)"; else finish ok; fi
  else
    undo "$why"
  fi
}

undo() {
  phase rollback
  systemctl stop "holdfast-rollback-$id.timer" 2>/dev/null
  if back "$1"; then finish rolled_back "$1"; else finish stuck "$1"; fi
}

# The menu knows the new generation, the default stays, and the next boot alone takes the new one.
on_trial_by_boot() {
  [ "$(get "$d/action")" = boot ] || put "$root/trial/awaits" kernel
  if "$previous/bin/switch-to-configuration" boot && grub once "$number"; then
    put "$root/trial/boot" waits
    put "$root/trial/state" trial
    return
  fi
  # No menu that can be told: then as NixOS does it.
  if "$new/bin/switch-to-configuration" boot; then
    mark "note;this boot loader has no one-time entry: generation $number is the default from now on"
    put "$root/trial/boot" waits
    put "$root/trial/state" trial
    return
  fi
  undo "the boot menu could not be written"
  return 1
}

note_generation() {
  g=$root/generations/$number
  mkdir -p "$g"
  put "$g/path" "$new"
  [ -z "$(get "$d/revision")" ] || put "$g/revision" "$(get "$d/revision")"
  [ ! -f "$d/lock" ] || cp "$d/lock" "$g/lock"
}

failed_units() {
  systemctl list-units --failed --plain --no-legend --no-pager | awk '{ print $1 }' | head -n 20 | tr '\n' ' '
}

# --- the job itself ---------------------------------------------------------------------------------------------------

run() {
  cd "$d" || exit 1
  # Nix as root refuses the repository of another user without being told; its caches stay from job to job.
  export HOME="$root/home"
  mkdir -p "$HOME"
  [ -z "$(get "$d/folder")" ] || printf '[safe]\n\tdirectory = "%s"\n' "$(get "$d/folder")" >"$HOME/.gitconfig"
  case $(get "$d/kind") in
  rebuild) rebuild ;;
  rollback)
    number=$(get "$d/number")
    new=$(readlink -f "$profile-$number-link")
    [ -x "$new/bin/switch-to-configuration" ] || { finish failed "there is no generation $number"; return; }
    activate "$new"
    ;;
  esac
}

rebuild() {
  flake=$(get "$d/flake") tree=$(get "$d/tree")
  [ ! -e "$d/git" ] || pull || return
  if [ -e "$d/update" ]; then
    phase update
    put "$d/folder_before" "$(hash_of "$(get "$d/folder")")"
    [ ! -f "$tree/flake.lock" ] || cp "$tree/flake.lock" "$d/lock.before"
    # An empty name is all of them.
    set -- "$(get "$d/update")"
    [ -n "$1" ] || shift
    nix --extra-experimental-features 'nix-command flakes' flake update --flake "${flake%%#*}" "$@" ||
      { finish failed; return; }
    chown --reference="$tree" "$tree/flake.lock"
  fi
  [ ! -f "$tree/flake.lock" ] || cp "$tree/flake.lock" "$d/lock"
  phase build
  if ! nixos-rebuild build --flake "$flake" --print-build-logs --option accept-flake-config false </dev/null; then
    space
    finish failed
    return
  fi
  new=$(readlink -f "$d/result")
  [ -x "$new/bin/switch-to-configuration" ] || { finish failed "the build made no system"; return; }
  put "$d/path" "$new"
  if [ "$(get "$d/action")" = dry ]; then
    phase compare
    nix --extra-experimental-features nix-command store diff-closures /run/current-system "$new"
    finish built
    return
  fi
  [ ! -e "$d/git" ] || [ ! -e "$d/update" ] || share_lock
  activate "$new"
}

# --- a repository -----------------------------------------------------------------------------------------------------

# git as the owner of the clone, with the token that the laptop put into their home for this job. Nothing of it is on a
# command line, in the repository or in a log.
git_() {
  # shellcheck disable=SC2016 # git's own shell is to expand it
  helper='!f() { test "$1" = get && cat "$HOME/.holdfast-git"; }; f'
  set -- git -C "$folder" -c credential.helper= -c "credential.helper=$helper" -c core.askPass=true "$@"
  if id -u "$user" >/dev/null 2>&1; then
    sudo -Hu "$user" -- env PATH="$PATH" GIT_TERMINAL_PROMPT=0 "$@" </dev/null
  else
    HOME=$home GIT_TERMINAL_PROMPT=0 "$@" </dev/null
  fi
}
# A commit needs a name; one that git knows comes first.
commit() {
  if [ -n "$(git_ config user.email)" ]; then git_ commit --quiet "$@"; else
    git_ -c user.name="$user" -c user.email="$user@$(uname -n)" commit --quiet "$@"
  fi
}
forget_token() { rm -f "$home/.holdfast-git"; }

# The clone as the branch has it, or as somebody left it here. Nothing that is only here is ever lost: no force, no reset.
pull() {
  phase pull
  user=$(get "$root/user") folder=$(get "$d/folder") branch=$(get "$d/branch") url=$(get "$d/git")
  home=$(dirname "$folder")
  # The image has none.
  if ! command -v git >/dev/null; then
    out=$(nix --extra-experimental-features 'nix-command flakes' build --no-link --print-out-paths "$(get "$d/nixpkgs")#git") ||
      { finish failed "git could not be had"; return 1; }
    PATH=$out/bin:$PATH
  fi
  if [ ! -d "$folder/.git" ]; then
    if [ -e "$folder" ] && [ -n "$(ls -A "$folder")" ]; then
      [ "$(hash_of "$folder")" = "$(get "$root/placed")" ] ||
        { finish failed "there is something else in $folder"; return 1; }
      rm -rf "$folder"
    fi
    install -d -o "$(stat -c %u "$home")" -g "$(stat -c %g "$home")" "$folder"
    git_ clone ${branch:+--branch "$branch"} -- "$url" . || { forget_token; rm -rf "$folder"; finish failed; return 1; }
    chown -R --reference="$home" "$folder"
    rm -f "$root/placed"
  elif [ "$(git_ config remote.origin.url)" != "$url" ]; then
    finish failed "the clone in $folder is of another repository"
    return 1
  elif [ "$(get "$d/local")" != 1 ]; then
    git_ fetch origin || { forget_token; finish failed; return 1; }
    [ -z "$branch" ] || [ "$(git_ branch --show-current)" = "$branch" ] || git_ switch "$branch" ||
      { finish failed "the clone cannot go over to the branch $branch"; return 1; }
    git_ merge --ff-only '@{upstream}' || { finish failed diverged; return 1; }
  fi
  [ -e "$d/update" ] || forget_token
  revision=$(git_ rev-parse --short=12 HEAD)
  [ -z "$(git_ status --porcelain)" ] || revision=$revision+dirty
  put "$d/revision" "$revision"
}

# A lock that was brought up to date belongs to the repository before the machine runs it.
share_lock() {
  if ! git_ diff --quiet -- "$tree/flake.lock"; then
    if ! { commit --message "flake.lock: update" -- "$tree/flake.lock" && git_ push --quiet origin HEAD; }; then
      mark "note;the new flake.lock could not be pushed; it is in the clone on the machine"
    fi
    put "$d/revision" "$(git_ rev-parse --short=12 HEAD)"
  fi
  forget_token
}

space() {
  mark "space;$(df -Pk /nix/store | awk 'NR == 2 { print $4 ";" $2 }');$(set -- "$profile"-*-link && echo $#)"
}

# --- what the laptop asks for -----------------------------------------------------------------------------------------

# Jobs that ended without a word: killed, or lost with the boot they ran in.
settle() (
  for d in "$root"/jobs/*/; do
    d=${d%/} id=${d%/} id=${id##*/}
    if [ ! -e "$d/began" ] || [ -e "$d/outcome" ]; then continue; fi
    if [ "$(get "$d/boot")" != "$(this_boot)" ]; then
      finish lost >/dev/null
    elif ! lives "$id" && [ "$(get "$root/trial/job")" != "$id" ]; then
      finish killed >/dev/null
    fi
  done
)
lives() {
  systemctl show -p ActiveState --value "holdfast-job-$1.service" "holdfast-rollback-$1.service" |
    grep -qx 'active\|activating\|deactivating\|reloading'
}
running() (
  for d in "$root"/jobs/*/; do
    d=${d%/}
    [ ! -e "$d/began" ] || [ -e "$d/outcome" ] || { echo "${d##*/}"; exit; }
  done
)

start() {
  id=$1 d=$root/jobs/$1
  shift
  mkdir -p "$root/jobs" "$root/generations"
  lock || exit 5
  settle
  other=$(running)
  if [ -n "$other" ] && [ "$other" != "$id" ]; then
    show "$other"
    exit 3
  fi
  # The same order twice: the answer to the first was lost on its way.
  [ ! -e "$d/began" ] || exit 0
  # What the marks of its log carry is nobody else's.
  mkdir -p "$d" && chmod 700 "$d"
  for word in "$@"; do
    case ${word%%=*} in
    kind | action | flake | folder | tree | revision | by | nonce | again | update | number | patience | git | branch | local | nixpkgs)
      put "$d/${word%%=*}" "${word#*=}"
      ;;
    user | region) put "$root/${word%%=*}" "${word#*=}" ;;
    *) exit 2 ;;
    esac
  done
  cp "$self" "$d/program"
  put "$d/boot" "$(this_boot)"
  put "$d/began" "$(now)"
  # Builds run in the daemon's service; this one must not take the machine's breath either. No line may be left out of its
  # log, and an interval of 0 is taken for none given: unit_export_log_rate_limit_interval in systemd's src/core/unit.c.
  systemd-run --quiet --collect --unit="holdfast-job-$id" --description="Holdfast: $(get "$d/kind")" \
    -p Type=exec -p SyslogIdentifier=holdfast-job -p LogRateLimitIntervalSec=1s -p LogRateLimitBurst=1000000000 -p KillMode=mixed -p TimeoutStopSec=30 \
    -p OOMPolicy=kill -p CPUWeight=20 -p IOWeight=20 -p Nice=10 \
    -p "ExecStopPost=/bin/sh $d/program ended $id" -- /bin/sh "$d/program" run "$id" 8>&- ||
    { finish failed "systemd did not start it" >/dev/null; exit 5; }
  forget
}
# The last fifty jobs are kept.
forget() {
  # shellcheck disable=SC2012 # the names are ours
  ls -1t "$root/jobs" | tail -n +51 | while IFS= read -r old; do
    [ ! -e "$root/jobs/$old/outcome" ] || rm -rf "$root/jobs/${old:?}"
  done
}

# After the job's process, however that ended.
ended() {
  [ ! -e "$d/outcome" ] || return 0
  # What ends with the machine is seen to when it boots.
  [ "$(systemctl is-system-running)" != stopping ] || return 0
  if [ -e "$root/trial/state" ] && [ "$(get "$root/trial/state")" = switching ] &&
    [ "$(get "$root/trial/job")" = "$id" ]; then
    put "$root/trial/why" "the job was killed in the middle of the switch"
    systemctl start --no-block "holdfast-rollback-$id.service"
    return 0
  fi
  if [ -e "$d/cancelled" ]; then
    finish cancelled
  elif [ "${SERVICE_RESULT-}" = oom-kill ]; then
    finish memory
  else
    finish killed "${SERVICE_RESULT-} ${EXIT_STATUS-}"
  fi
}

expire() {
  [ "$(get "$root/trial/job")" = "$id" ] && [ "$(get "$root/trial/state")" = switching ] || return 0
  put "$root/trial/state" back
  systemctl stop "holdfast-job-$id.service"
  phase rollback
  why=$(get "$root/trial/why")
  why=${why:-the switch did not come to its end in time}
  if back "$why"; then finish rolled_back "$why"; else finish stuck "$why"; fi
}

cancel() {
  [ -d "$d" ] || exit 4
  [ ! -e "$d/outcome" ] || exit 0
  case $(get "$d/phase") in activate | check | rollback) exit 5 ;; esac
  put "$d/cancelled" "${2-}"
  systemctl stop "holdfast-job-$id.service"
  settle
}

# A new session has come in: what runs is good.
good() {
  [ "$(get "$root/trial/state")" = trial ] || return 0
  [ "$(get "$root/trial/boot")" != waits ] || return 0
  mkdir -p "$root/generations/$(get "$root/trial/number")"
  put "$root/generations/$(get "$root/trial/number")/good" "$(now)"
  rm -rf "$root/trial"
}

# A laptop that watches was refused by what it had just switched to.
refuse() {
  [ "$(get "$root/trial/state")" = trial ] && [ "$(get "$root/trial/job")" = "$id" ] || return 0
  put "$root/trial/state" back
  why="a laptop that watched could not come in again"
  phase rollback
  rm -f "$d/outcome" "$d/ended"
  if back "$why"; then finish rolled_back "$why"; else finish stuck "$why"; fi
}

# At each boot, before anybody has come in.
boot() {
  mkdir -p "$root/jobs"
  lock || exit 5
  settle
  [ -d "$root/trial" ] || return 0
  id=$(get "$root/trial/job") d=$root/jobs/$id path=$(get "$root/trial/path") state=$(get "$root/trial/state")
  # A switch starts services like the one that calls this: then this is the boot in which it was asked for.
  [ "$(get "$d/boot")" != "$(this_boot)" ] || return 0
  mkdir -p "$d"
  if [ "$(system booted)" != "$path" ]; then
    # A boot in the middle of a switch, or one that left a system which did not work: this is the previous one.
    if [ "$state" != trial ] || [ -e "$root/trial/boot" ]; then
      why="a boot did not take it"
      [ "$state" = trial ] || why="the machine was rebooted in the middle of the switch"
      [ "$state" != trial ] || printf '%s %s %s\n' "$path" "$(now)" "$why" >>"$root/refused"
      back_profile
      rm -rf "$root/trial" "$d/outcome"
      finish rolled_back "$why"
    fi
    return 0
  fi
  [ "$(get "$root/trial/boot")" = waits ] || return 0
  patience=$(get "$d/patience")
  if why=$(judge "${patience:-120}" "$(agent_began)" 0:0); then
    "$path/bin/switch-to-configuration" boot
    put "$root/trial/boot" checked
    return 0
  fi
  printf '%s %s %s\n' "$path" "$(now)" "$why" >>"$root/refused"
  back_profile
  rm -rf "$root/trial" "$d/outcome"
  finish rolled_back "$why"
  systemctl reboot
}
back_profile() {
  n=$(get "$root/trial/previous_number")
  [ -n "$n" ] && ln -sfn "system-$n-link" "$profile.holdfast" && mv -fT "$profile.holdfast" "$profile"
}

# --- answers: blocks of "key=value", the last of them "end" -----------------------------------------------------------

show() {
  echo "job=$1"
  for key in kind action by nonce began ended phase outcome why status generation revision number update path again; do
    [ ! -e "$root/jobs/$1/$key" ] || echo "$key=$(get "$root/jobs/$1/$key")"
  done
  echo
}

state() {
  settle
  echo "now=$(now)"
  echo "generation=$(number_of "$profile")"
  echo "current=$(system current)"
  echo "booted=$(system booted)"
  for key in number state boot awaits job previous_number; do
    [ ! -e "$root/trial/$key" ] || echo "trial_$key=$(get "$root/trial/$key")"
  done
  n=$(number_of "$profile")
  [ ! -e "$root/generations/${n:-0}/revision" ] || echo "revision=$(get "$root/generations/$n/revision")"
  [ ! -e "$root/generations/${n:-0}/good" ] || echo "good=$(get "$root/generations/$n/good")"
  [ ! -e "$root/placed" ] || echo "placed=$(get "$root/placed")"
  echo
  # shellcheck disable=SC2012 # the names are ours
  ls -1t "$root/jobs" 2>/dev/null | head -n "${1:-10}" | while IFS= read -r job; do show "$job"; done
  echo end
}

generations() {
  current=$(system current) booted=$(system booted)
  for link in "$profile"-*-link; do
    n=$(number_of "$link") path=$(readlink -f "$link")
    [ -n "$n" ] && [ -n "$path" ] || [ -L "$link" ] || continue
    n=${link##*/system-} n=${n%-link} path=$(readlink -f "$link")
    echo "generation=$n"
    echo "made=$(stat -c %Y "$link")"
    [ ! -e "$path/nixos-version" ] || echo "version=$(get "$path/nixos-version")"
    kernel=$(readlink -f "$path/kernel-modules") || kernel=
    # shellcheck disable=SC2012 # one name, that of a kernel
    [ ! -d "$kernel/lib/modules" ] || echo "kernel=$(ls "$kernel/lib/modules" | head -n 1)"
    size=$(nix --extra-experimental-features nix-command path-info --closure-size "$path" 2>/dev/null | awk '{ print $2 }')
    [ -z "$size" ] || echo "size=$size"
    [ "$path" != "$current" ] || echo "current=1"
    [ "$path" != "$booted" ] || echo "booted=1"
    [ "$link" != "$profile-$(number_of "$profile")-link" ] || echo "default=1"
    [ "$(get "$root/trial/number")" != "$n" ] || echo "trial=1"
    g=$root/generations/$n
    [ "$(get "$g/path")" != "$path" ] || for key in revision good; do
      [ ! -e "$g/$key" ] || echo "$key=$(get "$g/$key")"
    done
    ! grep -qF "$path " "$root/refused" 2>/dev/null || echo "refused=1"
    echo
  done
  echo end
}

# The journal of a job from a cursor on. Whoever reads it may type a line "refuse", and until the trial of what the job
# made is over there may be something to say.
follow() {
  [ -d "$d" ] || exit 4
  set -- --quiet --no-pager --all --output=json --output-fields=MESSAGE --identifier=holdfast-job ${2:+--after-cursor="$2"} \
    --unit="holdfast-job-$id" --unit="holdfast-rollback-$id"
  settle
  if over; then
    journalctl --sync 2>/dev/null
    journalctl "$@"
    exit 0
  fi
  journalctl "$@" --no-tail --follow &
  reader=$!
  # What runs in the background has no input of its own.
  exec 9<&0
  while read -r word <&9; do
    [ "$word" != refuse ] || systemd-run --quiet --collect --unit="holdfast-rollback-$id" -p SyslogIdentifier=holdfast-job \
      -- /bin/sh "$root/jobs/$id/program" refuse "$id"
  done 2>/dev/null &
  listener=$!
  trap 'kill $reader $listener 2>/dev/null' EXIT
  trap 'exit 1' HUP TERM INT PIPE
  waited=0
  while kill -0 $reader 2>/dev/null; do
    if [ -e "$root/jobs/$id/outcome" ] && ! lives "$id"; then
      trying || break
      # So long the laptop has to come in again.
      waited=$((waited + 1))
      [ $waited -lt 600 ] || break
    fi
    sleep .1
  done
  sleep .2
  exit 10
}
trying() { [ "$(get "$root/trial/job")" = "$id" ] && [ "$(get "$root/trial/boot")" != waits ]; }
over() { [ -e "$root/jobs/$id/outcome" ] && ! lives "$id"; }

# --- the configuration ------------------------------------------------------------------------------------------------

# One number for all files of a folder, whatever else changes about them.
hash_of() {
  (cd "$1" 2>/dev/null && find . -path ./.git -prune -o -type f -print | sort | tr '\n' '\0' | xargs -0r sha256sum) |
    sha256sum | cut -c1-64
}

home_of() {
  home=$(getent passwd "$1" | cut -d: -f6)
  echo "${home:-$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)}"
}

# place FOLDER NAME HASH UID USER [over]: makes the folder what is in the archive NAME of the home. Status 5: somebody has
# changed it here.
place() {
  folder=$1 archive=$(home_of "$5")/$2 hash=$3 owner=$4
  if [ -e "$folder" ] && [ "${6-}" != over ]; then
    found=$(hash_of "$folder")
    [ ! -d "$folder/.git" ] && { [ "$found" = "$(get "$root/placed")" ] || [ "$found" = "$hash" ]; } || exit 5
  fi
  home=$(dirname "$folder")
  [ -d "$home" ] || install -d -m 700 -o "$owner" -g 100 "$home"
  rm -rf "$folder.holdfast"
  mkdir -p "$folder.holdfast" && tar -xf "$archive" -C "$folder.holdfast" --no-same-owner --no-same-permissions || exit 1
  rm -f "$archive"
  [ "$(hash_of "$folder.holdfast")" = "$hash" ] || exit 1
  chown -R --reference="$home" "$folder.holdfast"
  # What somebody made here and agreed to lose is kept once more.
  rm -rf "$folder.before"
  [ ! -e "$folder" ] || mv -T "$folder" "$folder.before"
  mv -T "$folder.holdfast" "$folder" && put "$root/placed" "$hash"
  [ "${6-}" = over ] || rm -rf "$folder.before"
}

# config FOLDER FLAKE USER: what is there, and what was put there.
config() {
  echo "placed=$(get "$root/placed")"
  [ ! -e "$1" ] || echo "found=$(hash_of "$1")"
  [ ! -d "$1/.git" ] || echo "git=1"
  echo "system=$(uname -m)-linux"
  [ ! -e "$1/$2/machine.json" ] || echo "data=$(tr '\n\t' '  ' <"$1/$2/machine.json" | cut -c1-4000)"
  uid=$(id -u "$3" 2>/dev/null) && echo "uid=$uid"
  [ -e "$root/stock" ] || [ ! -f /etc/nixos/configuration.nix ] || echo "stock=1"
  echo
  echo end
}
# The configuration of the image, as it was before ours came; it is kept.
stock() {
  [ -e "$root/stock" ] || [ ! -d /etc/nixos ] || cp -RL /etc/nixos "$root/stock"
  head -c 100000 "$root/stock/configuration.nix" 2>/dev/null || :
}
# The lock of what runs, or of a job.
lock_of() {
  if [ -n "${1-}" ]; then cat "$root/jobs/$1/lock"; else cat "$root/generations/$(number_of "$profile")/lock"; fi 2>/dev/null || :
}
# The configuration as it is here.
fetch() { tar -C "$1" --exclude=./.git -cf - . | base64; }
# The user's own repository: what has been done here becomes a commit, and goes where the others are.
share() {
  folder=$1 user=$2 home=$(dirname "$1")
  git_ add --all && commit --message "$3" && git_ push --quiet origin HEAD
  status=$?
  forget_token
  exit $status
}

mkdir -p "$root/jobs" "$root/generations"
command=${1-}
[ $# -eq 0 ] || shift
case $command in
start) start "$@" ;;
run | ended | expire | refuse | cancel | follow)
  id=${1:?} d=$root/jobs/$1
  "$command" "$@"
  ;;
boot | good | state | generations | place | config | stock | lock_of | fetch | share) "$command" "$@" ;;
job)
  [ -d "$root/jobs/${1:?}" ] || exit 4
  settle
  show "$1"
  echo end
  ;;
*) exit 2 ;;
esac
