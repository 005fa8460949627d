import { defineConfig } from "vitest/config";

import pages from "./vitest.config";

export default defineConfig({ ...pages, test: { ...pages.test, include: ["**/*.bench.ts"], testTimeout: 600_000 } });
