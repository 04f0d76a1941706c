// A gate between client and server that lets requests through, holds them or the end of their
// answers back, or hangs up.

import { EventEmitter, once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export type Mode = "pass" | "hang" | "hang up" | "stutter";

const FIRST_BYTES = 200;

/** Stands at an address of its own; what comes through is told as `piece` events. */
export class Gate extends EventEmitter {
  mode: Mode = "pass";
  /** All that clients sent, as it came. */
  seen = "";
  url = "";
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(private readonly target: URL) {
    super();
    this.#server = createServer((socket) => this.#take(socket));
  }

  static async before(target: string): Promise<Gate> {
    const gate = new Gate(new URL(target));
    gate.#server.listen(0, "127.0.0.1");
    await once(gate.#server, "listening");
    gate.url = `http://127.0.0.1:${(gate.#server.address() as AddressInfo).port}`;
    return gate;
  }

  /** Wait until clients have sent something that matches; return the first group. */
  async heard(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.seen);
      if (found !== null) return found[1] ?? "";
      await once(this, "piece");
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #take(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      // Either end may go at any time: then the other one goes as well.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        server.destroy();
        this.#sockets.delete(socket);
      });
    }
    server.on("data", (piece) => {
      client.write(this.mode === "stutter" ? piece.subarray(0, FIRST_BYTES) : piece);
    });
    client.on("data", (piece) => {
      this.seen += piece.toString();
      if (this.mode === "pass" || this.mode === "stutter") server.write(piece);
      if (this.mode === "hang up") client.destroy();
      this.emit("piece");
    });
  }
}
