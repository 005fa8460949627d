# Your home on the machine: edit it as you like. https://nix-community.github.io/home-manager/options.xhtml
{
  lib,
  machine,
  pkgs,
  ...
}:
{
  home.stateVersion = machine.stateVersion;

  # Its settings stay yours: ~/.claude/settings.json is not written here, since a file from the store is read-only, and
  # /model, permission grants and plugins then fail (https://github.com/anthropics/claude-code/issues/78162).
  programs.claude-code.enable = true;

  programs.git = {
    enable = true;
    # settings.user = {
    #   name = "…";
    #   email = "…";
    # };
  };

  programs.zsh = {
    enable = true;
    autosuggestion.enable = true;
    syntaxHighlighting.enable = true;
    # The browser is on another computer: without a device code, aws waits at a port of this one.
    initContent = ''
      aws() {
        case "$1 $2" in
        "sso login" | "configure sso")
          command aws "$1" "$2" --use-device-code --no-browser "''${@:3}"
          ;;
        *) command aws "$@" ;;
        esac
      }
    '';
  };

  programs.starship.enable = true;

  # Holdfast attaches to the sessions itself, so no shell starts zellij.
  programs.zellij = {
    enable = true;
    settings = {
      show_release_notes = false;
      show_startup_tips = false;
    };
  };

  programs.awscli.enable = true;

  # `assume` shows a link and a code, which is granted's default as long as UseAuthorizationCode is not set.
  programs.granted.enable = true;

  # A file to begin with and not a link into the store: granted opens it for writing each time. STDOUT: print links, ask
  # for no browser. Without a keyring on the machine tokens lie in files, which only you may read.
  home.activation.granted = lib.hm.dag.entryAfter [ "writeBoundary" ] ''
    if [ ! -e "$HOME/.granted/config" ]; then
      run mkdir -p -m 700 "$HOME/.granted"
      run install -m 600 ${pkgs.writeText "granted-config" ''
        DefaultBrowser = "STDOUT"

        [Keyring]
        Backend = "file"
      ''} "$HOME/.granted/config"
    fi
  '';
}
