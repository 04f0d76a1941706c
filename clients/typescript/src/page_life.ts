// What a browser tells of its page's life and network. Elsewhere there is nothing to hear.

/** What wants to know. */
export interface Listener {
  /** The page may be gone at any moment now. */
  leave(): void;
  /** The network is back. */
  hurry(): void;
}

/** Tell a listener of the page it lives in; return what ends that. */
export function listenToPage(listener: Listener): () => void {
  if (typeof document === "undefined") return () => undefined;
  const ending = new AbortController();
  const { signal } = ending;
  // On phones a page that was hidden is often ended without another word.
  const onHidden = (): void => {
    if (document.visibilityState === "hidden") listener.leave();
  };
  document.addEventListener("visibilitychange", onHidden, { signal });
  window.addEventListener("pagehide", () => listener.leave(), { signal });
  window.addEventListener("online", () => listener.hurry(), { signal });
  return () => ending.abort();
}
