#!/bin/sh
# Stands in for what every NixOS system has at bin/switch-to-configuration: boot writes the menu, test makes the system the
# current one, switch does both. The user of machine.json is made as NixOS makes it.
set -u
system=$(readlink -f "$(dirname "$0")/..")
lib=/usr/local/lib/stand-in
cd "$system/configuration" || exit 1
switch() { :; }
# shellcheck disable=SC1091 # the test's
[ ! -f stand-in.sh ] || . ./stand-in.sh
case $1 in
boot | switch) "$lib/menu" "$system" || exit 1 ;;
test) ;;
*) exit 2 ;;
esac
[ "$1" != boot ] || exit 0
echo "activating the configuration..." >&2
field() { sed -n "s/^ *\"$1\": *\"\\{0,1\\}\\([^\",]*\\)\"\\{0,1\\},\\{0,1\\}\$/\\1/p" machine.json 2>/dev/null; }
user=$(field user)
if [ -n "$user" ] && ! id "$user" >/dev/null 2>&1; then
  useradd --no-create-home --uid "$(field uid)" --gid 100 --shell /usr/bin/zsh "$user"
  [ -d "/home/$user" ] || install -d -m 700 -o "$user" -g 100 "/home/$user"
  cp -rn /etc/skel/. "/home/$user" && chown -R "$user:100" "/home/$user"
  # It is in wheel, which needs no password.
  echo "$user ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/user
  loginctl enable-linger "$user"
  systemctl start "user@$(field uid).service"
fi
# What holdfast.nix declares where the machine is to switch itself off.
units=/etc/systemd/system
at=$(field offAt) idle=$(field offWhenIdle)
systemctl stop holdfast-power.timer holdfast-off-at.timer 2>/dev/null
rm -rf "$units"/holdfast-power.* "$units"/holdfast-off-at.* /etc/holdfast/power /usr/local/bin/holdfast-power
if [ -n "$at$idle" ] && [ -f power.sh ]; then
  mkdir -p /etc/holdfast
  { echo "user=$user" && echo "at=$at" && echo "idle=${idle:+$((idle * 60))}"; } >/etc/holdfast/power
  { echo '#!/bin/sh' && cat power.sh; } >/usr/local/bin/holdfast-power
  { echo '#!/bin/sh' && cat hooks/event.sh; } >/usr/local/bin/holdfast-event
  chmod 755 /usr/local/bin/holdfast-power /usr/local/bin/holdfast-event
  for unit in power:check off-at:due; do
    printf '[Service]\nType=oneshot\nExecStart=/usr/local/bin/holdfast-power %s\n' "${unit#*:}" \
      >"$units/holdfast-${unit%:*}.service"
  done
  printf '[Timer]\nOnActiveSec=1min\nOnUnitInactiveSec=1min\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n' \
    >"$units/holdfast-power.timer"
  [ -z "$at" ] || printf '[Timer]\nOnCalendar=*-*-* %s:00\nAccuracySec=1s\n[Install]\nWantedBy=timers.target\n' "$at" \
    >"$units/holdfast-off-at.timer"
fi
# What a system does not ask for is as it was.
ln -sfn agent.whole "$lib/agent"
echo 'ssm-user ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ssm-agent-users
switch
status=$?
for unit in "$units"/holdfast-power.timer "$units"/holdfast-off-at.timer; do
  [ ! -f "$unit" ] || { systemctl daemon-reload && systemctl enable --quiet "${unit##*/}" && systemctl restart "${unit##*/}"; }
done
[ $status -eq 0 ] || [ $status -eq 4 ] || exit $status
ln -sfn "$system" /run/current-system
exit $status
