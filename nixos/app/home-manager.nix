# A module for home-manager: the app and the command, with settings that are declared. `packages` has them for each system.
{ packages }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.programs.holdfast;
  toml = pkgs.formats.toml { };
  inherit (pkgs.stdenv.hostPlatform) isLinux system;
in
{
  options.programs.holdfast = {
    enable = lib.mkEnableOption "Holdfast, one always-on NixOS machine in your own AWS account";

    package = lib.mkOption {
      type = lib.types.package;
      default = packages.${system}.holdfast;
      defaultText = lib.literalMD "that of Holdfast's flake";
      description = "The app and the command.";
    };

    settings = lib.mkOption {
      inherit (toml) type;
      default = { };
      example = {
        default = "remote-dev";
        machine.remote-dev = {
          profile = "my-profile";
          region = "us-west-2";
        };
      };
      description = ''
        The settings, as `holdfast settings show` prints them. Without any the file is left alone; with some it is this one, and
        `holdfast settings set` and the window cannot change it.
      '';
    };

    autostart = lib.mkEnableOption "that the app starts with the desktop";
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.autostart -> isLinux;
        message = "programs.holdfast.autostart is for Linux; on macOS the app's own settings have it.";
      }
    ];
    home.packages = [ cfg.package ];
    xdg.configFile = {
      "holdfast/settings.toml" = lib.mkIf (cfg.settings != { }) {
        source = toml.generate "holdfast-settings.toml" cfg.settings;
      };
      "autostart/Holdfast.desktop" = lib.mkIf cfg.autostart {
        text = ''
          [Desktop Entry]
          Type=Application
          Name=Holdfast
          Exec=${cfg.package}/bin/holdfast-desktop
          Icon=holdfast-desktop
        '';
      };
    };
  };
}
