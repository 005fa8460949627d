import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte({ compilerOptions: { discloseVersion: false } })],
  base: "./",
  server: { host: "127.0.0.1", port: 5173, strictPort: true },
  build: {
    outDir: "dist",
    target: "safari17",
    // The content security policy allows nothing inline.
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      treeshake: { manualPureFunctions: ["makeEvent"] },
      // Nobody reads the console of a page in the app.
      output: { minify: { compress: { dropConsole: true } } },
    },
  },
  test: { include: ["src/**/*.test.ts"], env: { TZ: "UTC" } },
});
