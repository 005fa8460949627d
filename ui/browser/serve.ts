// The built pages, served as the app serves them: with its content security policy.

import { readFileSync, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

import type { TestProject } from "vitest/node";

import { built, root } from "./paths";

const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

export default async function serve(project: TestProject): Promise<() => void> {
  const policy = csp();
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    const file = join(built, path === "/" ? "index.html" : path);
    // Chromium asks for one by itself.
    if (path === "/favicon.ico") {
      response.writeHead(204).end();
      return;
    }
    if (!file.startsWith(built) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const type = types[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(readFileSync(file));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  project.provide("address", `http://127.0.0.1:${address.port}/`);
  return () => server.close();
}

function csp(): string {
  const { app } = JSON.parse(readFileSync(join(root, "tauri.conf.json"), "utf8")) as {
    app: { security: { csp: Record<string, string> } };
  };
  return Object.entries(app.security.csp)
    .map(([directive, sources]) => `${directive} ${sources}`)
    .join("; ");
}

declare module "vitest" {
  interface ProvidedContext {
    address: string;
  }
}
