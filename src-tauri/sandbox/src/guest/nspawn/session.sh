# Starts "$@" as a program of a session: in the control group of the agent's service, then as the agent's user. The group
# must be joined before its name space: from inside that, systems with nsdelegate do not let a process in.
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  group=$hierarchy/system.slice/amazon-ssm-agent.service
  if [ -d "$group" ]; then
    echo 0 >"$group/cgroup.procs" || exit 1
  fi
done
unset PWD
exec nsenter --target=1 --cgroup -- setpriv --reuid=ssm-user --regid=ssm-user --init-groups -- "$@"
