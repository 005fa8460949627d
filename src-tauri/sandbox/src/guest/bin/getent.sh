if [ "$1" = passwd ] && [ -n "$2" ] && [ "$2" != root ]; then
  known "$2" || exit 2
  echo "$2:x:$(PATH=$host_path id -u):$(PATH=$host_path id -g):sandbox:$guest/home/$2:$login_shell"
else
  PATH=$host_path exec getent "$@"
fi
