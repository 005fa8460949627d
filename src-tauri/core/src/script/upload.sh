# shellcheck disable=SC1003,SC2016 # what stands in single quotes is for the shell of the user
# Takes a file on its terminal and puts it where it belongs, whole or not at all.
# The variables user, path, mode and nonce come from assignments before this text.
# The body comes only after the echo is off: what a terminal shows may be recorded. Its length and its checksum come with
# it, since the parameters of a session are on record, too.
# At the end: "HF-NONCE done STATUS". 0: it is there; 2: it cannot be written there; 3: it did not arrive whole.
s=/run/wrappers/bin/sudo; [ -x "$s" ] || s=sudo
# Runs as the user. No single quote may stand between here and the end of the variable.
run='
	cd
	path=$HF_P mode=$HF_M nonce=$HF_N t=
	unset HF_P HF_M HF_N SUDO_COMMAND
	umask 077
	finish() { [ -z "$t" ] || rm -f -- "$t"; printf "\nHF-%s done %s\n" "$nonce" "$1"; exit "$1"; }
	trap "[ -z \"\$t\" ] || rm -f -- \"\$t\"; exit 1" HUP TERM INT
	stty raw -echo
	case $path in */*) d=${path%/*} ;; *) d=. ;; esac
	t=$(mktemp -- "${d:-/}/.holdfast.XXXXXXXX") || finish 2
	printf "\nHF-%s ready\n" "$nonce"
	read -r length sum
	head -c "$length" >"$t" || finish 2
	[ "$(sha256sum <"$t" | cut -c1-64)" = "$sum" ] || finish 3
	chmod "$mode" -- "$t" && mv -fT -- "$t" "$path" || finish 2
	t=
	finish 0
'
set -- env HF_P="$path" HF_M="$mode" HF_N="$nonce" sh -c "$run"
if id -u "$user" >/dev/null 2>&1; then exec "$s" -Hu "$user" -- "$@"; fi
exec "$@"
