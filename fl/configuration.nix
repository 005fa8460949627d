# The machine's system: edit it as you like. What Holdfast itself needs is in holdfast.nix, which refuses what would lock
# you out; who you are and where is in machine.json.
{
  inputs,
  lib,
  machine,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [
    "${modulesPath}/virtualisation/amazon-image.nix"
    inputs.home-manager.nixosModules.home-manager
    ./holdfast.nix
  ];

  # ec2.efi is left as amazon-image.nix has it, and as the official images are: true on aarch64, false on x86_64. Where
  # there is no EFI partition, true would keep the machine from booting.
  system.stateVersion = machine.stateVersion;
  nixpkgs.hostPlatform = machine.system;

  networking.hostName = machine.hostName;
  time.timeZone = machine.timeZone;
  i18n.defaultLocale = machine.locale;

  holdfast = {
    inherit (machine) uid user;

    # The machine switches itself off: settings of Holdfast (off_at, off_when_idle).
    power = { inherit (machine) offAt offWhenIdle; };

    # For an editor that wants SSH (through `holdfast`, never from outside): sshd on 127.0.0.1 alone.
    # sshd = "loopback";

    # Claude Code through Amazon Bedrock, with your own sign-in.
    # claude = {
    #   awsProfile = "bedrock";
    #   bedrock = {
    #     enable = true;
    #     region = "us-west-2";
    #   };
    # };
  };

  users.users.${machine.user}.shell = pkgs.zsh;
  programs.zsh.enable = true;

  environment.systemPackages = [
    pkgs.curl
    pkgs.htop
    pkgs.jq
    pkgs.ripgrep
  ];

  # Claude Code as its makers build it, hours after each release.
  nixpkgs.overlays = [ inputs.claude-code.overlays.default ];
  nixpkgs.config.allowUnfreePredicate = package: lib.getName package == "claude-code";
  nix.settings = {
    substituters = [ "https://claude-code.cachix.org" ];
    trusted-public-keys = [
      "claude-code.cachix.org-1:YeXf2aNu7UTX8Vwrze0za1WEDS+4DuI2kVeWEE4fsRk="
    ];
  };

  home-manager = {
    # The overlay and the predicate above reach the home by this.
    useGlobalPkgs = true;
    useUserPackages = true;
    # A file that was there before is kept beside the new one; without this the switch would fail at it.
    backupFileExtension = "before-holdfast";
    extraSpecialArgs = { inherit machine; };
    users.${machine.user} = ./home.nix;
  };
}
