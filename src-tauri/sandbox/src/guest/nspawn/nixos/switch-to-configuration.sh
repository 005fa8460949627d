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
  loginctl enable-linger "$user"
  systemctl start "user@$(field uid).service"
fi
# What a system does not ask for is as it was.
ln -sfn agent.whole "$lib/agent"
echo 'ssm-user ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ssm-agent-users
switch
status=$?
[ $status -eq 0 ] || [ $status -eq 4 ] || exit $status
ln -sfn "$system" /run/current-system
exit $status
