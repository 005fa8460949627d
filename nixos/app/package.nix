# The app and the command, for people who live in Nix.
{
  lib,
  stdenv,
  rustPlatform,
  buildNpmPackage,
  importNpmLock,
  cmake,
  installShellFiles,
  patchelf,
  pkg-config,
  wrapGAppsHook3,
  dbus,
  glib-networking,
  gtk3,
  libayatana-appindicator,
  librsvg,
  webkitgtk_4_1,
}:
let
  source = ../..;
  inherit (lib.importTOML (source + "/Cargo.toml")) workspace;
  inherit (workspace.package) version;
  sources =
    paths:
    lib.fileset.toSource {
      root = source;
      fileset = lib.fileset.unions (map (path: source + "/${path}") paths);
    };

  pages = buildNpmPackage {
    pname = "holdfast-pages";
    inherit version;
    src = sources [ "ui" ];
    sourceRoot = "source/ui";
    npmDeps = importNpmLock { npmRoot = source + "/ui"; };
    inherit (importNpmLock) npmConfigHook;
    installPhase = ''
      runHook preInstall
      cp -r dist $out
      runHook postInstall
    '';
  };
in
rustPlatform.buildRustPackage {
  pname = "holdfast";
  inherit version;
  src = sources [
    "CHANGELOG.md"
    "Cargo.lock"
    "Cargo.toml"
    "icons"
    "nixos"
    "src-tauri"
    "tauri.conf.json"
    "tauri.linux.conf.json"
    "tests"
  ];
  cargoLock.lockFile = source + "/Cargo.lock";

  postPatch = ''
    mkdir -p ui
    cp -r ${pages} ui/dist
  '';

  # The features are those of the workspace, as everywhere else; cmake is for the cryptography alone.
  cargoBuildFlags = [
    "--workspace"
    "--bins"
  ];
  dontUseCmakeConfigure = true;
  # They need a desktop, a sandbox that listens, and much time.
  doCheck = false;

  nativeBuildInputs = [
    cmake
    installShellFiles
  ]
  ++ lib.optionals stdenv.hostPlatform.isLinux [
    patchelf
    pkg-config
    wrapGAppsHook3
  ];
  buildInputs = lib.optionals stdenv.hostPlatform.isLinux [
    dbus
    glib-networking
    gtk3
    librsvg
    webkitgtk_4_1
  ];

  postInstall =
    lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      $out/bin/holdfast man man
      installManPage man/*.1
      installShellCompletion --cmd holdfast \
        --bash <($out/bin/holdfast completions bash) \
        --zsh <($out/bin/holdfast completions zsh) \
        --fish <($out/bin/holdfast completions fish)
    ''
    + lib.optionalString stdenv.hostPlatform.isLinux ''
      installManPage src-tauri/packaging/holdfast-desktop.1
      mkdir -p $out/share/applications
      substitute src-tauri/packaging/holdfast.desktop $out/share/applications/Holdfast.desktop \
        --replace-fail '{{name}}' Holdfast \
        --replace-fail '{{comment}}' 'One always-on NixOS machine in your own AWS account' \
        --replace-fail '{{exec}}' holdfast-desktop \
        --replace-fail '{{icon}}' holdfast-desktop \
        --replace-fail '{{categories}}' 'Development;'
      install -Dm644 -t $out/share/metainfo src-tauri/packaging/dev.holdfast.desktop.metainfo.xml
      install -Dm644 icons/32x32.png $out/share/icons/hicolor/32x32/apps/holdfast-desktop.png
      install -Dm644 icons/128x128.png $out/share/icons/hicolor/128x128/apps/holdfast-desktop.png
      install -Dm644 icons/icon.png $out/share/icons/hicolor/512x512/apps/holdfast-desktop.png
    '';

  # The command has no need of what the app is wrapped for. The tray's library is opened by its name.
  dontWrapGApps = true;
  postFixup = lib.optionalString stdenv.hostPlatform.isLinux ''
    patchelf --add-rpath ${lib.makeLibraryPath [ libayatana-appindicator ]} $out/bin/holdfast-desktop
    wrapGApp $out/bin/holdfast-desktop
  '';

  meta = {
    description = "One always-on NixOS machine in your own AWS account";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "holdfast";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
