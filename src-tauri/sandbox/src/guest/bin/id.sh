name=
for word in "$@"; do
  case $word in
  -*) ;;
  *) name=$word ;;
  esac
done
PATH=$host_path
if [ -z "$name" ]; then
  case "$*" in
  -un | -nu | "-u -n" | "-n -u") echo "$USER"; exit ;;
  *) exec id "$@" ;;
  esac
fi
[ "$name" != root ] || exec id "$@"
known "$name" || { echo "id: '$name': no such user" >&2; exit 1; }
case $1 in
-un | -nu) echo "$name" ;;
-*) id "$1" ;;
*) id | sed "s/($(id -un))/($name)/g" ;;
esac
