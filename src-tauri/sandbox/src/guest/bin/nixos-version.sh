echo "sandbox (a process guest, no NixOS)"
