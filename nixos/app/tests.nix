# What the module for home-manager makes of its options, with as much of lib and pkgs as it takes: there is nixpkgs only where
# there is a network. It evaluates to true.
let
  lib = {
    mkIf = condition: value: if condition then value else null;
    mkOption = option: option;
    mkEnableOption = description: { inherit description; };
    literalMD = text: text;
    types.package = "package";
  };
  pkgs = {
    formats.toml = _: {
      type = "toml";
      generate = name: value: { inherit name value; };
    };
    stdenv.hostPlatform = {
      system = "x86_64-linux";
      isLinux = true;
    };
  };
  packages.x86_64-linux.holdfast = "/holdfast";
  module =
    options:
    import ./home-manager.nix { inherit packages; } {
      inherit lib pkgs;
      config.programs.holdfast = {
        package = "/holdfast";
        settings = { };
        autostart = false;
      }
      // options;
    };
  settings.machine.remote-dev.region = "us-west-2";

  off = (module { enable = false; }).config;
  plain = (module { enable = true; }).config;
  full =
    (module {
      enable = true;
      autostart = true;
      inherit settings;
    }).config;
  file = "holdfast/settings.toml";
  entry = "autostart/Holdfast.desktop";
in
assert off == null;
assert (module { }).options.programs.holdfast.package.default == "/holdfast";
assert plain.home.packages == [ "/holdfast" ];
assert plain.xdg.configFile.${file} == null && plain.xdg.configFile.${entry} == null;
assert full.xdg.configFile.${file}.source.value == settings;
assert
  builtins.match ".*Exec=/holdfast/bin/holdfast-desktop\n.*" full.xdg.configFile.${entry}.text
  != null;
assert builtins.all (one: one.assertion) full.assertions;
true
