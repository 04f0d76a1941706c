// What the client sees of a browser's tab, in node: its storage, its window and its document.

/** localStorage in memory; with `room` it takes so many entries. */
export class TabStorage implements Storage {
  [name: string]: unknown;
  readonly #items = new Map<string, string>();

  constructor(private readonly room = Infinity) {}

  get length(): number {
    return this.#items.size;
  }

  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (this.#items.size >= this.room) throw new Error("QuotaExceededError");
    this.#items.set(key, value);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }

  clear(): void {
    this.#items.clear();
  }
}

/** A tab that this process lives in until it is closed. */
export class Tab {
  readonly window = new EventTarget();
  readonly document = Object.assign(new EventTarget(), { visibilityState: "visible" });

  constructor(readonly localStorage: TabStorage = new TabStorage()) {
    Object.assign(globalThis, {
      window: this.window,
      document: this.document,
      localStorage: this.localStorage,
    });
  }

  /** Go to the background, as on a phone. */
  hide(): void {
    this.document.visibilityState = "hidden";
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  /** Let go of the page. */
  leave(): void {
    this.window.dispatchEvent(new Event("pagehide"));
  }

  /** Have the network back. */
  comeOnline(): void {
    this.window.dispatchEvent(new Event("online"));
  }

  close(): void {
    for (const name of ["window", "document", "localStorage"]) {
      Reflect.deleteProperty(globalThis, name);
    }
  }
}
