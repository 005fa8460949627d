# A stand-in on a sandbox machine. Programs here run as the user of this computer: there are no other accounts, only
# home folders. The variables above say where.

# The names the machine has: ssm-user always, the machine's own user once its configuration was applied.
known() {
  [ "$1" = ssm-user ] || [ "$1" = root ] || grep -qxF -e "$1" "$guest/etc/users" 2>/dev/null
}
