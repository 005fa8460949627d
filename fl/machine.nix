# Reads machine.json, and says all that is wrong with it at once.
{ lib }:
let
  version = 1;

  matches = pattern: value: builtins.isString value && builtins.match pattern value != null;

  keys = {
    attribute = {
      check = matches "[A-Za-z_][A-Za-z0-9_-]*";
      want = "a name for nixosConfigurations, such as \"remote-dev\"";
    };
    hostName = {
      check = matches "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
      want = "a host name: letters, digits and hyphens, 63 at the most";
    };
    locale = {
      check = matches "[A-Za-z_]+([.][A-Za-z0-9-]+)?(@[A-Za-z]+)?";
      want = "a locale, such as \"en_US.UTF-8\"";
    };
    stateVersion = {
      check = matches "[0-9]{2}[.][0-9]{2}";
      want = "the NixOS release that the machine began with, such as \"26.05\"";
    };
    system = {
      check =
        value:
        lib.elem value [
          "aarch64-linux"
          "x86_64-linux"
        ];
      want = "\"aarch64-linux\" or \"x86_64-linux\"";
    };
    timeZone = {
      check = matches "[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*";
      want = "a time zone, such as \"UTC\" or \"Europe/Berlin\"";
    };
    uid = {
      check = value: builtins.isInt value && value >= 1000 && value < 30000;
      want = "a number from 1000 to 29999";
    };
    user = {
      check =
        value:
        matches "[a-z_][a-z0-9_-]{0,30}" value
        && !lib.elem value [
          "nobody"
          "root"
          "ssm-user"
        ];
      want = "a user name that matches ^[a-z_][a-z0-9_-]*$, 31 characters at the most, and is not the system's own";
    };
    version = {
      check = value: value == version;
      want = toString version;
    };
  };

  # What may be missing.
  optional = {
    offAt = {
      check = matches "([01][0-9]|2[0-3]):[0-5][0-9]";
      want = "a time of day, such as \"22:30\"";
    };
    offWhenIdle = {
      check = value: builtins.isInt value && value >= 10 && value <= 1440;
      want = "minutes, from 10 to 1440";
    };
  };
  all = keys // optional;

  given = builtins.fromJSON (builtins.readFile ./machine.json);

  problems =
    if !builtins.isAttrs given then
      [ "it has to be an object" ]
    else if given ? version && given.version != version then
      [
        "this flake understands version ${toString version}, and the file is of version ${builtins.toJSON given.version}: update the flake, or let Holdfast write the file again"
      ]
    else
      map (key: "\"${key}\" is missing: ${keys.${key}.want}") (
        lib.attrNames (removeAttrs keys (lib.attrNames given))
      )
      ++ map (key: "\"${key}\" is not known") (lib.attrNames (removeAttrs given (lib.attrNames all)))
      ++ lib.concatMap (
        key:
        lib.optional (
          !all.${key}.check given.${key}
        ) "\"${key}\" is ${builtins.toJSON given.${key}}, and has to be ${all.${key}.want}"
      ) (lib.attrNames (builtins.intersectAttrs given all));
in
if problems == [ ] then
  lib.mapAttrs (_: _: null) optional // given
else
  throw "\nmachine.json cannot be used:\n${lib.concatMapStrings (problem: "- ${problem}\n") problems}"
