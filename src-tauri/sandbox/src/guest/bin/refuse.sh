# Without this the shell would reach the computer's own power switch.
echo "${0##*/}: not on a sandbox machine: it would act on this computer" >&2
exit 1
