// A real Marquee in a child process, with its state in a directory of its own.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { Client, type ClientOptions, type RankRequest } from "../src/index.js";

const PYTHON = process.env["MARQUEE_PYTHON"] ?? resolve("../../.venv/bin/python");
const READY = /marquee serves at (http:\/\/\S+)/;
const KEY = "the-clients-key";
const CATALOG = resolve("../../examples/catalog.jsonl");

/** A page whose titles come with it, so that no catalog is needed. */
export const PAGE: RankRequest = {
  viewer_id: "ada",
  context: { device: "tv" },
  rows: ["noir", "comedy"].map((row) => ({
    id: row,
    titles: [0, 1].map((number) => ({
      id: `${row}-${number}`,
      artworks: ["dark", "light"].map((artwork) => ({ id: artwork })),
    })),
  })),
};

/** What a service is started with. */
export interface Site {
  /** Serve the example catalog. */
  readonly catalog?: boolean;
  /** Ask for a key for all but feedback with tokens; so it is by default. */
  readonly keys?: boolean;
}

/** `marquee serve`. */
export class Marquee {
  url = "";
  readonly #clients: Client[] = [];
  #process: ChildProcess | undefined;

  private constructor(
    private readonly directory: string,
    private readonly site: Site,
  ) {}

  static async start(site: Site = {}): Promise<Marquee> {
    const marquee = new Marquee(await mkdtemp(join(tmpdir(), "marquee-client-")), site);
    await marquee.restart();
    return marquee;
  }

  /** Return a client with a key, and patience for a machine that is busy. */
  client(options: ClientOptions = {}): Client {
    const client = new Client(this.url, { apiKey: KEY, deadlineMs: 30_000, ...options });
    this.#clients.push(client);
    return client;
  }

  /** Return how many of some events the server had already. */
  async duplicates(events: readonly object[]): Promise<number> {
    const response = await fetch(`${this.url}/v1/feedback`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ events }),
    });
    return ((await response.json()) as { duplicates: number }).duplicates;
  }

  /** End it at once, as a crash does; its children follow. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Start it, at the address that it had before. */
  async restart(): Promise<void> {
    const settings = {
      MARQUEE__SERVER__PORT: this.url === "" ? "0" : new URL(this.url).port,
      MARQUEE__SERVER__WORKERS: "1",
      MARQUEE__SERVER__DRAIN_S: "0",
      ...(this.site.keys !== false && { MARQUEE__AUTH__CLIENT_KEYS: JSON.stringify([KEY]) }),
      ...(this.site.catalog === true && { MARQUEE__CATALOG__SOURCE: CATALOG }),
    };
    const child = spawn(PYTHON, ["-m", "server.cli", "serve"], {
      cwd: this.directory,
      env: { ...process.env, ...settings, PYTHONUNBUFFERED: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    this.url = await told(child);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close(0)));
    await this.#end("SIGTERM");
    await rm(this.directory, { recursive: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#process?.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill(signal);
    await ended;
  }
}

/** Wait until it says where it serves. */
async function told(child: ChildProcess): Promise<string> {
  let output = "";
  return new Promise((found, failed) => {
    const listen = (piece: Buffer): void => {
      output += piece.toString();
      const url = READY.exec(output)?.[1];
      if (url !== undefined) found(url);
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", listen);
    child.once("error", failed);
    child.once("exit", () => failed(new Error(`marquee ended: ${output}`)));
  });
}
