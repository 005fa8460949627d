# event NAME: puts an event of Claude Code, JSON on standard input, into the spool that Holdfast reads.
# What a hook prints goes into the agent's context, and a status of 2 blocks the agent: so not a word, and always 0.
# https://code.claude.com/docs/en/hooks
exec >/dev/null 2>&1
trap 'exit 0' EXIT HUP INT TERM
umask 077
LC_ALL=C
export LC_ALL
spool=${HOME-}/.local/state/holdfast/events
[ -n "${HOME-}" ] || exit 0
mkdir -p "$spool"
cd "$spool" || exit 0

# Names sort by time. A reader takes *.json, and those are whole.
name=$(date +%s%N)-$$
size=262144
text() { printf %s "$1" | tr -d '\000-\037\177' | sed 's/["\\]/\\&/g'; }

# Something too large is left out, not cut: half of it would be no JSON.
head -c $((size + 1)) >".$name" || : >".$name"
cat
if [ ! -s ".$name" ] || [ "$(wc -c <".$name")" -gt $size ]; then echo null >".$name"; fi
{
  printf '{"version":1,"name":"%s","at":%s,"zellij":"%s","pane":"%s","event":' \
    "$(text "${1-}")" "$(date +%s)" "$(text "${ZELLIJ_SESSION_NAME-}")" "$(text "${ZELLIJ_PANE_ID-}")" &&
    cat ".$name" &&
    echo '}'
} >".$name.new" && mv -f ".$name.new" "$name.json"
rm -f ".$name" ".$name.new"

# Where nobody reads, the last 200 stay, and nothing stays of a hook that was killed.
find . -name '.[0-9]*' -mmin +10 -exec rm -f {} +
find . -name '[0-9]*.json' | sort -r | tail -n +201 | while IFS= read -r old; do rm -f "$old"; done
