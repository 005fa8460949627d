# Read by login shells from ~/.profile and by a plain interactive sh through ENV. /etc/profile of this computer may have
# set PATH anew.
case ":$PATH:" in
*":$guest/bin:"*) ;;
*) PATH=$guest/bin:$PATH ;;
esac
unset ENV
case $- in
*i*)
  if [ -z "${sandbox_hello-}" ]; then
    sandbox_hello=1
    PS1='[$USER@'"$instance"' $PWD]$ '
    echo 'This is a sandbox machine: a shell on your own computer, nothing runs in AWS.'
  fi
  ;;
esac
