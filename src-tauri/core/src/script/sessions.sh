# shellcheck disable=SC1003,SC2016 # what stands in single quotes is for the shell of the user
# Lists the user's zellij sessions for a program. The variables user and nonce come from assignments before this text.
# Every part is a line "holdfast;NONCE;KIND;BYTES" and then that many bytes and a line end. Kinds, in order: list (what
# zellij list-sessions --no-formatting writes; empty when there are none), then for each live session name and panes
# (JSON; empty when zellij did not answer), then end. Status 3: no zellij; 4: no such user; 91: the same, on a shell of the sandbox.
s=/run/wrappers/bin/sudo; [ -x "$s" ] || s=sudo
run='
	nonce=$HF_N r=/run/user/$(id -u)
	[ ! -d "$r" ] || export XDG_RUNTIME_DIR="$r" ZELLIJ_SOCKET_DIR="${ZELLIJ_SOCKET_DIR:-$r/zellij}"
	command -v zellij >/dev/null || exit 3
	part() {
		printf "holdfast;%s;%s;%s\n%s\n" "$nonce" "$1" $(printf %s "$2" | wc -c) "$2"
	}
	list=$(timeout 10 zellij list-sessions --no-formatting 2>/dev/null)
	part list "$list"
	printf "%s\n" "$list" | sed -n "s/^\(.*\) \[Created [^][]* ago\] $/\1/p" | while IFS= read -r name; do
		part name "$name"
		part panes "$(timeout 10 zellij --session="$name" action list-panes --json </dev/null 2>/dev/null)"
	done
	part end ""
'
id -u "$user" >/dev/null 2>&1 || { [ -z "${HOLDFAST_GUEST-}" ] || exit 91; exit 4; }
l=$(getent passwd "$user" | cut -d: -f7)
exec "$s" -Hu "$user" -- env HF_RUN="$run" HF_N="$nonce" "${l:-/bin/sh}" -l -c 'cd; exec sh -c "$HF_RUN"'
