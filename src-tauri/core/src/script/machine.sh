#!/bin/sh
# The machine's half of Holdfast: jobs that outlive the laptop that asked for them, and the judgement of a switch. Runs as
# root. Holdfast puts it to /var/lib/holdfast/bin/machine whenever it finds another text there; a job runs a copy of its
# own, so that no newer one changes it under way.
#
# What it keeps, a value a file, one line each, whole or not at all:
#   jobs/ID/…      what was asked for, how far it is, how it ended (see `job` in jobs.rs)
#   trial/…        the generation that runs and is not yet good: state (switching, trial, back), number, path, previous,
#                  previous_number, job, why it is left; where a boot has to show it boot (waits, checked), awaits (kernel)
#                  if it runs before that, and entered once a new session has come in meanwhile
#   generations/N/ revision, good, lock of the generations that Holdfast made
#   refused        a line for each system that was switched back from: its path, the time, why
#   placed         what was put into the configuration's folder, as `hash_of` counts it; placed.sums: file by file
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

put() {
  printf '%s\n' "$2" >"$1.new" || return
  # What a boot decides by has to have been written when the power fails.
  case $1 in "$root"/trial*) sync -d "$1.new" 2>/dev/null ;; esac
  mv -f "$1.new" "$1"
}
get() { head -n 1 "$1" 2>/dev/null; }
now() { date +%s; }
# A container boots without its kernel.
this_boot() { echo "$(cat /proc/sys/kernel/random/boot_id)-$(systemctl show -p UserspaceTimestampMonotonic --value)"; }
system() { readlink -f "/run/$1-system" 2>/dev/null; }
number_of() { readlink "$1" 2>/dev/null | sed -n 's/^.*system-\([0-9]*\)-link$/\1/p'; }
# The newest generation that is this system; the profile may lead to another one.
generation_of() {
  # shellcheck disable=SC2012 # the names are of digits
  for n in $(ls -1 "${profile%/*}" | sed -n 's/^system-\([0-9]*\)-link$/\1/p' | sort -rn); do
    [ "$(readlink -f "$profile-$n-link")" != "$1" ] || { echo "$n"; return; }
  done
}
lead_to() { ln -sfn "system-$1-link" "$profile.holdfast" && mv -fT "$profile.holdfast" "$profile"; }
lock() { exec 8>"$root/lock" && flock -w 60 8; }
unlock() { exec 8>&-; }

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
  settle_lock "$1"
  forget_token
  put "$d/outcome" "$1"
  mark "end;$1"
}

# A build may complete the lock, and an update changes it. What came to nothing is taken back; else what was put there is not
# what is there any more, by us and not by somebody who edits it.
settle_lock() {
  [ -e "$d/lock.after" ] || return 0
  now_there=$(get "$d/tree")/flake.lock
  cmp -s "$d/lock.after" "$now_there" || return 0
  case $1 in
  ok | partial | boot | same) bless_lock ;;
  *) if [ -s "$d/lock.before" ]; then cat "$d/lock.before" >"$now_there"; else rm -f "$now_there"; fi ;;
  esac
}
# The lock is as we made it; whatever else somebody changed stays a change.
bless_lock() {
  [ -s "$root/placed.sums" ] || return 0
  folder=$(get "$d/folder")
  name=.${now_there#"$folder"}
  {
    grep -vF "  $name" "$root/placed.sums"
    echo "$(sha256sum <"$d/lock.after" | cut -c1-64)  $name"
  } | sort -k 2 >"$root/placed.sums.new"
  mv -f "$root/placed.sums.new" "$root/placed.sums"
  put "$root/placed" "$(sha256sum <"$root/placed.sums" | cut -c1-64)"
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

# Puts the previous system back. $1 says why.
back() {
  path=$(get "$root/trial/path") previous=$(get "$root/trial/previous") number=$(get "$root/trial/previous_number")
  echo "holdfast: switching back to generation ${number:-?}: $1"
  refuse_path "$path" "$1"
  grub once "" || :
  status=0
  back_profile || nix-env --profile "$profile" --set "$previous" || status=1
  "$previous/bin/switch-to-configuration" switch
  case $? in 0 | 4) ;; *) status=1 ;; esac
  [ "$(system current)" = "$previous" ] && systemctl restart "$agent" || status=1
  rm -rf "$root/trial"
  return $status
}
back_profile() {
  n=$(get "$root/trial/previous_number")
  [ -n "$n" ] && [ "$(readlink -f "$profile-$n-link")" = "$(get "$root/trial/previous")" ] && lead_to "$n"
}
refuse_path() { printf '%s %s %s\n' "$1" "$(now)" "$2" >>"$root/refused"; }
# What came before is forgotten with what it was to do at the next boot.
drop_trial() {
  [ ! -e "$root/trial" ] || grub once "" || :
  rm -rf "$root/trial"
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
  new=$1 previous=$(system current) patience=$(get "$d/patience") action=$(get "$d/action")
  patience=${patience:-120}
  if [ "$new" = "$previous" ] && [ "$new" = "$(readlink -f "$profile")" ] && [ "$action" = switch ]; then
    number=$(number_of "$profile")
    note_generation
    finish same
    return
  fi
  if [ "$(get "$d/again")" != 1 ] && grep -qF "$new " "$root/refused" 2>/dev/null; then
    finish refused "$(grep -F "$new " "$root/refused" | tail -n 1 | cut -d ' ' -f 3-)"
    return
  fi
  # From here on the job cannot be cancelled, and whatever ends it is seen to by what the trial says.
  phase activate
  drop_trial
  rm -rf "$root/trial.new"
  mkdir -p "$root/trial.new"
  put "$root/trial.new/job" "$id"
  put "$root/trial.new/path" "$new"
  put "$root/trial.new/previous" "$previous"
  put "$root/trial.new/previous_number" "$(generation_of "$previous")"
  put "$root/trial.new/state" switching
  mv -T "$root/trial.new" "$root/trial"
  # Until the check has passed the machine boots what it booted before: only `test` is asked for.
  systemd-run --quiet --collect --unit="holdfast-rollback-$id" --on-active="$((patience * 2 + 300))" \
    --timer-property=AccuracySec=1s -p SyslogIdentifier=holdfast-job -- /bin/sh "$d/program" expire "$id" ||
    { rm -rf "$root/trial"; finish failed "no timer could be set"; return; }
  if [ -n "$(get "$d/number")" ]; then lead_to "$(get "$d/number")"; else nix-env --profile "$profile" --set "$new"; fi ||
    { leave "the generation could not be made"; return; }
  number=$(number_of "$profile")
  put "$root/trial/number" "$number"
  put "$d/generation" "$number"
  note_generation

  if [ "$action" = boot ]; then
    if on_trial_by_boot && commit_trial; then finish boot; else leave "the boot menu could not be written"; fi
    return
  fi
  began=$(agent_began) log_before=$(log_end)
  "$new/bin/switch-to-configuration" test
  status=$?
  # Source: pkgs/by-name/sw/switch-to-configuration-ng/src/main.rs
  case $status in
  0 | 4) ;; # all of it was done; 4: some units failed in it
  1 | 100)  # checks before it said no, or it has to be booted; or it ended when some services were stopped already
    if [ "$(system current)" = "$previous" ] && "$previous/bin/switch-to-configuration" test &&
      judge "$patience" "$began" "$log_before" >/dev/null; then
      leave "it cannot be switched to while the machine runs"
    else
      undo "the switch failed half-way (status $status)"
    fi
    return
    ;;
  *)
    undo "the switch failed half-way (status $status)"
    return
    ;;
  esac
  phase check
  why=$(judge "$patience" "$began" "$log_before") || { undo "$why"; return; }
  more=
  [ $status -ne 4 ] || more="units that failed: $(failed_units)"
  if same_kernel "$new"; then
    "$new/bin/switch-to-configuration" boot || more="the boot menu could not be written, so the next boot takes the system before; $more"
  else
    put "$root/trial/awaits" kernel
    on_trial_by_boot || more="the boot menu could not be written, so the next boot takes the system before; $more"
  fi
  commit_trial || return
  if [ -n "$more" ]; then finish partial "$more"; else finish ok; fi
}

# What was switched to is on trial from now on, unless it is being left at this moment.
commit_trial() {
  lock
  if [ "$(get "$root/trial/state")" = switching ]; then
    put "$root/trial/state" trial
    unlock
    systemctl stop "holdfast-rollback-$id.timer"
    return
  fi
  unlock
  return 1
}

# Nothing has changed but what the profile leads to.
leave() {
  systemctl stop "holdfast-rollback-$id.timer" 2>/dev/null
  back_profile
  drop_trial
  finish failed "$1"
}

undo() {
  phase rollback
  systemctl stop "holdfast-rollback-$id.timer" 2>/dev/null
  if back "$1"; then finish rolled_back "$1"; else finish stuck "$1"; fi
}

# The menu knows the new generation, the default stays, and the next boot alone takes the new one.
on_trial_by_boot() {
  if "$previous/bin/switch-to-configuration" boot && grub once "$number"; then :; else
    # No menu that can be told: then as NixOS does it.
    "$new/bin/switch-to-configuration" boot || return 1
    mark "note;this boot loader has no one-time entry: generation $number is the default from now on"
  fi
  put "$root/trial/boot" waits
}

note_generation() {
  g=$root/generations/$number
  mkdir -p "$g"
  put "$g/path" "$new"
  [ -z "$(get "$d/revision")" ] || put "$g/revision" "$(get "$d/revision")"
  [ ! -f "$d/lock" ] || cp "$d/lock" "$g/lock"
}

failed_units() {
  systemctl list-units --failed --plain --no-legend --no-pager | grep -q . || echo "none any more"
  systemctl list-units --failed --plain --no-legend --no-pager | awk '{ print $1 }' | head -n 20 | tr '\n' ' '
}

# --- the job itself ---------------------------------------------------------------------------------------------------

run() {
  cd "$d" || exit 1
  # Nix as root refuses the repository of another user without being told; its caches stay from job to job.
  export HOME="$root/home"
  mkdir -p "$HOME"
  # As root Nix would build in here; the daemon's service is the one that is kept from taking the machine's breath.
  [ ! -S /nix/var/nix/daemon-socket/socket ] || export NIX_REMOTE=daemon
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
  cat "$tree/flake.lock" >"$d/lock.before" 2>/dev/null
  if [ -e "$d/update" ]; then
    phase update
    # An empty name is all of them.
    set -- "$(get "$d/update")"
    [ -n "$1" ] || shift
    as_owner nix --extra-experimental-features 'nix-command flakes' flake update --flake "${flake%%#*}" "$@" ||
      { note_lock; finish failed; return; }
    note_lock
  fi
  phase build
  # A lock that Nix completes in a clone would be a change that nobody made, and in the way of the next pull.
  set --
  [ ! -e "$d/git" ] || [ "$(get "$d/local")" = 1 ] || [ -e "$d/update" ] || set -- --no-write-lock-file
  nixos-rebuild build --flake "$flake" "$@" --print-build-logs --option accept-flake-config false </dev/null
  built=$?
  note_lock
  if [ $built -ne 0 ]; then
    space
    finish failed
    return
  fi
  new=$(readlink -f "$d/result")
  [ -x "$new/bin/switch-to-configuration" ] || { finish failed "the build made no system"; return; }
  if [ "$(get "$d/action")" = dry ]; then
    phase compare
    nix --extra-experimental-features nix-command store diff-closures /run/current-system "$new"
    finish built
    return
  fi
  [ ! -e "$d/git" ] || [ ! -e "$d/update" ] || share_lock
  activate "$new"
}

# Whether the lock is another one than before, and belongs back to where the configuration comes from.
note_lock() {
  [ -f "$tree/flake.lock" ] || return 0
  chown --reference="$tree" "$tree/flake.lock"
  cp "$tree/flake.lock" "$d/lock"
  if ! cmp -s "$d/lock.before" "$d/lock"; then
    cp "$d/lock" "$d/lock.after"
    [ -e "$d/update" ] || put "$d/completed" 1
    # It is another configuration now than the one that the laptop named.
    [ -e "$d/git" ] || put "$d/revision" "$(get "$d/revision" | cut -d ' ' -f 1) $(hash_of "$(get "$d/folder")" | cut -c1-12)"
  fi
}
# As whoever the configuration belongs to, so that nothing in it becomes root's.
as_owner() {
  owner=$(stat -c %U "$(get "$d/folder")")
  if [ "$owner" = root ] || ! id -u "$owner" >/dev/null 2>&1; then "$@"; else
    sudo -Hu "$owner" -- env PATH="$PATH" "$@"
  fi
}

# --- a repository -----------------------------------------------------------------------------------------------------

# What git answers the host of a private repository with: root's, in memory alone, and lent to the owner of the clone while git
# talks to that host.
tokens=/run/holdfast
# take_token FILE USER NAME: the laptop uploaded it to a home. Read with the rights of whose that is: what is there may be a link.
take_token() {
  who=$2
  id -u "$who" >/dev/null 2>&1 || who=${SUDO_USER:-root}
  [ -n "$1" ] && [ -e "$(home_of "$who")/$1" ] || return 0
  [ -d "$tokens" ] || mkdir -m 711 "$tokens"
  # shellcheck disable=SC2016 # the other shell is to expand it
  sudo -Hu "$who" -- sh -c 'cat "$HOME/$0" && rm -f "$HOME/$0"' "$1" | (umask 077 && cat >"$tokens/$3")
}
forget_token() { rm -f "$tokens/${d##*/}" "$tokens/${d##*/}.lent"; }
# Uploads whose laptop was lost before it could say what they are for.
sweep() {
  for who in "$(get "$root/user")" "${SUDO_USER-}"; do
    [ -z "$who" ] || find "$(home_of "$who")" -maxdepth 1 -type f \( -name '.holdfast-git-*' -o -name '.holdfast-config-*' -o -name '.holdfast.*' \) -mmin +60 -delete
  done 2>/dev/null
}

# As the owner of the clone, who has a number before they have a name.
by_owner() {
  # Who only looks must not be in the way of whoever works there.
  set -- PATH="$PATH" GIT_TERMINAL_PROMPT=0 GIT_ASKPASS= GIT_OPTIONAL_LOCKS=0 "$@"
  if id -u "$user" >/dev/null 2>&1; then
    sudo -Hu "$user" -- env "$@" </dev/null
  else
    setpriv --reuid="$(stat -c %u "$home")" --regid="$(stat -c %g "$home")" --clear-groups -- env HOME="$home" "$@" </dev/null
  fi
}
git_() { by_owner git -C "$folder" -c core.askPass= "$@"; }
# online SECONDS ARGUMENT…: git, while it talks to the host. With a token it answers $scope, and no other host, and no helper of
# the owner's own is told of it. Nothing of it is on a command line, in the repository or in a log.
online() {
  seconds=$1
  shift
  case $scope in https://?*) ;; *) rm -f "$token" ;; esac
  if [ -s "$token" ]; then
    install -m 600 -o "$(stat -c %u "$home")" -g "$(stat -c %g "$home")" "$token" "$token.lent"
    helper="!f() { test \"\$1\" = get && cat $token.lent; }; f"
    set -- -c credential.helper= -c "credential.$scope.helper=" -c "credential.$scope.helper=$helper" "$@"
  fi
  by_owner timeout "$seconds" git -C "$folder" -c core.askPass= "$@"
  set -- $?
  rm -f "$token.lent"
  return "$1"
}
# A commit needs a name; one that git knows comes first.
commit() {
  if [ -n "$(git_ config user.email)" ]; then git_ commit --quiet "$@"; else
    git_ -c user.name="$user" -c user.email="$user@$(uname -n)" commit --quiet "$@"
  fi
}

# The clone as the branch has it, or as somebody left it here. Nothing that is only here is ever lost: no force, no reset.
pull() {
  phase pull
  user=$(get "$root/user") folder=$(get "$d/folder") branch=$(get "$d/branch") url=$(get "$d/git")
  home=$(dirname "$folder") token=$tokens/${d##*/} scope=$(get "$d/scope")
  # The image has none.
  if ! command -v git >/dev/null; then
    out=$(nix --extra-experimental-features 'nix-command flakes' build --no-link --print-out-paths "$(get "$d/nixpkgs")#git") ||
      { finish failed "git could not be had"; return 1; }
    PATH=$out/bin:$PATH
  fi
  uid=$(get "$d/uid")
  [ -d "$home" ] || install -d -m 700 -o "${uid:-1001}" -g 100 "$home"
  if [ ! -d "$folder/.git" ]; then
    if [ -e "$folder" ] && [ -n "$(ls -A "$folder")" ]; then
      [ "$(hash_of "$folder")" = "$(get "$root/placed")" ] ||
        { finish failed "there is something else in $folder"; return 1; }
      rm -rf "$folder"
    fi
    install -d -o "$(stat -c %u "$home")" -g "$(stat -c %g "$home")" "$folder"
    online 3600 clone ${branch:+--branch "$branch"} -- "$url" . || { rm -rf "$folder"; finish failed; return 1; }
    rm -f "$root/placed"
  elif [ "$(git_ config remote.origin.url)" != "$url" ]; then
    finish failed "the clone in $folder is of another repository"
    return 1
  elif [ "$(get "$d/local")" != 1 ]; then
    online 3600 fetch origin || { finish failed; return 1; }
    [ -z "$branch" ] || [ "$(git_ branch --show-current)" = "$branch" ] || git_ switch "$branch" ||
      { finish failed "the clone cannot go over to the branch $branch"; return 1; }
    if ! git_ merge --ff-only '@{upstream}'; then
      if git_ merge-base --is-ancestor HEAD '@{upstream}'; then
        finish failed "what was changed in the clone is in the way of what is new"
      else
        finish failed diverged
      fi
      return 1
    fi
  fi
  [ -e "$d/update" ] || forget_token
  revision=$(git_ rev-parse --short=12 HEAD)
  if [ -n "$(git_ status --porcelain)" ]; then
    revision=$revision+dirty
    [ "$(get "$d/local")" = 1 ] || mark "note;what is changed in the clone on the machine and in no commit is built, too"
  fi
  put "$d/revision" "$revision"
}

# A lock that was brought up to date belongs to the repository before the machine runs it.
share_lock() {
  if ! git_ diff --quiet -- "$tree/flake.lock"; then
    if ! { commit --message "flake.lock: update" -- "$tree/flake.lock" && online 600 push --quiet origin HEAD; }; then
      mark "note;the new flake.lock could not be pushed; it is in the clone on the machine"
    fi
    put "$d/revision" "$(git_ rev-parse --short=12 HEAD)"
    # It is history now, and nothing to be taken back.
    rm -f "$d/lock.after"
  fi
  forget_token
}

space() {
  mark "space;$(df -Pk /nix/store | awk 'NR == 2 { print $4 ";" $2 }');$(set -- "$profile"-*-link && echo $#)"
}

# --- what the laptop asks for -----------------------------------------------------------------------------------------

# Jobs that ended without a word: killed, or lost with the boot they ran in.
settle() (
  # A job that is just being started has no unit yet. Whoever holds the lock here is its starter.
  [ -n "${starting-}" ] || { exec 8>"$root/lock" && flock -n 8 || exit 0; }
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
  take_token "$(word_of token "$@")" "$(word_of user "$@")" "$id"
  lock || { forget_token; exit 5; }
  starting=1
  settle
  other=$(running)
  if [ -n "$other" ] && [ "$other" != "$id" ]; then
    forget_token
    show "$other"
    exit 3
  fi
  # The same order twice: the answer to the first was lost on its way.
  [ ! -e "$d/began" ] || exit 0
  # What the marks of its log carry is nobody else's.
  mkdir -p "$d" && chmod 700 "$d"
  for word in "$@"; do
    case ${word%%=*} in
    kind | action | flake | folder | tree | revision | by | nonce | again | update | number | patience | git | branch | local | nixpkgs | uid | token | scope)
      put "$d/${word%%=*}" "${word#*=}"
      ;;
    user | region) put "$root/${word%%=*}" "${word#*=}" ;;
    *) exit 2 ;;
    esac
  done
  # What the image came with is kept, before anything is put over it.
  [ -e "$root/stock" ] || [ ! -d /etc/nixos ] || cp -RL /etc/nixos "$root/stock"
  cp "$self" "$d/program"
  put "$d/boot" "$(this_boot)"
  put "$d/began" "$(now)"
  # Evaluating must not take the machine's breath either. No line may be left out of its log, and an interval of 0 is taken for none given: unit_export_log_rate_limit_interval in systemd's src/core/unit.c.
  systemd-run --quiet --collect --unit="holdfast-job-$id" --description="Holdfast: $(get "$d/kind")" \
    -p Type=exec -p SyslogIdentifier=holdfast-job -p LogRateLimitIntervalSec=1s -p LogRateLimitBurst=1000000000 -p KillMode=mixed -p TimeoutStopSec=30 \
    -p OOMPolicy=kill -p CPUWeight=20 -p IOWeight=20 -p Nice=10 -p OOMScoreAdjust=500 \
    -p "ExecStopPost=/bin/sh $d/program ended $id" -- /bin/sh "$d/program" run "$id" 8>&- ||
    { finish failed "systemd did not start it" >/dev/null; exit 5; }
  forget
}
word_of() {
  key=$1
  shift
  for word in "$@"; do [ "${word%%=*}" != "$key" ] || echo "${word#*=}"; done
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
  if [ "$(get "$root/trial/job")" = "$id" ]; then
    case $(get "$root/trial/state") in
    switching)
      put "$root/trial/why" "the job was killed in the middle of the switch"
      systemctl start --no-block "holdfast-rollback-$id.service" ||
        systemd-run --quiet --collect --no-block --unit="holdfast-rollback-$id" -p SyslogIdentifier=holdfast-job \
          -- /bin/sh "$d/program" expire "$id"
      return 0
      ;;
    back) return 0 ;; # whoever goes back says how it ended
    esac
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
  lock
  [ "$(get "$root/trial/job")" = "$id" ] && [ "$(get "$root/trial/state")" = switching ] || return 0
  put "$root/trial/state" back
  unlock
  systemctl stop "holdfast-job-$id.service"
  phase rollback
  rm -f "$d/outcome" "$d/ended"
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

# A new session has come in: what runs is good. One whose kernel has to show itself at a boot is only known to let people in.
good() {
  [ "$(get "$root/trial/state")" = trial ] || return 0
  lock
  [ "$(get "$root/trial/state")" = trial ] || return 0
  if [ "$(get "$root/trial/boot")" = waits ]; then
    [ "$(get "$root/trial/awaits")" != kernel ] || put "$root/trial/entered" 1
    return 0
  fi
  path=$(get "$root/trial/path")
  mkdir -p "$root/generations/$(get "$root/trial/number")"
  put "$root/generations/$(get "$root/trial/number")/good" "$(now)"
  rm -rf "$root/trial"
  if grep -qF "$path " "$root/refused" 2>/dev/null; then
    grep -vF "$path " "$root/refused" >"$root/refused.new"
    mv -f "$root/refused.new" "$root/refused"
  fi
}

# A laptop that watches was refused by what it had just switched to.
refuse() {
  lock
  [ "$(get "$root/trial/state")" = trial ] && [ "$(get "$root/trial/job")" = "$id" ] || return 0
  put "$root/trial/state" back
  unlock
  why="a laptop that watched could not come in again"
  phase rollback
  rm -f "$d/outcome" "$d/ended"
  if back "$why"; then finish rolled_back "$why"; else finish stuck "$why"; fi
}

# At each boot, before anybody has come in.
boot() {
  mkdir -p "$root/jobs"
  settle
  id=$(get "$root/trial/job")
  [ -n "$id" ] || { rm -rf "$root/trial"; return 0; }
  d=$root/jobs/$id path=$(get "$root/trial/path") state=$(get "$root/trial/state") previous=$(get "$root/trial/previous")
  # A switch starts services like the one that calls this: then this is the boot in which it was asked for.
  [ "$(get "$d/boot")" != "$(this_boot)" ] || return 0
  mkdir -p "$d"
  if [ "$(system booted)" != "$path" ]; then
    # A boot in the middle of a switch, or one that left a system which did not work: this is the previous one.
    why="the machine was rebooted in the middle of the switch"
    if [ "$state" = trial ]; then
      why="a boot did not take it"
      refuse_path "$path" "$why"
    fi
    back_profile
    rm -rf "$root/trial"
    rm -f "$d/outcome"
    finish rolled_back "$why"
    return 0
  fi
  [ "$(get "$root/trial/boot")" = waits ] || return 0
  patience=$(get "$d/patience")
  if why=$(judge "${patience:-120}" "$(agent_began)" 0:0); then
    if "$path/bin/switch-to-configuration" boot; then put "$root/trial/boot" checked; fi
    return 0
  fi
  refuse_path "$path" "$why"
  rm -f "$d/outcome"
  # The default is the previous one, but where no boot loader could be told to take this one only once.
  if "$previous/bin/switch-to-configuration" boot; then
    back_profile
    rm -rf "$root/trial"
    finish rolled_back "$why"
    systemctl reboot
  else
    finish stuck "$why"
  fi
}

# --- answers: blocks of "key=value", the last of them "end" -----------------------------------------------------------

show() {
  echo "job=$1"
  for key in kind action by nonce began ended phase outcome why generation revision update completed; do
    [ ! -e "$root/jobs/$1/$key" ] || echo "$key=$(get "$root/jobs/$1/$key")"
  done
  echo
}

state() {
  settle
  sweep
  echo "now=$(now)"
  n=$(generation_of "$(system current)")
  echo "generation=$n"
  for key in number state boot awaits job previous_number; do
    [ ! -e "$root/trial/$key" ] || echo "trial_$key=$(get "$root/trial/$key")"
  done
  df -Pk / 2>/dev/null | awk 'NR == 2 { printf "disk_size=%d\ndisk_free=%d\n", ($3 + $4) * 1024, $4 * 1024 }'
  # As nixos/power.sh leaves it.
  off=$(get /run/holdfast-power/next)
  [ -z "$off" ] || printf 'off=%s\noff_why=%s\n' "${off%% *}" "${off##* }"
  if [ -n "$n" ] && [ "$(get "$root/generations/$n/path")" = "$(system current)" ]; then
    for key in revision good; do
      [ ! -e "$root/generations/$n/$key" ] || echo "$key=$(get "$root/generations/$n/$key")"
    done
  fi
  echo
  # shellcheck disable=SC2012 # the names are ours
  ls -1t "$root/jobs" 2>/dev/null | head -n "${1:-10}" | while IFS= read -r job; do show "$job"; done
  echo end
}

generations() {
  current=$(system current) booted=$(system booted)
  sizes=$(sizes "$profile"-*-link)
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
    size=$(printf '%s\n' "$sizes" | awk -v path="$path" '$1 == path { print $2; exit }')
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

# Asked one by one nix would read the same closures again for each of them.
sizes() {
  for link in "$@"; do
    shift
    [ ! -e "$link" ] || set -- "$@" "$(readlink -f "$link")"
  done
  [ $# -eq 0 ] || nix --extra-experimental-features nix-command path-info --closure-size "$@" 2>/dev/null
}

# overview FOLDER FLAKE USER: all of it in one session, each answer with its end.
overview() {
  state 20
  generations
  config "$@"
}

# The journal of a job from a cursor on. Whoever reads it may type a line "refuse", or "leave" when there is nothing to be
# said; until the trial of what the job made is over there may be.
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
    case $word in
    refuse)
      systemd-run --quiet --collect --unit="holdfast-rollback-$id" -p SyslogIdentifier=holdfast-job \
        -- /bin/sh "$root/jobs/$id/program" refuse "$id"
      ;;
    leave) kill $reader ;;
    esac
  done 2>/dev/null &
  listener=$!
  trap 'kill $reader $listener 2>/dev/null' EXIT
  trap 'exit 1' HUP TERM INT PIPE
  waited=0
  while kill -0 $reader 2>/dev/null; do
    # journald tells followers four times a second, by changing the file without changing it. This tells them sooner; -a
    # would be a change of another kind, which they do not wait for.
    touch -cm /run/log/journal/*/system.journal /var/log/journal/*/system.journal 2>/dev/null
    if [ -e "$root/jobs/$id/outcome" ] && ! lives "$id"; then
      trying || break
      # So long the laptop has to come in again.
      waited=$((waited + 1))
      [ $waited -lt 1500 ] || break
    fi
    sleep .04
  done
  sleep .2
  exit 10
}
trying() {
  [ "$(get "$root/trial/job")" = "$id" ] && [ ! -e "$root/trial/entered" ] || return 1
  [ "$(get "$root/trial/boot")" != waits ] || [ "$(get "$root/trial/awaits")" = kernel ]
}
over() { [ -e "$root/jobs/$id/outcome" ] && ! lives "$id"; }

# --- the configuration ------------------------------------------------------------------------------------------------

# One number for all files of a folder, whatever else changes about them.
hash_of() { sums_of "$1" | sha256sum | cut -c1-64; }
sums_of() (
  cd "$1" 2>/dev/null && find . -path ./.git -prune -o ! -type d -print | sort | tr '\n' '\0' | xargs -0r sha256sum
)

home_of() {
  home=$(getent passwd "$1" | cut -d: -f6)
  echo "${home:-$(getent passwd "${SUDO_USER:-root}" | cut -d: -f6)}"
}

# bless FOLDER: what is there is what was put there, file by file.
bless() {
  sums_of "$1" >"$root/placed.sums"
  put "$root/placed" "$(sha256sum <"$root/placed.sums" | cut -c1-64)"
}
sums() { cat "$root/placed.sums" 2>/dev/null || :; }

# place FOLDER NAME HASH UID USER [over]: makes the folder what is in the archive NAME of the home. Status 5: somebody has
# changed it here.
place() {
  folder=$1 archive=$(home_of "$5")/$2 hash=$3 owner=$4
  # A job that runs reads what is there.
  lock || exit 1
  other=$(running)
  [ -z "$other" ] || { rm -f "$archive"; show "$other"; exit 3; }
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
  # What somebody made here and agreed to lose is kept all the same.
  aside=$folder.before
  [ "${6-}" != over ] || aside=$folder.overwritten-$(now)
  rm -rf "$folder.before"
  [ ! -e "$folder" ] || mv -T "$folder" "$aside"
  mv -T "$folder.holdfast" "$folder" && bless "$folder"
  rm -rf "$folder.before"
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
  other=$(running)
  [ -z "$other" ] || show "$other"
  echo end
}
# The configuration of the image.
stock() { head -c 100000 /etc/nixos/configuration.nix 2>/dev/null || :; }
# The lock of what runs, or of a job.
lock_of() {
  if [ -n "${1-}" ]; then cat "$root/jobs/$1/lock"; else cat "$root/generations/$(generation_of "$(system current)")/lock"; fi 2>/dev/null || :
}
# The configuration as it is here.
fetch() { tar -C "$1" --exclude=./.git -cf - . | base64; }
# at_clone FOLDER USER URL SCOPE FILE: whose clone it is, of what, and what was uploaded for its host.
at_clone() {
  folder=$1 user=$2 url=$3 scope=$4 home=$(dirname "$1") token=$tokens/$$
  trap 'rm -f "$token" "$token.lent"' EXIT
  trap 'exit 1' HUP TERM INT PIPE
  take_token "$5" "$user" $$
  [ -d "$folder/.git" ] || return 1
}
is_other() { [ "$(git_ config remote.origin.url)" != "$url" ]; }
# share FOLDER USER URL SCOPE FILE MESSAGE: what somebody has done in the clone becomes a commit, and goes where the others are.
share() {
  if ! at_clone "$@" || is_other; then
    echo "in $1 is no clone of the repository" >&2
    exit 1
  fi
  git_ add --all && { git_ diff --cached --quiet || commit --message "$6"; } && online 60 push --quiet origin HEAD
}
# ahead FOLDER USER URL SCOPE FILE BRANCH: what the clone is at, and what the repository is at.
ahead() {
  ref=${6:+refs/heads/$6}
  if ! at_clone "$@"; then
    folder=$home
  elif is_other; then
    printf 'other=1\n\nend\n'
    return
  else
    echo "head=$(git_ rev-parse HEAD)"
    [ -z "$(git_ status --porcelain)" ] || echo "dirty=1"
    echo "unpushed=$(git_ rev-list --count HEAD --not --remotes=origin)"
    [ -n "$ref" ] || ref=$(git_ config "branch.$(git_ branch --show-current).merge")
  fi
  remote=$(online 20 ls-remote --quiet "$url" "${ref:-HEAD}" 2>/dev/null | head -n 1 | cut -f 1)
  [ -z "$remote" ] || echo "remote=$remote"
  ! git_ merge-base --is-ancestor "${remote:-none}" HEAD 2>/dev/null || echo "has_remote=1"
  echo
  echo end
}

# --- the disk ---------------------------------------------------------------------------------------------------------

# grow [MOUNTPOINT]: the file system there takes all of the disk it is on, while it is in use. Where it does already nothing
# is written; killed at any point, it goes on the next time from what it finds. Says sizes in bytes, and refused=REASON with
# a why where there is nothing to be done about it here.
#
# No growpart is in the PATH of a NixOS image, only in its initrd or a service. What is used instead: util-linux is a core
# package (nixos/modules/config/system-path.nix), and so are the programs of the mounted file systems, as e2fsprogs is for
# ext4 (system.fsPackages in nixos/modules/tasks/filesystems.nix and filesystems/ext.nix of https://github.com/NixOS/nixpkgs).
# How growpart does it: bin/growpart of https://github.com/canonical/cloud-utils.
grow() {
  point=${1:-/} disk='' before='' refused='' why=''
  said=$tokens/grow.$$
  [ -d "$tokens" ] || mkdir -m 711 "$tokens"
  trap 'rm -f "$said"' EXIT
  trap 'exit 1' HUP TERM INT PIPE
  # In memory, like all that is written here: a disk grows most often because it is full. What is started inherits it, so the
  # next run waits for a resize2fs, too, whose shell was killed.
  exec 8>"$tokens/grow.lock"
  if flock -w 60 8; then enlarge; else no busy "another one is at it"; fi
  [ -z "$disk" ] || echo "device=$(($(get "/sys/class/block/$disk/size") * 512))"
  [ -z "$before" ] || printf 'size_before=%s\nsize=%s\nused=%s\n' "$before" "$(space_of size)" "$(space_of used)"
  [ -z "$refused" ] || printf 'refused=%s\nwhy=%s\n' "$refused" "$(printf %s "$why" | tr -s '[:space:]' ' ' | cut -c1-400)"
  printf '\nend\n'
}
no() {
  refused=$1 why=$2
  return 1
}
space_of() { df --block-size=1 --output="$1" -- "$point" 2>/dev/null | awk 'NR == 2 { print $1 }'; }
# step PROGRAM ARGUMENT…: what it has to say is wanted only if it fails.
step() {
  command -v "$1" >/dev/null || { no tool "$1"; return; }
  "$@" >"$said" 2>&1 </dev/null || no failed "$1: $(tail -n 3 "$said")"
}

enlarge() {
  # Of several that are mounted there the last one is seen.
  read -r number type source options <<END
$(findmnt --noheadings --raw --nofsroot --output MAJ:MIN,FSTYPE,SOURCE,OPTIONS --mountpoint "$point" | tail -n 1)
END
  [ -n "$number" ] || { no mount "nothing is mounted at $point"; return; }
  before=$(space_of size)
  case $type in
  ext4) tool=resize2fs ;;
  xfs) tool=xfs_growfs ;;
  btrfs) tool=btrfs ;;
  *) no filesystem "$type"; return ;;
  esac
  case ,$options, in *,ro,*) no read_only "$point is mounted to be read only"; return ;; esac
  # By its number: NixOS mounts /dev/disk/by-label/nixos. That of btrfs is no device's.
  case $number in
  0:*) device=$(readlink -f "$source") device=$(readlink -f "/sys/class/block/${device##*/}") ;;
  *) device=$(readlink -f "/sys/dev/block/$number") ;;
  esac
  node=${device##*/} part=$(get "$device/partition")
  if [ ! -d "$device" ] || [ ! -b "/dev/$node" ]; then
    no device "$source is no disk"
    return
  fi
  if [ -z "$part" ]; then disk=$node; else disk=${device%/*} disk=${disk##*/}; fi
  # LVM, encryption, RAID: what is under them would have to grow first.
  [ -z "$(ls -A "/sys/class/block/$disk/slaves" 2>/dev/null)" ] || { no device "$disk lies on other disks"; return; }
  [ "$type" != btrfs ] || [ "$(btrfs filesystem show "$point" 2>/dev/null | grep -c 'devid')" -le 1 ] ||
    { no device "the file system is on several disks"; return; }
  # Nothing is done by halves for want of a program.
  for program in "$tool" ${part:+sfdisk partx}; do
    command -v "$program" >/dev/null || { no tool "$program"; return; }
  done
  [ -z "$part" ] || grow_partition || return
  case $type in
  ext4) step resize2fs "/dev/$node" ;;
  xfs) step xfs_growfs "$point" ;;
  btrfs) step btrfs filesystem resize max "$point" ;;
  esac
}

# The partition $part of $disk, up to one MiB before its end, where the second header of a GPT is.
grow_partition() {
  # So udev keeps away from the table: https://systemd.io/BLOCK_DEVICE_LOCKING. Closed, it looks what is new.
  exec 9<>"/dev/$disk"
  flock -w 30 9 || { no busy "another program holds the disk"; return; }
  set_table && set_kernel
  set -- $?
  exec 9>&-
  return "$1"
}

set_table() {
  table=$(dump) || { no table "$(tail -n 3 "$said")"; return; }
  damaged=$(grep 'GPT table is corrupt' "$said")
  # shellcheck disable=SC2046 # four words
  set -- $(printf '%s\n' "$table" | tr '=,' '  ' | awk -v node="/dev/$node" '
    $1 == "label:" { label = $2 }
    $2 == ":" && $3 == "start" { if ($1 == node) { start = $4; size = $6 } else if ($4 + 0 > last) last = $4 + 0 }
    END { print label, start, size, (last > start + 0) ? "behind" : "" }')
  # The kernel counts in 512 bytes, whatever the disk does.
  sector=$(get "/sys/class/block/$disk/queue/logical_block_size")
  if [ "${2-}" != $(($(get "$device/start") * 512 / sector)) ] || [ -z "${3-}" ]; then
    no table "the kernel has other partitions than the table on $disk"
    return
  fi
  label=$1 start=$2 size=$3 behind=${4-}
  mib=$((1048576 / sector)) sectors=$(($(get "/sys/class/block/$disk/size") * 512 / sector))
  case $label in
  gpt) ;;
  dos)
    # A logical partition lies in another one, and what 32 bits cannot tell has no place in the table.
    [ "$part" -le 4 ] || { no table "partition $part is a logical one"; return; }
    [ "$sectors" -le 4294967295 ] || sectors=4294967295
    ;;
  *)
    no table "$label"
    return
    ;;
  esac
  new=$(((sectors - mib - start) / mib * mib))
  # For less it is not worth it.
  [ $((new - size)) -ge $mib ] || new=$size
  if [ "$new" != "$size" ] && [ -n "$behind" ]; then
    no not_last "another partition lies behind it on $disk"
    return
  fi
  [ "$new" != "$size" ] || [ -n "$damaged" ] || return 0
  # As it was before the disk had this size: what a run left that was killed is something else.
  kept=$tokens/table-$disk-$sectors
  [ -e "$kept" ] || { printf '%s\n' "$table" >"$kept.new" && mv -f "$kept.new" "$kept"; }
  # One of a GPT's two halves is whole at any moment: sfdisk writes the second one first, and that to the new end of the disk.
  # Source: gpt_write_disklabel in libfdisk/src/gpt.c of https://github.com/util-linux/util-linux.
  [ -z "$damaged" ] || write_table --relocate gpt-bak-std "/dev/$disk" </dev/null || return
  [ "$new" = "$size" ] || write_table --wipe never --wipe-partitions never --partno "$part" "/dev/$disk" <<END || return
$start, $new
END
  [ "$(dump | without_size)" != "$(printf '%s\n' "$table" | without_size)" ] || return 0
  # It cannot be, but then it must not stay. The last sector that may be used is that of the disk as it is now.
  write_table --wipe never --wipe-partitions never --force "/dev/$disk" <<END
$(printf '%s\n' "$table" | grep -v '^last-lba:')
END
  no table "it was another one after it was written, so it was put back"
}
dump() { sfdisk --dump "/dev/$disk" 2>"$said" </dev/null; }
# The kernel is told by partx, of one partition: the table as a whole it would not read while that is in use.
write_table() {
  sfdisk --lock=no --no-reread --no-tell-kernel "$@" >"$said" 2>&1 || no failed "sfdisk: $(tail -n 3 "$said")"
}
without_size() { sed "/^last-lba:/d; s|^\\(/dev/$node : start= *[0-9]*,\\) size= *[0-9]*,|\\1|"; }

set_kernel() {
  [ "$(known_size)" -lt "$new" ] || return 0
  step partx --update --nr "$part" "/dev/$disk" || return
  [ "$(known_size)" = "$new" ] || no failed "partx: the kernel has not taken the partition's new size"
}
known_size() { echo $(($(get "$device/size") * 512 / sector)); }

# --- a home from another disk -----------------------------------------------------------------------------------------

# carry start VOLUME SNAPSHOT: takes the homes of a volume that is attached, a copy of another machine's disk, in a unit of
# its own, so that it goes on without any laptop. It begins anew what failed, and not what runs or is done.
# carry state: how far it is.
carry() {
  d=$root/carry
  case ${1-} in
  start)
    lock || exit 1
    other=$(running)
    [ -z "$other" ] || { show "$other"; exit 3; }
    if [ "$(get "$d/snapshot")" != "$3" ] || [ "$(carried)" = failed ]; then
      mkdir -p "$d/ours" && cp -f "$self" "$d/program" || exit 1
      rm -f "$d/why" "$d/phase" "$d/files" "$d/bytes"
      put "$d/snapshot" "$3" && put "$d/state" running || exit 1
      systemd-run --quiet --collect --unit=holdfast-carry -p SyslogIdentifier=holdfast-carry -p Nice=5 \
        -- /bin/sh "$d/program" bring "$2" "$3" || { put "$d/state" failed; exit 1; }
    fi
    ;;
  esac
  # Before what belongs to it is read: that is there once it is done.
  at=$(carried)
  for key in snapshot phase files bytes why; do
    [ ! -e "$d/$key" ] || echo "$key=$(get "$d/$key")"
  done
  echo "state=$at"
  printf '\nend\n'
}
# What is neither done nor at it was interrupted. It may have come to its end between the two looks.
carried() {
  if [ "$(get "$d/state")" = running ] && systemctl is-active --quiet holdfast-carry; then
    echo running
  elif [ "$(get "$d/state")" = "done" ]; then
    echo "done"
  else
    echo failed
  fi
}

# bring VOLUME SNAPSHOT: all that lies under /home there and belongs to no user of this machine's own image.
bring() {
  d=$root/carry there=$tokens/carry said=$tokens/carry.said
  [ -d "$tokens" ] || mkdir -m 711 "$tokens"
  mkdir -p "$there"
  # Who was killed has left it mounted.
  umount "$there" 2>/dev/null
  trap 'umount "$there" 2>/dev/null; rm -f "$said" "$said".*' EXIT
  put "$d/phase" device
  # As udev names it: https://docs.aws.amazon.com/ebs/latest/userguide/identify-nvme-ebs-device.html
  disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol${1#vol-} tries=0
  until [ -b "$disk" ]; do
    tries=$((tries + 1))
    [ $tries -lt 240 ] || lost "the volume $1 does not show up"
    sleep .5
  done
  udevadm settle 2>/dev/null
  put "$d/phase" check
  choose_root "$disk"
  [ -n "$part" ] || lost "there is no file system on $1 that can be read"
  # Two file systems of one name, and the next boot may take the wrong one.
  alone
  put "$d/phase" copy
  names=$(find "$there/home" -mindepth 1 -maxdepth 1 ! -name ssm-user ! -name lost+found -printf '%f\n' 2>/dev/null | sort)
  [ -n "$names" ] || lost "there is no home on $1"
  has_room
  printf '%s\n' "$names" | while IFS= read -r name; do
    if [ -e "$d/ours/$name" ]; then
      rm -rf "/home/${name:?}"
    elif [ -e "/home/$name" ] || [ -L "/home/$name" ]; then
      number=''
      while [ -e "/home/.before-$2-$name$number" ]; do number=$((number + 1)); done
      mv -T "/home/$name" "/home/.before-$2-$name$number" 2>>"$said" || exit 1
    fi
    : >"$d/ours/$name"
    cp --archive --one-file-system --sparse=always -T "$there/home/$name" "/home/$name" 2>>"$said" || exit 1
  done || lost "not all of it could be copied: $(tail -n 3 "$said")"
  # What is known of the configuration that lies there.
  for file in placed placed.sums; do
    [ ! -e "$there$root/$file" ] || cp -f "$there$root/$file" "$root/$file"
  done
  put "$d/phase" verify
  listing "$there/home" >"$said.there" || lost "it cannot be read: $(tail -n 3 "$said")"
  listing /home >"$said.here" || lost "it cannot be read again: $(tail -n 3 "$said")"
  cmp -s "$said.there" "$said.here" ||
    lost "what was copied is not what is there: $(diff "$said.there" "$said.here" | sed -n '2,3p' | cut -c1-150)"
  put "$d/files" "$(grep -c '^f ' "$said.here")"
  put "$d/bytes" "$(awk '$1 == "f" { sum += $6 } END { printf "%.0f", sum }' "$said.here")"
  sync
  umount "$there"
  rm -rf "$d/ours"
  put "$d/state" "done"
}
lost() {
  put "$d/why" "$(printf %s "$1" | tr -s '[:space:]' ' ' | cut -c1-400)"
  put "$d/state" failed
  exit 1
}
# The largest of the file systems that a root is on.
choose_root() {
  part='' most=0
  for node in "$1" "$1"-part*; do
    [ -b "$node" ] || continue
    case $(blkid -p -o value -s TYPE "$node" 2>/dev/null) in
    ext4 | xfs | btrfs) ;;
    *) continue ;;
    esac
    size=$(blockdev --getsize64 "$node")
    [ "$size" -le "$most" ] || part=$node most=$size
  done
}
# Gives the copy's file systems other names than those of this machine's, and mounts the one that is wanted, to be read only.
alone() {
  for node in "$disk"-part*; do
    [ ! -b "$node" ] || [ "$(blkid -p -o value -s TYPE "$node" 2>/dev/null)" != vfat ] || wipefs --all --quiet "$node"
  done
  type=$(blkid -p -o value -s TYPE "$part") also=''
  if [ "$(blkid -p -o value -s LABEL "$part")" != holdfast-copy ]; then
    case $type in
    ext4)
      # Its journal is read first; what was on when it was copied has one.
      e2fsck -fp "$part" >"$said" 2>&1 </dev/null || [ $? -le 1 ] || lost "e2fsck: $(tail -n 3 "$said")"
      tune2fs -U random -L holdfast-copy "$part" >"$said" 2>&1 </dev/null || lost "tune2fs: $(tail -n 3 "$said")"
      ;;
    xfs)
      mount -o nouuid "$part" "$there" 2>"$said" || lost "mount: $(tail -n 3 "$said")"
      umount "$there"
      xfs_admin -U generate -L holdfast-cop "$part" >"$said" 2>&1 </dev/null || lost "xfs_admin: $(tail -n 3 "$said")"
      ;;
    btrfs) lost "a copy of btrfs cannot be mounted beside the original" ;;
    esac
  fi
  [ "$type" != xfs ] || also=,nouuid
  mount -o "ro,nosuid,nodev,noexec$also" "$part" "$there" 2>"$said" || lost "mount: $(tail -n 3 "$said")"
}
has_room() {
  needs=$(printf '%s\n' "$names" | sed "s|^|$there/home/|" | tr '\n' '\0' | du --files0-from=- -sxc --block-size=1 2>/dev/null | tail -n 1 | cut -f1)
  free=$(df --block-size=1 --output=avail /home | tail -n 1)
  [ "$needs" -le "$free" ] || lost "$((needs / 1073741824 + 1)) GiB do not fit into the $((free / 1073741824)) that are free"
}
# Each thing under the homes with all that makes it what it is, and the sum of what is in it.
listing() (
  cd "$1" || exit
  command -v getfattr >/dev/null || { echo "no program getfattr" >"$said"; exit 1; }
  roots() { printf '%s\n' "$names" | tr '\n' '\0' | sed -z 's|^|./|'; }
  {
    roots | xargs -0 sh -c 'find "$@" -xdev \( -type d -printf "d %m %U %G %T@ %p\n" \) -o -printf "%y %m %U %G %n %s %T@ %l %p\n"' sh &&
      roots | xargs -0 sh -c 'find "$@" -xdev -type f -print0' sh | xargs -0r sha256sum &&
      roots | xargs -0 getfattr --recursive --physical --no-dereference --dump --match=- --encoding=hex 2>/dev/null | attributes
  } | sort
)
# A line an attribute, with its file: getfattr has a block a file.
attributes() { awk '/^# file: / { file = $0; next } NF { print file, $0 }'; }

mkdir -p "$root/jobs" "$root/generations"
command=${1-}
[ $# -eq 0 ] || shift
case $command in
start) start "$@" ;;
run | ended | expire | refuse | cancel | follow)
  id=${1:?} d=$root/jobs/$1
  "$command" "$@"
  ;;
boot | good | state | generations | overview | place | bless | sums | config | stock | lock_of | fetch | share | ahead | grow | carry | bring) "$command" "$@" ;;
job)
  [ -d "$root/jobs/${1:?}" ] || exit 4
  settle
  show "$1"
  echo end
  ;;
*) exit 2 ;;
esac
