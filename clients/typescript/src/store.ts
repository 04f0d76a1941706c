// Where unsent feedback is kept so that it survives the page: localStorage, or what you write.
//
// Each event is an entry of its own. Tabs of one site share the storage: one that starts takes up
// what others have not sent yet. An event may so be sent twice, which the server notices by its
// id.

import type { FeedbackEvent } from "./wire.js";

/** An event that the server does not have yet, and when it was queued (ms since the epoch). */
export interface KeptEvent {
  readonly event: FeedbackEvent;
  readonly at: number;
}

/** Keeps unsent events. None of its calls may throw; what cannot be kept is kept in memory only. */
export interface EventStore {
  /** Return all that is kept, oldest first. */
  load(): KeptEvent[];
  put(kept: KeptEvent): void;
  remove(eventId: string): void;
}

/** Keeps events in localStorage, or in anything that has its form. */
export class WebStorageStore implements EventStore {
  readonly #storage: Storage;
  readonly #prefix: string;

  /** Events are kept apart by `name`, so that those for one server never go to another. */
  constructor(storage: Storage, name: string) {
    this.#storage = storage;
    this.#prefix = `marquee-feedback ${name} `;
  }

  load(): KeptEvent[] {
    const kept: KeptEvent[] = [];
    for (const key of this.#keys()) {
      const found = keptEventOf(this.#storage.getItem(key));
      if (found === undefined) this.#storage.removeItem(key);
      else kept.push(found);
    }
    return kept.sort((one, other) => one.at - other.at);
  }

  put(kept: KeptEvent): void {
    try {
      this.#storage.setItem(this.#prefix + kept.event.event_id, JSON.stringify(kept));
    } catch {
      // The storage is full: the queue in memory still holds the event.
    }
  }

  remove(eventId: string): void {
    this.#storage.removeItem(this.#prefix + eventId);
  }

  #keys(): string[] {
    const keys = Array.from({ length: this.#storage.length }, (_, at) => this.#storage.key(at));
    return keys.filter((key): key is string => key?.startsWith(this.#prefix) ?? false);
  }
}

/** Return a store in the browser's localStorage, undefined where there is none or it is barred. */
export function browserStore(name: string): EventStore | undefined {
  if (typeof document === "undefined") return undefined;
  try {
    return new WebStorageStore(localStorage, name);
  } catch {
    return undefined;
  }
}

function keptEventOf(text: string | null): KeptEvent | undefined {
  try {
    const value = JSON.parse(text ?? "") as KeptEvent | null;
    const isKept = typeof value?.event?.event_id === "string" && typeof value.at === "number";
    return isKept ? value : undefined;
  } catch {
    return undefined;
  }
}
