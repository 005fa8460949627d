# shellcheck disable=SC1003,SC2016 # what stands in single quotes is for the shell of the user
# Ends one zellij session for good, live or dead. The variables user and session come from assignments before this text.
# Status 0: ended; 3: no zellij; 4: no such user; 5: no such session; 6: it is still there; 91: as 4, on a shell of the sandbox.
s=/run/wrappers/bin/sudo; [ -x "$s" ] || s=sudo
run='
	session=$HF_S r=/run/user/$(id -u)
	[ ! -d "$r" ] || export XDG_RUNTIME_DIR="$r" ZELLIJ_SOCKET_DIR="${ZELLIJ_SOCKET_DIR:-$r/zellij}"
	command -v zellij >/dev/null || exit 3
	z() { timeout 10 zellij "$@" </dev/null 2>/dev/null; }
	known() { z list-sessions --short | grep -qxF -e "$session"; }
	h=holdfast-$(printf %s "$session" | sha256sum | cut -c1-16)
	known || exit 5
	# Whoever is attached to it leaves it, see attach.sh.
	d=${XDG_RUNTIME_DIR:-$HOME}/.holdfast
	mkdir -p "$d"
	: >"$d/$h.ended"
	for i in 1 2 3 4 5 6; do
		# A live server may write its files once more while it ends.
		z delete-session --force "$session" >/dev/null
		sleep .5
		known || exit 0
		[ $i -ne 3 ] || systemctl --user kill -s KILL "$h-*" 2>/dev/null
	done
	rm -f "$d/$h.ended"
	exit 6
'
id -u "$user" >/dev/null 2>&1 || { [ -z "${HOLDFAST_GUEST-}" ] || exit 91; exit 4; }
l=$(getent passwd "$user" | cut -d: -f7)
exec "$s" -Hu "$user" -- env HF_RUN="$run" HF_S="$session" "${l:-/bin/sh}" -l -c 'cd; exec sh -c "$HF_RUN"'
