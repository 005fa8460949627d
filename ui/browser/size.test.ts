// What the window weighs.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { expect, test } from "vitest";

import * as paths from "./paths";

test("the pages are small", () => {
  const files = readdirSync(paths.built, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const size = files.reduce((sum, { parentPath, name }) => sum + gzipSync(readFileSync(join(parentPath, name))).length, 0);
  console.log(`the pages: ${(size / 1000).toFixed(1)} kB gzipped`);
  expect(size).toBeLessThan(60_000);
});
