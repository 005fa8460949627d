usage() {
  echo "usage: sudo [-nHEkv] [-i] [-u user] [VAR=value] [command [arg ...]]" >&2
  exit 1
}

user=root
login=
validate=
while [ $# -gt 0 ]; do
  case $1 in
  --) shift; break ;;
  --login) login=1; shift ;;
  --non-interactive) shift ;;
  --user=*) user=${1#*=}; shift ;;
  --user) [ $# -gt 1 ] || usage; user=$2; shift 2 ;;
  -?*)
    flags=${1#-}
    shift
    while [ -n "$flags" ]; do
      rest=${flags#?}
      flag=${flags%"$rest"}
      flags=$rest
      case $flag in
      i) login=1 ;;
      k | v) validate=1 ;;
      n | H | E | S) ;;
      u)
        if [ -n "$flags" ]; then
          user=$flags
          flags=
        else
          [ $# -gt 0 ] || usage
          user=$1
          shift
        fi
        ;;
      *) usage ;;
      esac
    done
    ;;
  *=*) export "${1?}"; shift ;;
  *) break ;;
  esac
done

known "$user" || { echo "sudo: unknown user $user" >&2; exit 1; }
[ $# -gt 0 ] || [ -n "$login" ] || { [ -n "$validate" ] && exit 0; usage; }
[ "$user" != root ] || echo "sandbox: there is no root here, this runs as the user of this computer" >&2
home=$guest/home/$user
mkdir -p "$home"

if [ -z "$login" ]; then
  exec env HOME="$home" USER="$user" LOGNAME="$user" "$@"
fi

# As sudo itself: the arguments become one line for the login shell with everything but letters, digits, _ - and $
# escaped, so that a $ still means a variable and a line break vanishes.
line=
for word in "$@"; do
  word=$(printf '%sx' "$word" | LC_ALL=C sed -e 's/[^a-zA-Z0-9_$-]/\\&/g' -e '$!s/$/\\/')
  line="$line${line:+ }${word%x}"
done
[ -e "$home/.profile" ] || printf '. %s\n' "$quoted_profile" >"$home/.profile"
cd "$home" || exit 1
if [ -n "$line" ]; then
  set -- -c "$line"
else
  set --
fi
exec env -i HOME="$home" USER="$user" LOGNAME="$user" SHELL="$login_shell" PATH="$guest/bin:$host_path" \
  TERM="${TERM-dumb}" LANG="${LANG-C.UTF-8}" "$login_shell" -l "$@"
