# A switch that works is kept, one that takes the way in away is left again by itself, and what the user has running
# survives both. There is no AWS here: a unit says what the SSM agent says, and something answers at port 443.
{ holdfast, program }:
{
  name = "holdfast-rollback";

  nodes.machine =
    { lib, pkgs, ... }:
    let
      agent =
        says:
        pkgs.writeShellScript "agent" ''
          ${pkgs.coreutils}/bin/mkdir -p /var/log/amazon/ssm
          echo ${lib.escapeShellArg says} >>/var/log/amazon/ssm/amazon-ssm-agent.log
          exec ${pkgs.coreutils}/bin/sleep infinity
        '';
    in
    {
      imports = [ holdfast ];

      holdfast.user = "dev";
      holdfast.uid = 1000;

      virtualisation.vlans = [ ];
      boot.loader.grub.enable = false;

      systemd.services.amazon-ssm-agent.serviceConfig.ExecStart = lib.mkForce (
        agent "Set up control channel successfully"
      );
      networking.hosts."127.0.0.1" = [ "ssmmessages.us-west-2.amazonaws.com" ];
      systemd.sockets.gateway = {
        wantedBy = [ "sockets.target" ];
        socketConfig = {
          ListenStream = "127.0.0.1:443";
          Accept = true;
        };
      };
      systemd.services."gateway@".serviceConfig = {
        ExecStart = "-${pkgs.coreutils}/bin/cat";
        StandardInput = "socket";
      };

      specialisation = {
        good.configuration.environment.etc."holdfast-test".text = "good";
        bad.configuration = {
          environment.etc."holdfast-test".text = "bad";
          systemd.services.amazon-ssm-agent.serviceConfig.ExecStart = lib.mkOverride 40 (agent "nothing");
        };
      };
    };

  testScript = ''
    import json

    profile = "/nix/var/nix/profiles/system"
    program = "/bin/sh /var/lib/holdfast/bin/machine"
    as_dev = "sudo -u dev env XDG_RUNTIME_DIR=/run/user/1000 "


    def of(job: str, key: str) -> str:
        return machine.succeed(f"cat /var/lib/holdfast/jobs/{job}/{key}").strip()


    def switch(job: str, number: int) -> str:
        machine.succeed(
            f"{program} start {job} kind=rollback action=switch number={number}"
            " patience=30 nonce=0 user=dev region=us-west-2"
        )
        machine.wait_until_succeeds(f"test -s /var/lib/holdfast/jobs/{job}/outcome", timeout=300)
        return of(job, "outcome")


    machine.wait_for_unit("multi-user.target")
    machine.wait_for_unit("amazon-ssm-agent.service")
    machine.wait_for_unit("user@1000.service")

    with subtest("the program is not there yet, and so nothing is judged"):
        machine.succeed("systemctl show -P ConditionResult holdfast-boot.service | grep -qx no")
        machine.copy_from_host("${program}", "/var/lib/holdfast/bin/machine")

    with subtest("all ways in agree on where zellij's sockets are"):
        sockets = "/run/user/1000/zellij"
        machine.wait_until_succeeds(f"test -d {sockets}")
        machine.succeed(f"test $(stat -c %U:%a {sockets}) = dev:700")
        machine.succeed(f"sudo -iu dev printenv ZELLIJ_SOCKET_DIR | grep -qx {sockets}")
        machine.succeed(
            f"{as_dev} systemctl --user show-environment | grep -qx ZELLIJ_SOCKET_DIR={sockets}"
        )
        machine.fail("printenv ZELLIJ_SOCKET_DIR")

    with subtest("an event of an agent gets into the spool, and nothing to the agent"):
        settings = json.loads(machine.succeed("cat /etc/claude-code/managed-settings.json"))
        command = settings["hooks"]["Stop"][0]["hooks"][0]["command"]
        said = machine.succeed(f"""echo '{{"session_id":"a"}}' | sudo -iu dev {command} 2>&1""")
        assert said == "", said
        spooled = machine.succeed("cat /home/dev/.local/state/holdfast/events/*.json")
        assert json.loads(spooled)["event"]["session_id"] == "a", spooled

    base = machine.succeed("readlink -f /run/current-system").strip()
    good = machine.succeed("readlink -f /run/current-system/specialisation/good").strip()
    bad = machine.succeed("readlink -f /run/current-system/specialisation/bad").strip()
    for system in [base, good, bad]:
        machine.succeed(f"nix-env --profile {profile} --set {system}")
    machine.succeed(f"nix-env --profile {profile} --switch-generation 1")

    machine.succeed(f"{as_dev} systemd-run --user --unit=agent sleep infinity")
    work = machine.succeed(f"{as_dev} systemctl --user show -P MainPID agent").strip()

    with subtest("a switch that works stays, on trial until somebody has come in"):
        outcome = switch("one", 2)
        assert outcome == "ok", outcome
        machine.succeed(f"test $(readlink -f /run/current-system) = {good}")
        machine.succeed("grep -qx trial /var/lib/holdfast/trial/state")
        machine.succeed(f"{program} good")
        machine.fail("test -e /var/lib/holdfast/trial")

    with subtest("a switch that takes the way in away is left again"):
        outcome = switch("two", 3)
        assert outcome == "rolled_back", outcome
        machine.succeed(f"test $(readlink -f /run/current-system) = {good}")
        machine.succeed(f"test $(readlink -f {profile}) = {good}")
        machine.succeed("grep -qx good /etc/holdfast-test")
        machine.succeed(f"grep -q '^{bad} ' /var/lib/holdfast/refused")

    with subtest("neither touched what was at work, or took itself for a boot"):
        now = machine.succeed(f"{as_dev} systemctl --user show -P MainPID agent").strip()
        assert now == work, f"{work} became {now}"
        machine.succeed(
            "test $(systemctl show -P ExecMainStartTimestampMonotonic holdfast-boot.service) = 0"
        )

    with subtest("a boot is judged"):
        machine.shutdown()
        machine.start()
        machine.wait_for_unit("holdfast-boot.service")
  '';
}
