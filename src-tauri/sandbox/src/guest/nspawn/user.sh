# Gives the machine the user $1, or takes away the one it has. The home stays, as on NixOS.
set -eu
record=/var/lib/holdfast-user
before=$(cat "$record" 2>/dev/null) || before=
[ "$1" != "$before" ] || exit 0
if [ -n "$before" ]; then
  loginctl disable-linger "$before"
  systemctl stop "user-$(id -u "$before").slice"
  userdel --force "$before"
fi
if [ -n "$1" ]; then
  useradd --create-home --shell /usr/bin/zsh "$1"
  loginctl enable-linger "$1"
  # Lingering starts it in the background; here it is waited for.
  systemctl start "user@$(id -u "$1").service"
fi
echo "$1" >"$record"
