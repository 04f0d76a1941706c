// Waits that somebody may cut short.

/** A wait of some milliseconds, or until `end` is called. */
export class Nap {
  readonly over: Promise<void>;
  #end: () => void = () => undefined;

  /** A wait in the background does not keep a node process alive. */
  constructor(ms: number, options: { background: boolean }) {
    this.over = new Promise((resolve) => {
      const timer: unknown = setTimeout(resolve, ms);
      if (options.background && isNodeTimer(timer)) timer.unref();
      this.#end = () => {
        clearTimeout(timer as ReturnType<typeof setTimeout>);
        resolve();
      };
    });
  }

  /** End the wait now. */
  end(): void {
    this.#end();
  }
}

/** Return between half and all of a wait, so that clients do not march in step. */
export function spread(ms: number): number {
  return ms * (0.5 + Math.random() / 2);
}

function isNodeTimer(timer: unknown): timer is { unref: () => void } {
  return typeof timer === "object" && timer !== null && "unref" in timer;
}
