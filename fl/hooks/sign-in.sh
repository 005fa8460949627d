# sign-in [--profile NAME]: signs in again with AWS. Claude Code runs it when its credentials have ended, shows what it
# prints, and tries again when it is done. https://code.claude.com/docs/en/amazon-bedrock#advanced-credential-configuration
exec 9>"${XDG_RUNTIME_DIR:-$HOME}/.holdfast-sign-in"
# All agents lose their credentials at once: one of them asks, and the others find them renewed.
flock 9
# The role of the instance is a valid identity too, and not the one that is wanted.
if AWS_EC2_METADATA_DISABLED=true aws sts get-caller-identity "$@" >/dev/null 2>&1; then
  exit 0
fi
holdfast-event SignIn </dev/null
exec aws sso login --use-device-code --no-browser "$@"
