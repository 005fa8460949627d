{
  description = "A machine for Holdfast: NixOS on EC2, reached through AWS Systems Manager";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";
    home-manager = {
      url = "github:nix-community/home-manager";
      inputs.nixpkgs.follows = "nixpkgs";
    };
    claude-code = {
      url = "github:sadjow/claude-code-nix";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs =
    { self, nixpkgs, ... }@inputs:
    let
      inherit (nixpkgs) lib;
      machine = import ./machine.nix { inherit lib; };
      linux = [
        "aarch64-linux"
        "x86_64-linux"
      ];
      darwin = [
        "aarch64-darwin"
        "x86_64-darwin"
      ];

      # In the repository of Holdfast alone, whose source is one above this folder. A configuration that was put on a
      # machine has no such files, no test of them, and no app.
      program = "${self.sourceInfo.outPath}/src-tauri/core/src/script/machine.sh";
      app = builtins.pathExists ./app;
      holdfast = pkgs: pkgs.callPackage ./app/package.nix { };
    in
    lib.optionalAttrs app {
      packages = lib.genAttrs (linux ++ darwin) (system: {
        holdfast = holdfast nixpkgs.legacyPackages.${system};
        default = self.packages.${system}.holdfast;
      });

      overlays.default = final: _: { holdfast = holdfast final; };

      homeManagerModules.default = import ./app/home-manager.nix { inherit (self) packages; };
    }
    // {
      nixosConfigurations.${machine.attribute} = lib.nixosSystem {
        specialArgs = { inherit inputs machine; };
        modules = [ ./configuration.nix ];
      };

      nixosModules.holdfast = ./holdfast.nix;

      checks = lib.genAttrs linux (
        system:
        lib.optionalAttrs (builtins.pathExists program) {
          rollback = nixpkgs.legacyPackages.${system}.testers.runNixOSTest (
            import ./tests/rollback.nix {
              inherit program;
              holdfast = self.nixosModules.holdfast;
            }
          );
        }
      );

      formatter = lib.genAttrs (linux ++ darwin) (system: nixpkgs.legacyPackages.${system}.nixfmt-tree);
    };
}
