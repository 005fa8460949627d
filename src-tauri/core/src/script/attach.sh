# shellcheck disable=SC1003,SC2016 # what stands in single quotes is for the shell of the user
# Sees the machine's user into their zellij session, on the terminal that the agent made.
# The variables user, session, nonce, terminal and turn come from assignments before this text.
s=/run/wrappers/bin/sudo; [ -x "$s" ] || s=sudo
# Runs as the user. No single quote may stand between here and the end of the variable.
run='
	session=$HF_S nonce=$HF_N id=${0#hf.}
	turn=${id##*.} terminal=${id%.*}
	unset HF_RUN HF_ID HF_S HF_N SUDO_COMMAND
	mark() { printf "\033_holdfast;%s;%s\033\\\\" "$nonce" "$1"; }
	r=/run/user/$(id -u) i=0
	if ! command -v zellij >/dev/null; then
		echo "holdfast: $(id -un) has no zellij; this is a plain shell."
		[ ! -d "$r" ] || export XDG_RUNTIME_DIR="$r"
		mark "in;shell"
		"${SHELL:-sh}" -l
		i=$?
		mark "out;$i"
		exit $i
	fi
	# Just after boot, or after the first enable-linger, the user manager needs a moment.
	until [ -S "$r/bus" ] || [ $i -ge 30 ]; do sleep .1; i=$((i + 1)); done
	[ ! -d "$r" ] || export XDG_RUNTIME_DIR="$r" ZELLIJ_SOCKET_DIR="${ZELLIJ_SOCKET_DIR:-$r/zellij}"
	# Of two turns of one terminal at least one sees the file of the other: both write before they look.
	d=${XDG_RUNTIME_DIR:-$HOME}/.holdfast
	h=holdfast-$(printf %s "$session" | sha256sum | cut -c1-16)
	gone=
	mkdir -p "$d"
	echo $$ >"$d/$id"
	for f in "$d/$terminal".*; do
		n=${f##*.}
		case $n in "" | *[!0-9]*) continue ;; esac
		[ "$f" = "$d/$terminal.$n" ] || continue
		[ "$n" -le "$turn" ] || { rm -f "$d/$id"; exit 0; }
		[ "$n" -lt "$turn" ] || continue
		p=$(cat "$f")
		if grep -qzxF "hf.$terminal.$n" "/proc/${p:-0}/cmdline" 2>/dev/null; then
			kill -9 $(pgrep -P "$p") "$p" 2>/dev/null
		fi
		[ ! "$d/$h.ended" -nt "$f" ] || gone=1
		rm -f "$f"
	done
	# Only the list says it: zellij 0.45.1 exits 0 for an action on a session that is not there.
	live() {
		zellij list-sessions --no-formatting 2>/dev/null | {
			while IFS= read -r l; do
				case $l in "$session [Created "*\[*) ;; "$session [Created "*"ago] ") exit 0 ;; esac
			done
			exit 1
		}
	}
	# What this terminal was attached to has ended while it had no line.
	if [ "$gone" ] && ! live; then
		mark "ended;0"
		exit 0
	fi
	# Of two terminals that come at once one makes the server and the other waits for the lock. The unit has a name of
	# its own each time: an earlier one stays loaded while something that outlived its session runs on.
	create=
	make="s=\$HF_S; unset HF_S HF_RUN INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID
		exec zellij attach --create-background \"\$s\""
	if ! live && [ -S "$r/bus" ]; then
		exec 9>"$d/$h"
		flock -w 20 9
		if ! live; then
			systemd-run --user --collect --unit="$h-$$" --description="zellij $session" \
				-p Type=forking -p TimeoutStartSec=20 -p OOMPolicy=continue -p KillMode=process \
				--setenv=TERM="${TERM:-xterm-256color}" --setenv=ZELLIJ_SOCKET_DIR="$ZELLIJ_SOCKET_DIR" \
				${COLORTERM:+--setenv=COLORTERM="$COLORTERM"} ${LANG:+--setenv=LANG="$LANG"} \
				--setenv=HF_S="$session" --setenv=HF_RUN="$make" \
				-- "${SHELL:-/bin/sh}" -l -c "cd; exec sh -c \"\$\$HF_RUN\"" </dev/null >/dev/null 2>&1
			# A server that has just begun loses new clients now and then: leave it alone for a moment.
			i=0
			until sleep .5; live || [ $i -ge 5 ]; do i=$((i + 1)); done
			sleep .2
		fi
		exec 9>&-
	fi
	if ! live; then
		echo "holdfast: no user manager for $(id -un); this session runs inside the agent."
		create=--create
	fi
	mark "in;zellij"
	# Status 1 from a session that is still there is the server losing the client, not the end. One that somebody has
	# just ended may seem to be there, and attaching to it would bring it back.
	n=0
	ended() { [ "$d/$h.ended" -nt "$d/$id" ]; }
	while
		zellij attach $create "$session"
		i=$?
		n=$((n + 1))
		[ $i -eq 1 ] && [ $n -lt 4 ] && sleep .3 && live && ! ended
	do :; done
	# A server that ends, as with its last pane, may be gone before its client has heard of that, and the client says that
	# it lost it. Only where the machine goes down there is something to come back to.
	word=out
	up() { case $(systemctl is-system-running 2>/dev/null) in running | degraded | starting) ;; *) return 1 ;; esac }
	if ended || { [ $i -le 1 ] && ! live && up; }; then
		word=ended
		: >"$d/$h.ended"
	fi
	# zellij leaves bracketed paste and the application keypad on.
	[ $i -gt 128 ] || { printf "\033[?2004l\033>"; mark "$word;$i"; }
	exit $i
'
# What the machine runs on trial is good: somebody has come in.
[ -n "${HOLDFAST_GUEST-}" ] || [ ! -e /var/lib/holdfast/trial ] ||
	"$s" -n sh /var/lib/holdfast/bin/machine good </dev/null >/dev/null 2>&1
if id -u "$user" >/dev/null 2>&1; then
	[ -e "/var/lib/systemd/linger/$user" ] || "$s" loginctl enable-linger "$user" >/dev/null 2>&1
	l=$(getent passwd "$user" | cut -d: -f7)
	exec "$s" -Hu "$user" -- env ${COLORTERM:+COLORTERM="$COLORTERM"} HF_RUN="$run" HF_S="$session" HF_N="$nonce" \
		HF_ID="hf.$terminal.$turn" "${l:-/bin/sh}" -l -c 'cd; exec sh -c "$HF_RUN" "$HF_ID"'
fi
[ -n "${HOLDFAST_GUEST-}" ] ||
	echo "holdfast: this machine has no user $user before its configuration is applied; this is the shell of $(id -un)."
cd || :
printf '\033_holdfast;%s;in;shell\033\\' "$nonce"
sh -l
i=$?
printf '\033_holdfast;%s;out;%s\033\\' "$nonce" $i
exit $i
