# What Holdfast needs of a machine. It can be imported alone, by any configuration of a NixOS machine on EC2, and refuses
# at evaluation what would take the only way in away.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkDefault mkOption types;
  cfg = config.holdfast;

  folder = "/var/lib/holdfast";
  # Holdfast puts it there.
  program = "${folder}/bin/machine";

  # Where zellij itself looks when XDG_RUNTIME_DIR is set, so that ways in that know nothing of the variable agree.
  sockets = "/run/user/${toString cfg.uid}/zellij";

  grub = if config.boot.loader.grub.efiSupport then pkgs.grub2_efi else pkgs.grub2;

  event = pkgs.writeShellApplication {
    name = "holdfast-event";
    # Not to end at an error is what it is about.
    bashOptions = [ ];
    runtimeInputs = [
      pkgs.coreutils
      pkgs.findutils
      pkgs.gnused
    ];
    text = builtins.readFile ./hooks/event.sh;
  };

  signIn = pkgs.writeShellApplication {
    name = "holdfast-sign-in";
    runtimeInputs = [
      event
      pkgs.awscli2
      pkgs.coreutils
      pkgs.util-linux
    ];
    text = builtins.readFile ./hooks/sign-in.sh;
  };

  # What people call is found by sudo and by the laptop under this name.
  power = pkgs.writeShellApplication {
    name = "holdfast-power";
    # It decides by statuses.
    bashOptions = [ ];
    runtimeInputs = [
      event
      pkgs.coreutils
      pkgs.findutils
      pkgs.gawk
      pkgs.getent
      pkgs.gnugrep
      pkgs.gnused
      pkgs.systemd
      pkgs.util-linux
    ];
    text = builtins.readFile ./power.sh;
  };
  powers = cfg.power.offAt != null || cfg.power.offWhenIdle != null;

  events = [
    "Notification"
    "PermissionRequest"
    "SessionEnd"
    "SessionStart"
    "Stop"
    "UserPromptSubmit"
  ];

  # Interfaces of containers, by the names that Docker, Podman, CNI, libvirt and systemd-nspawn give them.
  ofContainers =
    name:
    lib.elem name [
      "*"
      "v*"
    ]
    || lib.any (prefix: lib.hasPrefix prefix name) [
      "br"
      "cni"
      "docker"
      "podman"
      "vb-"
      "ve-"
      "veth"
      "virbr"
      "vnet"
      "vz-"
    ];

  # Networks of systemd-networkd that ask for an address on such an interface.
  reachesContainers =
    network:
    let
      match = network.matchConfig;
      names = lib.filter (name: name != "") (lib.splitString " " (toString (match.Name or "")));
      asks =
        value:
        lib.elem value [
          true
          "fallback"
          "ipv4"
          "ipv4-fallback"
          "yes"
        ];
      narrow = lib.any (key: match ? ${key}) [
        "Driver"
        "MACAddress"
        "Path"
        "PermanentMACAddress"
      ];
    in
    (
      asks network.DHCP
      || asks (network.networkConfig.DHCP or null)
      || asks (network.networkConfig.LinkLocalAddressing or null)
    )
    && !narrow
    && match.Kind or "" != "!*"
    && (names == [ ] || lib.any ofContainers names);

  badNetworks = lib.attrNames (
    lib.filterAttrs (
      _: network: network.enable && reachesContainers network
    ) config.systemd.network.networks
  );

  primary = config.systemd.network.networks."10-holdfast";

  because = ''
    An address or a route of a container's interface can cover 169.254.169.254. Then the SSM agent gets no credentials any more, and it is the only way in.
    https://github.com/NixOS/nixpkgs/issues/109389 https://github.com/NixOS/nixpkgs/issues/330622'';

  ssh = config.services.openssh;
  firewall = config.networking.firewall;
  ports =
    let
      list = from: map toString (from.allowedTCPPorts ++ from.allowedUDPPorts);
      ranges =
        from:
        map (range: "${toString range.from}-${toString range.to}") (
          from.allowedTCPPortRanges ++ from.allowedUDPPortRanges
        );
    in
    list firewall ++ ranges firewall;

  user = config.users.users.${cfg.user};
in
{
  options.holdfast = {
    user = mkOption {
      type = types.strMatching "[a-z_][a-z0-9_-]{0,30}";
      example = "dev";
      description = "The user whose terminal Holdfast opens, and whose agents it watches.";
    };

    uid = mkOption {
      type = types.ints.between 1000 60000;
      # The image has one user already, ssm-user, and NixOS counts from 1000.
      default = 1001;
      description = "The user's number. NixOS does not change the one of a user who exists.";
    };

    sshd = mkOption {
      type = types.enum [
        "off"
        "loopback"
      ];
      default = "off";
      description = ''
        Whether there is an SSH server, on 127.0.0.1 and ::1 alone, for editors that want one. This is the option to
        set: services.openssh.enable = true is overridden, since the Amazon image sets it as well.
      '';
    };

    interfaces = mkOption {
      type = types.nonEmptyListOf types.str;
      default = [
        "en*"
        "eth*"
      ];
      description = "Names of the network interfaces of the instance, as systemd-networkd matches them.";
    };

    keepGenerations = mkOption {
      type = types.ints.between 2 1000;
      default = 10;
      description = "How many generations of the system outlive the daily garbage collection.";
    };

    power = {
      offAt = mkOption {
        type = types.nullOr (types.strMatching "([01][0-9]|2[0-3]):[0-5][0-9]");
        default = null;
        example = "22:30";
        description = ''
          The time of day, in time.timeZone, at which the machine switches itself off, whoever is at work. It is announced
          in every terminal 10 minutes and 1 minute before, `holdfast-power keep` takes it back for that day, and a job of
          Holdfast's that runs comes to its end first. A machine that is started later stays on until the next day.
        '';
      };

      offWhenIdle = mkOption {
        type = types.nullOr (types.ints.between 10 1440);
        default = null;
        example = 45;
        description = ''
          The machine switches itself off when for so many minutes nobody was attached to it, no job, build or agent was at
          work, and it computed next to nothing. It is announced 5 minutes before, and `holdfast-power keep` takes it back.
        '';
      };
    };

    claude = {
      awsProfile = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "bedrock";
        description = ''
          The AWS profile that Claude Code uses, and that it signs in to again when its credentials have ended. It has
          to be one of ~/.aws/config with IAM Identity Center (aws configure sso).
        '';
      };

      bedrock = {
        enable = lib.mkEnableOption "Amazon Bedrock for Claude Code";

        region = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "us-west-2";
          description = "Claude Code does not read it from the profile.";
        };

        model = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "A model or an inference profile; Claude Code's own choice if null.";
        };
      };

      settings = mkOption {
        type = (pkgs.formats.json { }).type;
        default = { };
        description = ''
          What is written to /etc/claude-code/managed-settings.json. It takes precedence over the settings that Claude
          Code writes itself, which therefore stay writable.
        '';
      };
    };
  };

  config = {
    assertions = [
      {
        assertion = config.services.amazon-ssm-agent.enable;
        message = "holdfast: services.amazon-ssm-agent.enable has to be true: the SSM agent is the only way in.";
      }
      {
        assertion = !config.networking.useDHCP;
        message = ''
          holdfast: networking.useDHCP has to be false: it asks for an address on every interface that comes up. Holdfast declares DHCP for the instance's own (holdfast.interfaces).
          ${because}'';
      }
      {
        assertion =
          config.networking.dhcpcd.enable
          ->
            config.networking.dhcpcd.allowInterfaces != null
            && !lib.any ofContainers config.networking.dhcpcd.allowInterfaces;
        message = ''
          holdfast: networking.dhcpcd.enable is true, and dhcpcd looks after every interface that networking.dhcpcd.allowInterfaces does not keep from it.
          ${because}'';
      }
      {
        assertion = !config.networking.networkmanager.enable;
        message = ''
          holdfast: networking.networkmanager.enable has to be false: NetworkManager would take the interface over that systemd-networkd looks after, and those of containers with it.
          ${because}'';
      }
      {
        assertion =
          config.networking.useNetworkd
          && config.systemd.network.enable
          && primary.enable
          && lib.elem (primary.networkConfig.DHCP or primary.DHCP) [
            true
            "ipv4"
            "yes"
          ];
        message = ''
          holdfast: nothing gives the instance its address. networking.useNetworkd and systemd.network.enable have to be true, and systemd.network.networks."10-holdfast" has to be as Holdfast declares it.
          ${because}'';
      }
      {
        assertion = badNetworks == [ ];
        message = ''
          holdfast: systemd.network.networks.${lib.concatStringsSep ", " badNetworks} would ask for an address on interfaces of containers too. Add matchConfig.Kind = "!*", or name the interfaces.
          ${because}'';
      }
      {
        assertion =
          ssh.enable
          ->
            !ssh.openFirewall
            && ssh.listenAddresses != [ ]
            && lib.all (
              address:
              lib.elem address.addr [
                "127.0.0.1"
                "::1"
                "localhost"
              ]
            ) ssh.listenAddresses;
        message = "holdfast: services.openssh.enable is true, and sshd would listen to more than this machine. Set holdfast.sshd = \"loopback\" instead: Holdfast needs no port, and so there is to be none.";
      }
      {
        assertion = firewall.enable && ports == [ ];
        message = "holdfast: the firewall has to be on with nothing open, ${
          if firewall.enable then "and ${lib.concatStringsSep ", " ports} would be" else "and it is off"
        }. What runs on the machine is reached through Holdfast. For containers use networking.firewall.interfaces.<name>.";
      }
      {
        assertion =
          !(config.security.sudo.enable && config.security.sudo.wheelNeedsPassword)
          && !(config.security.sudo-rs.enable && config.security.sudo-rs.wheelNeedsPassword)
          && (config.security.sudo.enable || config.security.sudo-rs.enable);
        message = "holdfast: sudo has to work without a password for wheel: the user has none.";
      }
      {
        assertion = user.linger == true && user.uid == cfg.uid;
        message = "holdfast: users.users.${cfg.user} has to linger and to have the uid ${toString cfg.uid}: the agents run under the user's own service manager, and their sockets are in ${sockets}.";
      }
      {
        assertion =
          !(config.services.logind.settings.Login.KillUserProcesses or false)
          && !(config.systemd.oomd.enableUserSlices or false)
          && !(config.systemd.oomd.enableRootSlice or false);
        message = "holdfast: services.logind.settings.Login.KillUserProcesses, systemd.oomd.enableUserSlices and systemd.oomd.enableRootSlice have to be false: each of them ends agents that are at work.";
      }
      {
        assertion = cfg.claude.bedrock.enable -> cfg.claude.bedrock.region != null;
        message = "holdfast: holdfast.claude.bedrock.region is missing: Claude Code does not read it from the AWS profile.";
      }
    ];

    # --- the way in ---------------------------------------------------------------------------------------------------

    services.amazon-ssm-agent.enable = true;
    # When memory ends, the way in is the last to go.
    systemd.services.amazon-ssm-agent.serviceConfig.OOMScoreAdjust = -900;

    # Between mkForce, so that an assertion can give the reason, and what amazon-image.nix sets.
    services.openssh = {
      enable = lib.mkOverride 75 (cfg.sshd == "loopback");
      openFirewall = lib.mkIf (cfg.sshd == "loopback") false;
      listenAddresses = lib.mkIf (cfg.sshd == "loopback") [
        { addr = "127.0.0.1"; }
        { addr = "::1"; }
      ];
    };

    networking = {
      firewall = {
        enable = mkDefault true;
        allowPing = mkDefault false;
      };
      # Stronger than the mkDefault of a generated hardware-configuration.nix, weaker than anything that a person wrote.
      useDHCP = lib.mkOverride 900 false;
      useNetworkd = mkDefault true;
    };
    systemd.network = {
      networks."10-holdfast" = {
        matchConfig = {
          Name = lib.concatStringsSep " " cfg.interfaces;
          Type = "ether";
          # Not what a container brings along: interfaces of hardware have no kind.
          Kind = "!*";
        };
        DHCP = "yes";
        linkConfig.RequiredForOnline = "routable";
        # Metadata, time and DNS of EC2, by the gateway as always, and more narrowly than any 169.254.0.0/16, such as
        # systemd-nspawn's.
        routes = [
          {
            Destination = "169.254.169.0/24";
            Gateway = "_dhcp4";
          }
        ];
      };
      wait-online.anyInterface = mkDefault true;
    };

    # --- the user -----------------------------------------------------------------------------------------------------

    users.manageLingering = true;
    users.users.${cfg.user} = {
      inherit (cfg) uid;
      isNormalUser = true;
      linger = true;
      extraGroups = [ "wheel" ];
    };
    security.sudo.wheelNeedsPassword = false;
    security.sudo-rs.wheelNeedsPassword = false;

    # sudo -iu gives no XDG_RUNTIME_DIR, machinectl shell does: without this they would not see each other's sessions.
    # Not as a session variable, which root and ssm-user would get as well.
    environment.extraInit = ''
      if [ "$(id -u)" = ${toString cfg.uid} ]; then
        export ZELLIJ_SOCKET_DIR=${sockets}
      fi
      # What comes in through the agent is not to share that it survives.
      if read -r holdfast_score </proc/self/oom_score_adj && [ "$holdfast_score" -lt 0 ]; then
        echo 0 >/proc/self/oom_score_adj
      fi 2>/dev/null
      unset holdfast_score
    '';
    # For what the user's service manager starts.
    environment.etc."environment.d/50-holdfast.conf".text = ''
      ZELLIJ_SOCKET_DIR=$XDG_RUNTIME_DIR/zellij
    '';
    # Not "D": each switch runs systemd-tmpfiles --user --create --remove, which would empty it.
    systemd.user.tmpfiles.users.${cfg.user}.rules = [ "d %t/zellij 0700" ];

    # --- the machine's half of Holdfast -------------------------------------------------------------------------------

    systemd.tmpfiles.settings."10-holdfast" =
      lib.genAttrs
        [
          folder
          "${folder}/bin"
          "${folder}/jobs"
        ]
        (_: {
          d = {
            mode = "0755";
            user = "root";
            group = "root";
          };
        });

    environment.systemPackages = [
      pkgs.git
    ]
    # NixOS installs no grub-editenv for EFI.
    ++ lib.optional config.boot.loader.grub.enable grub
    ++ lib.optional powers power;

    systemd.services.holdfast-boot = {
      description = "Holdfast judges a generation that runs for the first time";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [
        "amazon-ssm-agent.service"
        "network-online.target"
      ];
      path = [
        config.nix.package
        pkgs.coreutils
        pkgs.curl
        pkgs.gawk
        pkgs.git
        pkgs.gnugrep
        pkgs.gnused
        pkgs.iproute2
        pkgs.systemd
        pkgs.util-linux
        "/run/wrappers"
      ]
      ++ lib.optional config.boot.loader.grub.enable grub;
      # It belongs to the boot. A switch starts all active targets again, and with them each of their units that is not
      # active (switch-to-configuration-ng, "Cause all active target units to be restarted"): so it stays active once it
      # has run, and it does not run where another system than the booted one is current.
      restartIfChanged = false;
      unitConfig = {
        ConditionPathExists = program;
        X-StopOnRemoval = false;
      };
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecCondition = "${pkgs.coreutils}/bin/test /run/booted-system -ef /run/current-system";
        ExecStart = "/bin/sh ${program} boot";
      };
    };

    # --- power on purpose ---------------------------------------------------------------------------------------------

    environment.etc."holdfast/power" = lib.mkIf powers {
      text =
        "user=${cfg.user}\n"
        + lib.optionalString (cfg.power.offAt != null) "at=${cfg.power.offAt}\n"
        +
          lib.optionalString (cfg.power.offWhenIdle != null)
            "idle=${toString (cfg.power.offWhenIdle * 60)}\n";
    };
    systemd.services.holdfast-power = lib.mkIf powers {
      description = "Holdfast looks whether anybody needs the machine";
      # It may be waiting for the minute that it has announced.
      restartIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${power}/bin/holdfast-power check";
      };
    };
    systemd.timers.holdfast-power = lib.mkIf powers {
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnActiveSec = "1min";
        OnUnitInactiveSec = "1min";
        AccuracySec = "1s";
      };
    };
    systemd.services.holdfast-off-at = lib.mkIf (cfg.power.offAt != null) {
      description = "Holdfast switches the machine off at a time of day";
      restartIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${power}/bin/holdfast-power due";
      };
    };
    # Not persistent: who starts the machine after that time wants it on. When it elapses next is read by the other service.
    systemd.timers.holdfast-off-at = lib.mkIf (cfg.power.offAt != null) {
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = "*-*-* ${cfg.power.offAt}:00";
        AccuracySec = "1s";
      };
    };

    # --- what must not take the machine away --------------------------------------------------------------------------

    # User data of the instance would become the configuration, at every boot.
    virtualisation = lib.optionalAttrs (options.virtualisation ? amazon-init) {
      amazon-init.enable = false;
    };

    boot.growPartition = mkDefault true;

    # The EFI partition of the images has 256 MB. It holds a kernel and an initrd for each line of the menu, and in a switch
    # those of one line more; on aarch64 they are some 90 MB. https://github.com/NixOS/nixpkgs/pull/554398
    # The default line is always there, and all that the garbage collection has left can be switched to.
    boot.loader.grub.configurationLimit = mkDefault (
      if !config.boot.loader.grub.efiSupport then
        cfg.keepGenerations
      else if pkgs.stdenv.hostPlatform.isAarch64 then
        1
      else
        3
    );

    nix = {
      daemonCPUSchedPolicy = mkDefault "batch";
      daemonIOSchedClass = mkDefault "idle";
      settings = {
        experimental-features = [
          "flakes"
          "nix-command"
        ];
        # What a flake asks for itself is for a person to grant.
        accept-flake-config = false;
        # In the middle of a build, when the disk has less than 5 GiB left.
        min-free = mkDefault (5 * 1024 * 1024 * 1024);
        max-free = mkDefault (20 * 1024 * 1024 * 1024);
      };
    };

    # Builds yield to the agents, which are in user.slice, and die before them.
    systemd.slices.builds = {
      description = "Builds of Nix";
      sliceConfig = {
        CPUWeight = mkDefault 20;
        IOWeight = mkDefault 20;
        MemoryMax = mkDefault "75%";
      };
    };
    systemd.services.nix-daemon.serviceConfig = {
      Slice = "builds.slice";
      OOMScoreAdjust = mkDefault 500;
      # One build that grew too large is not the end of the others.
      OOMPolicy = "continue";
    };
    zramSwap.enable = mkDefault true;

    # nix.gc deletes generations by their age alone, and so all of them after a long holiday.
    systemd.services.holdfast-gc = {
      description = "Holdfast keeps the last generations, and collects what nothing needs";
      startAt = "daily";
      path = [ config.nix.package ];
      serviceConfig = {
        Type = "oneshot";
        Slice = "builds.slice";
      };
      script = ''
        nix-env --profile /nix/var/nix/profiles/system --delete-generations +${toString cfg.keepGenerations}
        nix-collect-garbage
      '';
    };
    systemd.timers.holdfast-gc.timerConfig = {
      Persistent = true;
      RandomizedDelaySec = "1h";
    };

    # --- Claude Code --------------------------------------------------------------------------------------------------

    holdfast.claude.settings = {
      hooks = lib.genAttrs events (name: [
        {
          hooks = [
            {
              type = "command";
              command = "${event}/bin/holdfast-event ${name}";
              timeout = 5;
            }
          ];
        }
      ]);
      awsAuthRefresh =
        "${signIn}/bin/holdfast-sign-in"
        + lib.optionalString (
          cfg.claude.awsProfile != null
        ) " --profile ${lib.escapeShellArg cfg.claude.awsProfile}";
      env =
        lib.optionalAttrs (cfg.claude.awsProfile != null) {
          AWS_PROFILE = cfg.claude.awsProfile;
        }
        // lib.optionalAttrs cfg.claude.bedrock.enable (
          {
            CLAUDE_CODE_USE_BEDROCK = "1";
          }
          // lib.optionalAttrs (cfg.claude.bedrock.region != null) {
            AWS_REGION = cfg.claude.bedrock.region;
          }
          // lib.optionalAttrs (cfg.claude.bedrock.model != null) {
            ANTHROPIC_MODEL = cfg.claude.bedrock.model;
          }
        );
    };
    # Not ~/.claude/settings.json, which Claude Code has to be able to write.
    environment.etc."claude-code/managed-settings.json".text = builtins.toJSON cfg.claude.settings;
  };
}
